"""Views of series: crop, segment permutation along time, scale, jitter and masks, on whole batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy import rng
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

    Every setting but `num_views` is one number for all views or one per view.

    Example:
        >>> views = SeriesViews(permute=[1, 5], jitter=[0.0, 0.8])
        >>> tensors = views.make(torch.zeros(2, 3, 16), torch.tensor([4, 7]), seed=0, pass_=0)
        >>> [tuple(view.shape) for view in tensors]
        [(2, 3, 16), (2, 3, 16)]
    """

    name = "series views"

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

    def make(self, x: Tensor, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the views, each (B, C, T) float32, of standardised series `x` (B, C, T) float32."""
        if x.ndim != 3 or not x.is_floating_point():
            raise UserError(f"series views: expected float series (B, C, T), got {x.dtype} {tuple(x.shape)}")
        return [self._view(x, rng.keys(seed, pass_, view, index), view) for view in range(self.count)]

    def _view(self, x: Tensor, keys: Tensor, view: int) -> Tensor:
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
            share = self.crop[view] + (1 - self.crop[view]) * uniforms[:, _CROP_LENGTH]
            x = stretch(x, share * length, uniforms[:, _CROP_START] * (1 - share) * length)
        if segments > 1:
            number = 1 + (uniforms[:, _SEGMENTS] * segments).long()
            order = segment_order(words[:, cuts : cuts + segments], words[:, cuts + segments :], number, length)
            x = x.gather(2, order.to(x.device)[:, None].expand_as(x))
        if self.scale[view] > 0:
            drawn = rng.normals(rng.halves(keys, channels, start=factors))
            x = x * (1 + self.scale[view] * drawn).to(x.device)[..., None]
        if self.jitter[view] > 0:
            drawn = rng.normals(rng.halves(keys.to(x.device), channels * length, start=noise))
            x = torch.add(x, drawn.view(x.shape), alpha=self.jitter[view])
        hidden = self._hidden(uniforms, keys, view, masks, (channels, length))
        return x if hidden is None else x.masked_fill(hidden.to(x.device), 0.0)

    def _hidden(self, uniforms: Tensor, keys: Tensor, view: int, start: int, shape: tuple[int, int]) -> Tensor | None:
        channels, length = shape
        hidden = None
        if self.time_mask[view] > 0:
            span = (self.time_mask[view] * uniforms[:, _MASK_LENGTH] * (length + 1)).floor().clamp(max=length)
            first = (uniforms[:, _MASK_START] * (length - span + 1)).floor()
            time = torch.arange(length)
            hidden = ((time >= first[:, None]) & (time < (first + span)[:, None]))[:, None]
        if self.channel_mask[view] > 0:
            masked = rng.masks(rng.halves(keys, channels, start=start), self.channel_mask[view])
            masked &= ~masked.all(1, keepdim=True)
            hidden = masked[..., None] if hidden is None else hidden | masked[..., None]
        return hidden


def segment_order(cut_words: Tensor, rank_words: Tensor, number: Tensor, length: int) -> Tensor:
    """Return the time steps of series whose segments are permuted, (B, T) int64: a permutation of 0..T-1 each.

    Args:
        cut_words, rank_words: (B, S) int64 random bits that place the cuts (S - 1 are used), and order the segments.
        number: (B,) int64, how many segments each series is cut into, 1..S.
        length: T, at least S; no segment is empty.
    """
    most = cut_words.shape[1]
    # Sorted numbers with repetition, then one more for each that came before: distinct places in 1..T-1.
    places = rng.integers(cut_words[:, 1:], length - most + 1)
    unused = torch.arange(1, most) >= number[:, None]
    places = places.masked_fill(unused, 2 * length).sort(1).values + torch.arange(1, most)
    segment = (torch.arange(length) >= places[..., None]).sum(1)
    ranks = rng.orders(rank_words)
    return torch.argsort(ranks.gather(1, segment), dim=1, stable=True)


def stretch(x: Tensor, width: Tensor, start: Tensor) -> Tensor:
    """Return (B, C, T) windows of `x` (B, C, T) stretched to its whole length, linear between time steps.

    A window covers `width` (B,) float64 time steps from `start` (B,) float64 in [0, T - width].
    """
    length = x.shape[2]
    place = start[:, None] + (torch.arange(length, dtype=torch.float64) + 0.5) * (width / length)[:, None] - 0.5
    place = place.clamp(0, length - 1)
    before = place.floor()
    share = (place - before).to(x.dtype).to(x.device)[:, None]
    before = before.long()
    after = (before + 1).clamp(max=length - 1)
    left, right = (x.gather(2, i.to(x.device)[:, None].expand_as(x)) for i in (before, after))
    return left + share * (right - left)
