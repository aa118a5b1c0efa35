import pytest
import torch
from torch import nn

from isotropy.encoders import DilatedResNet, wrap
from isotropy.errors import UserError
from isotropy.methods import TS2Vec
from isotropy.objectives import hierarchical_contrast
from isotropy.rng import Stream
from isotropy.views.multiview import MultiView
from methods.fakes import normal, views_of


def small(encoder=None, **options):
    torch.manual_seed(0)
    return TS2Vec(encoder or DilatedResNet(channels=2, width=6, hidden=4, depth=2), **options).double()


def test_the_loss_is_the_papers_on_the_shared_steps():
    method, x = small(mask_ratio=0.0, instance_weight=0.3, temperature=2.0).eval(), normal(5, 2, 20)
    (first, left), (right, last) = method._crops(20)
    early, late = (method.encoder.frames(x[..., a:b]) for a, b in ((first, right), (left, last)))
    shared = early[..., left - first :].mT, late[..., : right - left].mT
    expected = hierarchical_contrast(*shared, alpha=0.3, temperature=2.0)
    terms = method.loss(**method(views_of(x)))
    assert all(terms[name].item() == pytest.approx(expected[name].item(), abs=1e-12) for name in expected)


class Steps(nn.Module):
    """A user's network whose frames each see one time step."""

    frame_width = 6

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(2, 6, 1)

    def frames(self, x):
        return self.layer(x)

    def forward(self, x):
        return self.frames(x).mean(2)


def test_a_wrapped_network_that_takes_any_length_is_trained():
    method = small(wrap(Steps(), example=normal(2, 2, 9).float(), any_length=True))
    early, late = method(views_of(normal(4, 2, 30)))["frames"]
    assert early.shape == late.shape and early.shape[2] == 6
    with pytest.raises(UserError, match="Wrapped.* takes one length: take dilated_resnet, or give wrap any_length"):
        small(wrap(Steps(), width=6))


class Raw(DilatedResNet):
    """Frames that are the input itself."""

    def frames(self, x):
        return x.repeat(1, 3, 1)


def test_both_crops_show_the_same_steps():
    method, x = small(Raw(channels=2, width=6), mask_ratio=0.0), normal(4, 2, 30)
    for step in range(50):
        method.rng = Stream(step=step)
        early, late = method(views_of(x))["frames"]
        assert torch.equal(early, late) and early.shape[1] >= 2


@pytest.mark.parametrize("length", [1, 2, 3, 24])
def test_crops_lie_in_the_series_and_overlap_over_the_whole_range(length):
    method, found = small(), set()
    for step in range(400):
        method.rng = Stream(step=step)
        (first, left), (right, last) = method._crops(length)
        assert 0 <= first <= left < right <= last <= length and right - left >= min(2, length)
        found.add(right - left)
    assert found == set(range(min(2, length), length + 1))


def test_steps_are_hidden_at_the_rate_by_sample_pass_and_crop_and_by_nothing_else():
    method, x = small(mask_ratio=0.25), torch.ones(400, 2, 50, dtype=torch.float64)
    index = torch.arange(400)
    masked = method._masked(x, index, 0)
    assert torch.equal(masked[:, 0], masked[:, 1])
    assert (masked == 0).double().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(method._masked(x[:7], index[3:10], 0), masked[3:10])
    assert not torch.equal(method._masked(x, index, 1), masked)
    method.rng = Stream(pass_=1)
    assert not torch.equal(method._masked(x, index, 0), masked)


def test_a_hidden_step_is_a_hidden_projection_for_the_dilated_network():
    stem = DilatedResNet(channels=2, width=6).layers[0]
    hidden = stem(torch.zeros(1, 2, 1, 5))
    assert torch.equal(hidden, torch.zeros_like(hidden))


def test_every_weight_learns():
    method = small()
    sum(method.loss(**method(views_of(normal(6, 2, 24)))).values()).backward()
    assert all(p.grad is not None for p in method.parameters())
    assert method.reference_losses(8) == {}


def test_one_view_is_enough_and_its_encoder_is_the_one_to_embed_with():
    method = small()
    assert method.min_views == 1
    assert method.encoder(normal(3, 2, 24)).shape == (3, 6)
    outputs = method(MultiView(torch.arange(3), lambda: [normal(3, 2, 24)]))
    assert list(outputs) == list(method.gathered)
