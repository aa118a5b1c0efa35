import math

import pytest
import torch
from torch import nn

from isotropy.errors import UserError
from isotropy.methods import Masked
from isotropy.objectives import normalise_patches, reconstruction
from isotropy.rng import Stream
from methods.fakes import Net, normal, views_of

GRIDS = {(10,): 10, (3, 26): 3 * 7, (2, 9, 13): 3 * 4}


class Rows(nn.Module):
    """From a vector to rows of any shape."""

    def __init__(self, width, shape):
        super().__init__()
        self.linear, self.shape = nn.Linear(width, torch.Size(shape).numel()), shape

    def forward(self, h):
        return self.linear(h).view(-1, *self.shape)


def made(shape, **options):
    return Masked(Net(), make_decoder=lambda width: Rows(width, shape), **options).double().eval()


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.75, 0.99])
def test_every_row_hides_the_same_count_of_whole_patches(shape, share):
    method, x = made(shape, mask_ratio=share), 1 + normal(50, *shape).abs()
    hidden = method(views_of(x))["hidden"][0]
    assert hidden.shape == (x[:, :1].shape if x.ndim == 4 else x.shape), "a patch of an image has all its channels"
    cells = hidden
    for axis in range(2, hidden.ndim):
        cells = cells[(slice(None),) * axis + (slice(0, None, 4),)]
    counts = cells.flatten(1).sum(1)
    visible = max(1, int(GRIDS[shape] * (1 - share)))
    assert (counts == GRIDS[shape] - visible).all()
    whole = cells
    for axis in range(2, hidden.ndim):
        whole = whole.repeat_interleave(4, axis).narrow(axis, 0, hidden.shape[axis])
    assert torch.equal(whole, hidden)
    assert abs(cells.flatten(1).double().mean(0) - counts[0] / GRIDS[shape]).max() < 0.3, "every place is drawn"


@pytest.mark.parametrize(("share", "count"), [(0.8, 8), (0.9, 9), (0.7, 7), (0.6, 6), (0.65, 7)])
def test_a_share_that_is_a_whole_number_of_cells_hides_that_number(share, count):
    hidden = made((10,), mask_ratio=share)(views_of(normal(3, 10)))["hidden"][0]
    assert hidden.sum(1).tolist() == [count] * 3


@pytest.mark.parametrize("shape", GRIDS)
@pytest.mark.parametrize(("least", "most"), [(0.0, 0.99), (0.2, 0.5)])
def test_rows_hide_numbers_of_their_own_between_the_two_fractions(shape, least, most):
    cells, x = GRIDS[shape], normal(2000, *shape)
    hidden = made(shape, mask_ratio=most, least_ratio=least)(views_of(x))["hidden"][0]
    for axis in range(2, hidden.ndim):
        hidden = hidden[(slice(None),) * axis + (slice(0, None, 4),)]
    counts = hidden.flatten(1).sum(1)
    low, high = max(1, math.ceil(cells * least)), min(cells - 1, math.ceil(cells * most))
    drawn = torch.bincount(counts, minlength=cells + 1) / len(x)
    assert counts.min() == low and counts.max() == high
    assert (drawn[low : high + 1] - 1 / (high - low + 1)).abs().max() < 0.04
    assert (hidden.flatten(1).double().mean(0) - (low + high) / 2 / cells).abs().max() < 0.05


def test_a_least_fraction_above_the_greatest_is_refused():
    with pytest.raises(UserError, match=r"least_ratio = 0\.6 is above mask_ratio = 0\.5"):
        made((10,), least_ratio=0.6)


@pytest.mark.parametrize("shape", GRIDS)
def test_the_loss_is_the_error_on_what_the_encoder_did_not_see(shape):
    method, x = made(shape), normal(8, *shape)
    outputs = method(views_of(x))
    hidden = outputs["hidden"][0]
    told = method.decoder(method.encoder(torch.where(hidden, 0.0, x)))
    target = normalise_patches(x, 4) if len(shape) == 3 else x
    expected = reconstruction(told, target, hidden=hidden).item()
    assert method.loss(**outputs)["error"].item() == pytest.approx(expected, abs=1e-12)
    outputs["target"] = [torch.where(hidden, target, 1e9)]
    assert method.loss(**outputs)["error"].item() == pytest.approx(expected, abs=1e-12), "what was seen does not count"


def test_what_is_hidden_is_a_function_of_seed_pass_view_and_index():
    x = normal(6, 10)

    def hidden(seed=0, pass_=0, rows=slice(None)):
        method = made((10,))
        method.rng = Stream(seed, pass_)
        views = views_of(x[rows], x[rows])
        views.index = torch.arange(6)[rows]
        return method(views)["hidden"]

    first, second = hidden()
    assert all(map(torch.equal, hidden(), (first, second)))
    assert torch.equal(hidden(rows=slice(2, 5))[0], first[2:5])
    for other in (second, hidden(seed=1)[0], hidden(pass_=1)[0], first.roll(1, 0)):
        assert not torch.equal(other, first)


def test_the_reference_loss_and_every_parameter_learns():
    method, x = made((5,)).train(), normal(8, 5)
    outputs = method(views_of(x))
    method.loss(**outputs)["error"].backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in method.parameters())
    outputs["prediction"] = outputs["target"]
    assert method.loss(**outputs)["error"].item() == method.reference_losses(8)["perfection"] == 0
