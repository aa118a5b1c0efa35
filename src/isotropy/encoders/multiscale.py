"""An encoder for series of any length that reads several scales and keeps the level of each channel."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.batch import Batch
from isotropy.encoders.encoder import FrameEncoder
from isotropy.encoders.proportions import SHARPNESS, proportions
from isotropy.errors import UserError
from isotropy.validation import at_least

KERNEL = 9
_STATISTICS = 6  # of each channel
_MOST_STATISTICS = 48  # numbers of the embedding that statistics may take
_OVERLAP = 8  # steps of a scale's longest stride that are averaged into one


class MultiScaleCNN(FrameEncoder):
    """Convolutions at several scales, each read as how often it rises above its threshold, beside plain statistics.

    At scale i the 9 taps of a kernel are r_i steps apart, growing geometrically from 1 to an eighth of `length`; where
    that is far, neighbouring steps are averaged first. Of a filter's response h the embedding reads the mean over time
    of sigmoid(8 h), a smooth proportion of positive values. A linear map of all these is its learned part; the rest are
    statistics of each channel that nothing can unlearn: mean, logarithm of the standard deviation, minimum, maximum,
    last value and logarithm of the mean absolute step (48 mixtures of them where there are more).

    Kernels start with sum 0 and norm 1 and random thresholds, near MiniRocket (Dempster et al. 2021, section 3), whose
    proportions are hard. Beyond its ends a series is 0, the mean of its channel.

    Of a `Batch` with a mask only what is there counts: a padded series has the embedding of the series alone.

    Args:
        channels: number of channels.
        length: steps of the training series, which the scales follow; the encoder takes any other length.
        width: length of an embedding.
        filters, scales: convolutions of each scale, and number of scales.

    Example:
        >>> encoder = MultiScaleCNN(channels=3, length=50)
        >>> encoder(torch.zeros(4, 3, 50)).shape, encoder(torch.zeros(4, 3, 1000)).shape
        (torch.Size([4, 320]), torch.Size([4, 320]))
    """

    modality = "series"
    convolutional = True
    any_length = True
    takes_masks = True
    mixing: Tensor | None

    def __init__(self, *, channels: int, length: int, width: int = 320, filters: int = 64, scales: int = 6) -> None:
        super().__init__(channels=channels, length=length, width=width, filters=filters, scales=scales)
        at_least(1, channels=channels, length=length, width=width, filters=filters, scales=scales)
        kept = min(_STATISTICS * channels, _MOST_STATISTICS)
        if width <= kept:
            raise UserError(f"width = {width}: {kept} numbers are statistics of {channels} channels, so give more")
        self.width, self.frame_width = width, filters * scales
        self.blocks, convolutions = [], []
        for reach in reaches(length, scales):
            block = max(1, reach // _OVERLAP)
            dilation = max(1, round(reach / block))
            padding = dilation * (KERNEL // 2)
            self.blocks.append(block)
            convolutions.append(
                _centred(nn.Conv2d(channels, filters, (1, KERNEL), padding=(0, padding), dilation=(1, dilation)))
            )
        self.convolutions = nn.ModuleList(convolutions)
        self.norm = _Norm(self.frame_width)
        # What proportions are like before anything is learnt, so that they count as much as the statistics then too.
        self.norm.get_buffer("running_mean").fill_(0.5)
        self.norm.get_buffer("running_var").fill_(0.01)
        self.head = nn.Linear(self.frame_width, width - kept)
        self.statistics_norm = _Norm(kept, affine=False)
        # Fixed, so that no loss can unlearn the statistics.
        many = kept < _STATISTICS * channels
        mixing = nn.init.orthogonal_(torch.empty(kept, _STATISTICS * channels)) if many else None
        self.register_buffer("mixing", mixing)

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, filters * scales, time) in (0, 1) for series (B, channels, time): the soft thresholds."""
        found = []
        for block, response in zip(self.blocks, self._responses(x, None), strict=True):
            above = torch.sigmoid(SHARPNESS * response[0])
            found.append(above.repeat_interleave(block, 2)[..., : x.shape[2]] if block > 1 else above)
        return torch.cat(found, 1)

    def forward(self, x: Tensor | Batch) -> Tensor:
        """Return (B, width) for series (B, channels, time): the learned part, then the statistics."""
        values, mask = (x.values, x.mask) if isinstance(x, Batch) else (x, None)
        if mask is not None:
            values = values.masked_fill(~mask, 0.0)
        # A graph would keep the number of pieces, and other devices gain nothing from them.
        traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
        read = self._proportions if traced or values.device.type != "cpu" else self._in_cache
        above = read(values, mask)
        statistics = channel_statistics(values, mask)
        if self.mixing is not None:
            statistics = statistics @ self.mixing.T
        return torch.cat([self.head(self.norm(above)), self.statistics_norm(statistics)], 1)

    def _in_cache(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return what `_proportions` returns, several times as fast on a processor."""
        found = []
        for block, module in zip(self.blocks, self.convolutions, strict=True):
            convolution = cast(nn.Conv2d, module)
            coarse, there = averaged(values, mask, block)
            kernels, bias = convolution.weight.squeeze(2), cast(Tensor, convolution.bias)
            # To be embedded, series come in groups of about one length, and a row's bits depend on no other.
            step = convolution.dilation[1]
            found.append(proportions(coarse, kernels, bias, step, there, by_length=self.training))
        return torch.cat(found, 1)

    def _proportions(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return how often each filter's response is above its threshold, (B, filters * scales)."""
        found = []
        for response, there in self._responses(values, mask):
            above = (SHARPNESS * response).sigmoid_()
            # Summed in full precision: the proportions of two series differ in the third digit.
            total = above.dtype if above.dtype == torch.float64 else torch.float32
            if there is None:
                found.append(above.mean(2, dtype=total))
            else:
                found.append((above * there).sum(2, dtype=total) / there.sum(2).clamp(min=1))
        return torch.cat(found, 1)

    def _responses(self, values: Tensor, mask: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
        """Return each scale's responses (B, filters, steps), and which of its steps have a value (B, 1, steps)."""
        found = []
        for block, convolution in zip(self.blocks, self.convolutions, strict=True):
            coarse, there = averaged(values, mask, block)
            found.append((convolution(coarse.unsqueeze(2)).squeeze(2), there))
        return found


class _Norm(nn.BatchNorm1d):
    """Batch norm that reads what it has learnt where one row alone has no spread."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            learnt = (self.running_mean, self.running_var, self.weight, self.bias)
            return functional.batch_norm(x, *learnt, training=False, eps=self.eps)
        return super().forward(x)


def reaches(length: int, scales: int) -> list[int]:
    """Return the distance between taps at each scale, from 1 to an eighth of the length, geometrically.

    Example:
        >>> reaches(128, 6), reaches(3, 2)
        ([1, 2, 3, 5, 9, 16], [1, 1])
    """
    longest = max(1.0, (length - 1) / (KERNEL - 1))
    return [round(longest ** (place / max(1, scales - 1))) for place in range(scales)]


def averaged(values: Tensor, mask: Tensor | None, block: int) -> tuple[Tensor, Tensor | None]:
    """Return means of `block` steps of what is there, 0 elsewhere, and in which steps something is.

    Args:
        values: (B, C, T), 0 where the mask is False.

    Example:
        >>> averaged(torch.tensor([[[1.0, 2.0, 3.0, 0.0]]]), torch.tensor([[[True, True, True, False]]]), 2)
        (tensor([[[1.5000, 3.0000]]]), tensor([[[True, True]]]))
    """
    if block > 1:
        mean = functional.avg_pool1d(values, block, ceil_mode=True)
        if mask is not None:
            known = functional.avg_pool1d(mask.to(values.dtype), block, ceil_mode=True)
            values, mask = mean / known.clamp(min=1e-9), known > 0
        else:
            values = mean
    return values, None if mask is None else mask.any(1, keepdim=True)


def channel_statistics(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return (B, 6 * channels) statistics of series (B, channels, time) that are 0 where the mask is False.

    Mean, logarithm of the standard deviation, minimum, maximum, last value and logarithm of the mean absolute
    difference of consecutive values, each of all channels; those that are values through asinh, which tames outliers.
    A channel without a value is one zero.

    Example:
        >>> channel_statistics(torch.tensor([[[0.0, 1.0, 0.0, 1.0]]]), None).round(decimals=1)
        tensor([[ 0.5000, -0.7000,  0.0000,  0.9000,  0.9000,  0.0000]])
    """
    if mask is None:
        mean, low, high, last = values.mean(2), values.amin(2), values.amax(2), values[..., -1]
        variance = values.var(2, unbiased=False)
        step = values.diff(dim=2).abs().sum(2) / max(1, values.shape[2] - 1)
    else:
        count = mask.sum(2)
        empty, divisor = count == 0, count.clamp(min=1)
        mean = values.sum(2) / divisor
        variance = ((values - mean.unsqueeze(2)).square() * mask).sum(2) / divisor
        low = values.masked_fill(~mask, torch.inf).amin(2).masked_fill(empty, 0.0)
        high = values.masked_fill(~mask, -torch.inf).amax(2).masked_fill(empty, 0.0)
        time = torch.arange(values.shape[2], device=values.device)
        latest = (mask * time).amax(2, keepdim=True)
        last = values.gather(2, latest).squeeze(2)
        both = mask[..., 1:] & mask[..., :-1]
        step = (values.diff(dim=2).abs() * both).sum(2) / both.sum(2).clamp(min=1)
    spread = 0.5 * (variance + 1e-4).log()
    return torch.cat([mean.asinh(), spread, low.asinh(), high.asinh(), last.asinh(), (step + 1e-3).log()], 1)


@torch.no_grad()
def _centred(convolution: nn.Conv2d) -> nn.Conv2d:
    """Draw kernels of sum 0 in each channel and norm 1, and normal biases, in place."""
    weight = convolution.weight.normal_()
    weight -= weight.mean(3, keepdim=True)
    weight /= weight.flatten(1).norm(dim=1)[:, None, None, None]
    assert convolution.bias is not None
    convolution.bias.normal_(std=0.3)
    return convolution
