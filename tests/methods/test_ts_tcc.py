from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from isotropy.encoders import GRU, DilatedResNet, SeriesCNN, wrap
from isotropy.errors import UserError
from isotropy.methods import TSTCC
from isotropy.objectives import nt_xent, temporal_contrast
from isotropy.rng import Stream
from isotropy.views.multiview import MultiView
from methods.fakes import normal, views_of


def small(encoder=None, **options):
    torch.manual_seed(0)
    options = {"timesteps": 3, "context_width": 8, "depth": 1, "num_heads": 2, "projector": (6, 4)} | options
    return TSTCC(encoder or DilatedResNet(channels=2, width=6, hidden=4, depth=2), **options).double()


def tensors(length=12):
    return [normal(7, 2, length), normal(7, 2, length, seed=1)]


def test_the_loss_is_the_papers_over_both_directions():
    method, (weak, strong) = small(temporal_weight=2.0, contextual_weight=0.5).eval(), tensors()
    outputs = method(views_of(weak, strong))
    z = [normalize(method.encoder.frames(x), dim=1).transpose(1, 2) for x in (weak, strong)]
    now = method._now(12)
    contexts = [method.context(frames[:, : now + 1]) for frames in z]
    weights = method.predictor.weight.view(3, 6, 8), method.predictor.bias.view(3, 6)
    temporal = 0.0
    for context, frames in zip(contexts, reversed(z)):
        predicted = torch.einsum("kdh,bh->bkd", weights[0], context) + weights[1]
        temporal += temporal_contrast(predicted, torch.stack([frames[:, now + k] for k in (1, 2, 3)], 1))
    terms = method.loss(**outputs)
    assert terms["temporal"].item() == pytest.approx(2 * temporal.item(), abs=1e-12)
    contextual = nt_xent(*[method.projector(c) for c in contexts], temperature=0.2)
    assert terms["contextual"].item() == pytest.approx(0.5 * contextual.item(), abs=1e-12)


def test_nothing_behind_now_reaches_the_prediction():
    method, (weak, strong) = small().eval(), tensors()
    # Frames of a network that sees one step alone.
    method.encoder = wrap(Steps(), width=24).double()
    method.width = 6
    now = method._now(12)
    before = method(views_of(weak, strong))
    for x in (weak, strong):
        x[:, :, now + 1 :] += 1
    after = method(views_of(weak, strong))
    for name in ("prediction", "context"):
        assert all(map(torch.equal, before[name], after[name]))
    assert not torch.equal(before["future"][0], after["future"][0])


class Steps(nn.Module):
    """Frames that each see one time step."""

    frame_width = 6

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(2, 6, 1)

    def frames(self, x):
        return self.layer(x)

    def forward(self, x):
        return self.frames(x).flatten(1)


def test_the_time_step_is_drawn_from_the_number_of_the_step_and_from_the_whole_range():
    method = small()
    drawn = []
    for step in range(200):
        method.rng = Stream(step=step)
        drawn.append(method._now(9))
        assert method._now(9) == drawn[-1]
    assert set(drawn) == set(range(6))


def test_all_parts_learn_and_the_loss_of_collapse_is_the_reference_loss():
    method, (weak, strong) = small(), tensors()
    sum(method.loss(**method(views_of(weak, strong))).values()).backward()
    assert all(p.grad is not None for p in method.parameters())
    point = torch.ones(16, 3, 6)
    terms = method.loss([point, 2 * point], [point, point], [torch.ones(16, 4)] * 2)
    total = sum(terms.values()).item()
    assert total == pytest.approx(method.reference_losses(16)["point collapse"], abs=1e-5)
    assert total == pytest.approx(2 * log(16) + 0.7 * log(31), abs=1e-5)


def test_the_papers_encoder_has_18_frames_of_har():
    method = TSTCC(SeriesCNN(channels=9, length=128))
    outputs = method(views_of(torch.randn(4, 9, 128), torch.randn(4, 9, 128)))
    assert outputs["prediction"][0].shape == outputs["future"][1].shape == (4, 6, 128)
    assert outputs["context"][0].shape == (4, 32)


@pytest.mark.parametrize(("frames", "predicted"), [(2, 1), (3, 2), (7, 6), (30, 6)])
def test_the_default_horizon_follows_the_length_of_the_series(frames, predicted):
    method = TSTCC(GRU(channels=2, width=6, stride=1), context_width=8, depth=1, num_heads=2, projector=(6, 4))
    views = MultiView(torch.arange(4), lambda: [torch.randn(4, 2, frames), torch.randn(4, 2, frames)])
    outputs = method(views)
    assert {x.shape[1] for name in ("prediction", "future") for x in outputs[name]} == {predicted}
    assert all(term.isfinite() for term in method.loss(**outputs).values())


def test_a_series_of_one_frame_has_no_future():
    method = TSTCC(GRU(channels=2, width=6, stride=8))
    with pytest.raises(UserError, match="gives 1 frame of these: take longer series"):
        method(MultiView(torch.arange(4), lambda: [torch.randn(4, 2, 8)] * 2))
