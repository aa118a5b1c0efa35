"""Views of series: each operation by itself, the permutation above all."""

import pytest
import torch
from scipy import stats

from isotropy import rng
from isotropy.errors import UserError
from isotropy.views import SeriesViews
from isotropy.views.series import segment_order

NONE = {"scale": 0.0, "jitter": 0.0, "permute": 1}
INDEX = torch.arange(500)


def ramp(count=500, channels=3, length=40):
    """Value = time step, plus 1000 per channel."""
    return (torch.arange(length) + 1000.0 * torch.arange(channels)[:, None]).expand(count, -1, -1)


def made(x, index=None, **settings):
    index = INDEX[: len(x)] if index is None else index
    return SeriesViews(**{**NONE, **settings}).make(x, index, seed=0, pass_=0)


def test_nothing_asked_for_changes_nothing():
    assert torch.equal(made(ramp())[0], ramp())


def test_permutation_moves_whole_segments_of_time_and_all_channels_together():
    view = made(ramp(), permute=5)[0]
    steps = view[:, 0].long()
    assert torch.equal(steps.sort(1).values, torch.arange(40).expand(500, -1))
    for channel in (1, 2):
        assert torch.equal(view[:, channel] - 1000 * channel, view[:, 0])
    segments = []
    for row in steps.tolist():
        cuts = [i for i in range(1, 40) if row[i] != row[i - 1] + 1]
        assert len(cuts) <= 4
        segments.append(len(cuts) + 1)
    # Of five segments in random order neighbours often stay neighbours; unmoved ones are the fewer.
    assert max(segments) == 5 and 0.2 < segments.count(1) / 500 < 0.6


def test_segments_are_never_empty_and_their_order_uniform():
    keys = rng.keys(0, 0, 0, torch.arange(1200))
    words = rng.bits(keys, 6)
    three = torch.full((1200, 1), 3)
    order = segment_order(words[:, :3], words[:, 3:], three, 3)  # three steps: each a segment
    codes = (order @ torch.tensor([9, 3, 1])).unique(return_counts=True)[1]
    assert len(codes) == 6 and stats.chisquare(codes.numpy()).pvalue > 0.01
    assert torch.equal(segment_order(words[:, :3], words[:, 3:], torch.ones(1200, 1, dtype=torch.int64), 9),
                       torch.arange(9).expand(1200, -1))  # fmt: skip


def test_more_segments_than_steps_are_no_error():
    assert torch.equal(made(ramp(length=2), permute=8)[0].sort(2).values, ramp(length=2))


def test_scale_is_one_normal_factor_per_channel():
    view = made(torch.ones(500, 3, 40), scale=0.2)[0]
    assert torch.equal(view, view[..., :1].expand_as(view))
    assert stats.kstest(view[..., 0].flatten().numpy(), stats.norm(1, 0.2).cdf).pvalue > 0.01


def test_jitter_is_independent_noise():
    view = made(torch.zeros(500, 3, 40), jitter=0.05)[0]
    assert stats.kstest(view.flatten().numpy(), stats.norm(0, 0.05).cdf).pvalue > 0.01
    flat = view.flatten(1)
    assert (torch.corrcoef(flat.T) - torch.eye(120)).abs().max() < 0.25


def test_time_mask_is_one_span_of_all_channels():
    view = made(torch.ones(500, 3, 40), time_mask=0.25)[0]
    assert torch.equal(view, view[:, :1].expand_as(view))
    hidden = view[:, 0] == 0
    assert (hidden.int().diff(dim=1) == 1).sum(1).max() <= 1
    lengths = hidden.sum(1)
    assert lengths.min() == 0 and lengths.max() == 10
    assert hidden[:, 0].any() and hidden[:, -1].any()


def test_channel_mask_hides_channels_but_never_all():
    view = made(torch.ones(500, 4, 10), channel_mask=0.5)[0]
    hidden = (view == 0).all(2)
    assert torch.equal(hidden, (view == 0).any(2))
    assert not hidden.all(1).any()
    assert abs(hidden.double().mean() - (0.5 - 1 / 16)) < 0.04
    assert torch.equal(made(torch.ones(9, 1, 10), channel_mask=1.0)[0], torch.ones(9, 1, 10))


def test_crop_stretches_a_window():
    view = made(ramp(), crop=0.5)[0][:, 0]
    # A window of width w runs over w steps, so w / T per step away from the ends.
    slope = view[:, 20] - view[:, 19]
    assert torch.allclose(view[:, 5:35].diff(dim=1), slope[:, None].expand(-1, 29), atol=1e-3)
    assert slope.min() >= 0.5 - 1e-4 and slope.max() <= 1 + 1e-4 and view.min() >= 0 and view.max() <= 39
    assert stats.kstest(slope.numpy(), stats.uniform(0.5, 0.5).cdf).pvalue > 0.01


def test_weak_and_strong_views():
    weak, strong = made(ramp(), permute=[1, 8], jitter=[0.0, 0.1])
    assert torch.equal(weak, ramp())
    assert not torch.allclose(strong, ramp(), atol=5)


def test_a_view_depends_on_no_batch_order_or_thread_count():
    settings = {"scale": 0.1, "jitter": 0.3, "permute": 5, "time_mask": 0.2, "channel_mask": 0.2, "crop": 0.6}
    x = ramp(300) / 40
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = made(x, **settings)
        for number in (1, 2):
            torch.set_num_threads(number)
            for choice in (torch.arange(300).flip(0), torch.tensor([5, 1]), torch.tensor([299])):
                for view, reference in zip(made(x[choice], choice, **settings), whole):
                    assert torch.equal(view, reference[choice])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("settings", "said"), [({"permute": 0}, "permute: 0"), ({"crop": [0.5]}, "1 values for 2 views")]
)
def test_wrong_settings_get_one_line(settings, said):
    with pytest.raises(UserError, match=said):
        SeriesViews(**settings)
    with pytest.raises(UserError, match="series views"):
        SeriesViews().make(torch.zeros(2, 3), torch.arange(2), seed=0, pass_=0)
