from math import log

import pytest
import torch

from isotropy.methods import MUSIC
from isotropy.objectives import music
from methods.fakes import Net, normal, views_of


def small(**options):
    torch.manual_seed(0)
    return MUSIC(Net(), **({"projector": (16, 20), "num_segments": 5} | options)).double()


def test_the_loss_is_the_papers_on_projected_views():
    method = small(temperature=0.5, diagonal_weight=2.0, off_diagonal_weight=3.0, transform_weight=0.5).eval()
    tensors = [normal(7, 5), normal(7, 5, seed=1)]
    found = method.loss(**method(views_of(*tensors)))
    z = [method.projector(method.encoder(x)) for x in tensors]
    expected = music(*z, num_segments=5, temperature=0.5, diagonal=2.0, off_diagonal=3.0, transform=0.5)
    for name, term in expected.items():
        assert found[name].item() == pytest.approx(term.item(), abs=1e-12)


def one_hot(codes, units):
    return 1e4 * torch.nn.functional.one_hot(codes, units).double().flatten(1)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 3.0, 0.5)])
def test_reference_losses_are_what_the_loss_gives(weights):
    method = small(
        num_segments=5,
        **dict(zip(("diagonal_weight", "off_diagonal_weight", "transform_weight"), weights, strict=True)),
    )
    a, b = torch.arange(16) // 4, torch.arange(16) % 4
    times = torch.tensor([[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]])
    array = torch.stack([a, b, *(a ^ times[k][b] for k in range(3))], dim=1)
    marks = method.reference_losses(16)
    assert list(marks) == ["uniform codes", "one code", "perfection"]
    states = (torch.zeros(16, 20), one_hot(torch.zeros(16, 5, dtype=torch.int64), 4), one_hot(array, 4))
    for name, z in zip(marks, states, strict=True):
        z = z.double()
        assert sum(method.loss([z, z]).values()).item() == pytest.approx(marks[name], abs=1e-9), name


def test_the_reference_losses_of_a_small_batch_and_of_one_segment():
    assert small().reference_losses(12)["perfection"] == pytest.approx(-log(4) - log(12))
    method = small(projector=(16, 6), num_segments=1)
    marks, z = method.reference_losses(12), torch.zeros(12, 6, dtype=torch.float64)
    assert sum(method.loss([z, z]).values()).item() == pytest.approx(marks["uniform codes"], abs=1e-12)
    z = one_hot(torch.arange(12)[:, None] % 6, 6)
    assert sum(method.loss([z, z]).values()).item() == pytest.approx(marks["perfection"], abs=1e-12)


def test_codes_are_the_likeliest_units():
    method = small().eval()
    x = normal(9, 5)
    logits = method.projector(method.encoder(x)).view(9, 5, 4)
    codes = method.codes(x)
    assert codes.shape == (9, 5) and codes.dtype == torch.int64
    for row in range(9):
        for segment in range(5):
            assert logits[row, segment, codes[row, segment]] == logits[row, segment].max()
    assert method.coder() is method.projector


def test_the_last_layer_begins_away_from_the_saddle():
    method = small()
    assert method.projector.layers[-1].weight.std() > 0.05 and method.projector.layers[-1].bias is None
    sum(method.loss(**method(views_of(normal(8, 5), normal(8, 5, seed=1)))).values()).backward()
    assert all(p.grad.abs().max() > 0 for p in method.parameters())
