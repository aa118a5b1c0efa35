import pytest
import torch
from torch import nn

from isotropy.methods import DACL
from isotropy.objectives import nt_xent
from isotropy.rng import Stream
from isotropy.views.multiview import Plain
from methods.fakes import Net, Rows, normal, views_of


class Kept(nn.Module):
    """An encoder that keeps what it is given."""

    width = 5

    def forward(self, x):
        self.seen = x
        return x.flatten(1)[:, :5]


def mixtures(x, index, *, seed=0, pass_=0, num_views=1, **options):
    """Return what a DACL over the rows `x` shows its encoder of the rows `index`, one tensor a view."""
    method = DACL(Kept(), projector=(4, 3), **options).to(x.dtype)
    dataset = Rows(x)
    method.rng = Stream(seed, pass_)
    method.before_pass(dataset, pass_)
    method(views_of(*[x[index]] * num_views) if num_views > 1 else Plain()(dataset, index, seed=0, pass_=pass_))
    return method.encoder.seen.chunk(max(2, num_views))


def test_a_mixture_is_a_row_and_a_share_of_another_row():
    # Rows on two lines: what was mixed can be read off its place and its height.
    rows = torch.stack([torch.arange(2000.0), torch.arange(2000.0) ** 2, *torch.zeros(3, 2000)], 1).double()
    index = torch.arange(0, 2000, 2)
    shares, others = [], []
    for mixed in mixtures(rows, index, alpha=0.6, numeric=5):
        i, x, y = index.double(), mixed[:, 0], mixed[:, 1]
        # m i + (1 - m) j = x and m i^2 + (1 - m) j^2 = y give j = (y - i x) / (x - i).
        other = (y - i * x) / (x - i)
        share = (x - other) / (i - other)
        good = (i - other).abs() > 10
        assert (other[good] - other[good].round()).abs().max() < 1e-3
        shares.append(share[good]), others.append(other[good])
    share, other = torch.cat(shares), torch.cat(others)
    assert share.min() >= 0.6 - 1e-9 and share.max() <= 1
    assert share.mean().item() == pytest.approx(0.8, abs=0.01), "uniform in [alpha, 1]"
    assert other.mean().item() == pytest.approx(1000, abs=60), "partners come from all rows"
    assert len(other.round().unique()) > 1000


def test_a_category_is_that_of_the_other_row_with_the_others_share():
    rows = torch.cat([torch.arange(4000.0)[:, None] >= 2000] * 5, 1).double()
    index = torch.arange(2000)
    for mixed in mixtures(rows, index, alpha=0.5, numeric=1):
        assert set(mixed[:, 1:].unique().tolist()) == {0.0, 1.0}
        # Half of the partners differ, and their share is a quarter on average.
        assert mixed[:, 1:].mean().item() == pytest.approx(0.125, abs=0.01)
        assert mixed[:, 0].mean().item() == pytest.approx(0.125, abs=0.01)
        taken, share = mixed[:, 1], mixed[:, 0]
        assert (taken[share == 0] == 0).all() and not torch.equal(mixed[:, 1], mixed[:, 2])


def test_mixtures_are_a_function_of_seed_pass_view_and_index():
    x, index = normal(30, 2, 5), torch.tensor([4, 9, 2])
    one, two = mixtures(x, index)
    assert one.shape == (3, 2, 5) and not torch.allclose(one, two)
    assert all(map(torch.equal, mixtures(x, index), (one, two)))
    assert torch.equal(mixtures(x, index[1:])[1], two[1:])
    for other in (mixtures(x, index, seed=1)[0], mixtures(x, index, pass_=1)[0]):
        assert not torch.allclose(other, one)
    assert len(mixtures(x, index, num_views=3)) == 3


def test_the_loss_is_that_of_its_mixtures_and_every_parameter_learns():
    method, dataset, rows = DACL(Net(), projector=(16, 6), temperature=0.4).double(), Rows(normal(9, 5)), 6
    method.before_pass(dataset, 0)
    outputs = method(Plain()(dataset, torch.arange(rows), seed=0, pass_=0))
    expected = nt_xent(*outputs["z"], temperature=0.4).item()
    assert method.loss(**outputs)["contrast"].item() == pytest.approx(expected, abs=1e-12)
    method.loss(**outputs)["contrast"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())
