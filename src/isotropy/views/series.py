"""Views of series: crop, segment permutation along time, scale, jitter and masks, on whole batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy import rng
from isotropy.batch import Batch, lengths
from isotropy.errors import UserError
from isotropy.validation import at_least, per_view
from isotropy.views.multiview import RandomViews

# The first columns of a view's draw: length and start of the crop, number of segments, length and start of the mask.
_CROP_LENGTH, _CROP_START, _SEGMENTS, _MASK_LENGTH, _MASK_START, _PARAMETERS = range(6)


class SeriesViews(RandomViews):
    """Random views of series.

    In this order: crop, permutation of segments, scale, jitter, time mask, channel mask. The defaults keep time as it
    is, since the default encoder does (docs/log.md says what permuting and cropping did).

    Args:
        num_views: how many views a sample gets.
        scale: standard deviation of the factor N(1, scale) that each channel is multiplied with.
        jitter: standard deviation of the noise added to each value.
        permute: the most segments that time is cut into; their number is uniform in 1..permute, their order random,
            and all channels move together. 1 leaves time as it is.
        time_mask: the largest fraction of time that one contiguous mask sets to 0; the fraction is uniform from 0.
        channel_mask: probability that a channel is set to 0; a sample whose channels would all be keeps them all.
        crop: the least fraction of time that a window covers, uniform up to 1; it is stretched back linearly.

    Every setting but `num_views` is one number for all views or one per view. Of series with a mask each view is of the
    steps that are there, as many as before, and 0 behind them.

    Example:
        >>> views = SeriesViews(permute=[1, 5], jitter=[0.0, 0.8])
        >>> tensors = views.make(torch.zeros(2, 3, 16), torch.tensor([4, 7]), seed=0, pass_=0)
        >>> [tuple(view.shape) for view in tensors]
        [(2, 3, 16), (2, 3, 16)]
    """

    name = "series views"
    takes_masks = True

    def __init__(
        self,
        *,
        num_views: int = 2,
        scale: float | Sequence[float] = 0.3,
        jitter: float | Sequence[float] = 0.3,
        permute: int | Sequence[int] = 1,
        time_mask: float | Sequence[float] = 0.0,
        channel_mask: float | Sequence[float] = 0.0,
        crop: float | Sequence[float] = 1.0,
    ) -> None:
        at_least(1, num_views=num_views)
        self.count = count = num_views
        self.scale = per_view("scale", scale, count, high=float("inf"))
        self.jitter = per_view("jitter", jitter, count, high=float("inf"))
        self.permute = tuple(int(n) for n in per_view("permute", permute, count, low=1, high=32767))
        self.time_mask = per_view("time_mask", time_mask, count)
        self.channel_mask = per_view("channel_mask", channel_mask, count)
        self.crop = per_view("crop", crop, count, low=0.01)

    def make(self, x: Tensor | Batch, index: Tensor, *, seed: int, pass_: int) -> list[Tensor | Batch]:
        """Return the views, each (B, C, T) float32, of standardised series `x` (B, C, T) float32."""
        values = x.values if isinstance(x, Batch) else x
        if values.ndim != 3 or not values.is_floating_point():
            raise UserError(f"series views: expected float series (B, C, T), got {values.dtype} {tuple(values.shape)}")
        steps: Tensor | int = values.shape[2]
        mask = x.mask if isinstance(x, Batch) else None
        if mask is not None:
            steps = lengths(mask).cpu()[:, None].clamp(min=1)
        views = (self._view(values, steps, rng.keys(seed, pass_, view, index), view) for view in range(self.count))
        return [*views] if mask is None else [Batch(view.masked_fill(~mask, 0.0), mask) for view in views]

    def _view(self, x: Tensor, steps: Tensor | int, keys: Tensor, view: int) -> Tensor:
        """Return a view of series of `steps` steps, (B, 1) int64 where they differ."""
        _, channels, length = x.shape
        segments = min(self.permute[view], length)
        # Columns: the parameters, places of cuts and ranks of segments, channel factors, channel masks, noise.
        cuts = _PARAMETERS
        factors = cuts + 2 * segments
        masks = factors + rng.words_for(channels)
        noise = masks + rng.words_for(channels)
        words = rng.bits(keys, factors)
        uniforms = rng.uniforms(words[:, :_PARAMETERS])
        if self.crop[view] < 1:
            share = self.crop[view] + (1 - self.crop[view]) * uniforms[:, _CROP_LENGTH, None]
            x = stretch(x, share * steps, uniforms[:, _CROP_START, None] * (1 - share) * steps, steps)
        if segments > 1:
            most = segments if isinstance(steps, int) else steps.clamp(max=segments)
            number = 1 + (uniforms[:, _SEGMENTS, None] * most).long()
            order = segment_order(words[:, cuts : cuts + segments], words[:, cuts + segments :], number, length, steps)
            x = x.gather(2, order.to(x.device)[:, None].expand_as(x))
        if self.scale[view] > 0:
            drawn = rng.normals(rng.halves(keys, channels, start=factors))
            x = x * (1 + self.scale[view] * drawn).to(x.device)[..., None]
        if self.jitter[view] > 0:
            drawn = rng.normals(rng.halves(keys.to(x.device), channels * length, start=noise))
            x = torch.add(x, drawn.view(x.shape), alpha=self.jitter[view])
        hidden = self._hidden(uniforms, keys, view, masks, (channels, length), steps)
        return x if hidden is None else x.masked_fill(hidden.to(x.device), 0.0)

    def _hidden(
        self, uniforms: Tensor, keys: Tensor, view: int, start: int, shape: tuple[int, int], steps: Tensor | int
    ) -> Tensor | None:
        channels, length = shape
        hidden = None
        if self.time_mask[view] > 0:
            span = (self.time_mask[view] * uniforms[:, _MASK_LENGTH, None] * (steps + 1)).floor().clamp(max=steps)
            first = (uniforms[:, _MASK_START, None] * (steps - span + 1)).floor()
            time = torch.arange(length)
            hidden = ((time >= first) & (time < first + span))[:, None]
        if self.channel_mask[view] > 0:
            masked = rng.masks(rng.halves(keys, channels, start=start), self.channel_mask[view])
            masked &= ~masked.all(1, keepdim=True)
            hidden = masked[..., None] if hidden is None else hidden | masked[..., None]
        return hidden


def segment_order(
    cut_words: Tensor, rank_words: Tensor, number: Tensor, length: int, steps: Tensor | int | None = None
) -> Tensor:
    """Return the time steps of series whose segments are permuted, (B, T) int64: a permutation of 0..T-1 each.

    Args:
        cut_words, rank_words: (B, S) int64 random bits that place the cuts (S - 1 are used), and order the segments.
        number: (B, 1) int64, how many segments each series is cut into, 1..S, and no more than it has steps.
        length: T. steps: how many of them each series has, (B, 1) int64; by default all, S or more. No segment is
            empty, and what is behind them stays.
    """
    steps = length if steps is None else steps
    most = cut_words.shape[1]
    # Sorted numbers with repetition, then one more for each that came before: distinct places in 1..steps-1.
    free = steps - most if isinstance(steps, int) else (steps - most).clamp(min=0)
    places = rng.integers(cut_words[:, 1:], free + 1)
    unused = torch.arange(1, most) >= number
    places = places.masked_fill(unused, 2 * length).sort(1).values + torch.arange(1, most)
    segment = (torch.arange(length) >= places[..., None]).sum(1)
    ranks = rng.orders(rank_words).gather(1, segment)
    if not isinstance(steps, int):
        ranks = ranks.masked_fill(torch.arange(length) >= steps, most)
    return torch.argsort(ranks, dim=1, stable=True)


def stretch(x: Tensor, width: Tensor, start: Tensor, steps: Tensor | int | None = None) -> Tensor:
    """Return (B, C, T) windows of `x` (B, C, T) stretched to its whole length, linear between time steps.

    A window covers `width` (B, 1) float64 time steps from `start` (B, 1) float64 in [0, steps - width], of the `steps`
    (B, 1) int64 that each series has, by default all; it is stretched to as many.
    """
    length = x.shape[2]
    steps = length if steps is None else steps
    place = start + (torch.arange(length, dtype=torch.float64) + 0.5) * (width / steps) - 0.5
    place = place.clamp(min=0).clamp(max=steps - 1)
    before = place.floor()
    share = (place - before).to(x.dtype).to(x.device)[:, None]
    before = before.long()
    after = (before + 1).clamp(max=steps - 1)
    left, right = (x.gather(2, i.to(x.device)[:, None].expand_as(x)) for i in (before, after))
    return left + share * (right - left)
