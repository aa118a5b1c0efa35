"""How often the filters of a convolution over time rise above their thresholds, with a gradient that stays in cache."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isotropy.batch import batched, lengths, rounded_up

SHARPNESS = 8.0  # of the soft threshold
# Of series, at a time and for each thread: the responses of 64 filters then stay in the cache, in which all happens.
_STEPS = 4096


def proportions(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int, there: Tensor | None = None, *, by_length: bool = False
) -> Tensor:
    """Return the mean over time of sigmoid(8 h), (B, F), where h is the convolution of series with each filter.

    The same as convolution, sigmoid and mean one after the other, several times as fast on a processor: those write the
    responses to memory and read them again at every step, of which this keeps none for the gradient and computes them
    again.

    Args:
        x: (B, C, T); beyond its ends there are zeros.
        weight: (F, C, K) with K odd. bias: (F,). dilation: steps between taps.
        there: (B, 1, T), which steps count; by default all. A row without any gives zeros.
        by_length: whether rows of about one length are read together, and no further than it. The last bits of a row
            then depend on the others.

    Example:
        >>> x, weight = torch.tensor([[[-9.0, 9.0, 9.0, 9.0]]]), torch.ones(1, 1, 1)
        >>> proportions(x, weight, torch.zeros(1), 1)
        tensor([[0.7500]])
    """
    # In bfloat16 a sum over time would lose the third digit, by which the proportions of two series differ.
    with torch.autocast("cpu", enabled=False):
        found: Tensor = _Proportions.apply(x, weight, bias, dilation, there, by_length)
    return found


class _Proportions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int, there: Tensor | None, by_length: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight, bias, there)
        ctx.dilation, ctx.places = dilation, _places(x, there, by_length)
        out = x.new_empty(len(x), len(weight))
        for rows, _, above in _pieces(x, weight, bias, dilation, ctx.places):
            if there is None:
                out[rows] = above.mean(2)
            else:
                counted = there[rows][..., : above.shape[2]]
                out[rows] = above.mul_(counted).sum(2) / counted.sum(2).clamp(min=1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, there = ctx.saved_tensors
        count = x.shape[2] if there is None else there.sum(2).clamp(min=1)
        slope = SHARPNESS * given[0] / count
        kernels = weight.flatten(1)
        own, shift = torch.zeros_like(kernels), torch.zeros_like(bias)
        moved = x.new_zeros(x.shape) if ctx.needs_input_grad[0] else None
        for rows, taps, above in _pieces(x, weight, bias, ctx.dilation, ctx.places):
            gradient = torch.addcmul(above, above, above, value=-1).mul_(slope[rows, :, None])
            if there is not None:
                gradient.mul_(there[rows][..., : gradient.shape[2]])
            own.addbmm_(gradient, taps.transpose(1, 2))
            shift += gradient.sum((0, 2))
            if moved is not None:
                under = torch.matmul(kernels.T, gradient)
                moved[rows, :, : under.shape[2]] = _from_taps(under, x.shape[1], ctx.dilation)
        return moved, own.view_as(weight), shift, None, None, None


def _places(x: Tensor, there: Tensor | None, by_length: bool) -> list[tuple[slice | Tensor, int]]:
    """Return which rows are read at a time, and how many of their steps."""
    threads, longest = torch.get_num_threads(), x.shape[2]
    if there is None or not by_length:
        return [(rows, longest) for rows in batched(len(x), rows=max(1, _STEPS // longest) * threads)]
    sizes = rounded_up(lengths(there)).clamp(max=longest)
    found: list[tuple[slice | Tensor, int]] = []
    for size in sizes.unique().tolist():
        same = (sizes == size).nonzero()[:, 0]
        found += [(same[some], size) for some in batched(len(same), rows=max(1, _STEPS // size) * threads)]
    return found


def _pieces(
    x: Tensor, weight: Tensor, bias: Tensor, dilation: int, places: Sequence[tuple[slice | Tensor, int]]
) -> Iterator[tuple[slice | Tensor, Tensor, Tensor]]:
    """Yield some rows at a time: which, their values under each tap (b, C * K, T), and sigmoid(8 h) (b, F, T)."""
    kernels, thresholds = SHARPNESS * weight.flatten(1), SHARPNESS * bias[:, None]
    for rows, steps in places:
        taps = _taps(x[rows][..., :steps], weight.shape[2], dilation)
        response = torch.baddbmm(thresholds, kernels.expand(len(taps), -1, -1), taps)
        yield rows, taps, response.sigmoid_()


def _taps(x: Tensor, count: int, dilation: int) -> Tensor:
    """Return the values (B, C * K, T) that each of K taps has under it at every step."""
    steps = x.shape[2]
    padded = functional.pad(x, (count // 2 * dilation,) * 2)
    taps = torch.stack([padded[..., tap * dilation : tap * dilation + steps] for tap in range(count)], dim=2)
    return taps.flatten(1, 2)


def _from_taps(gradient: Tensor, channels: int, dilation: int) -> Tensor:
    """Return the gradient (B, C, T) of values from that of what the taps had under them (B, C * K, T)."""
    under = gradient.unflatten(1, (channels, -1))
    count, steps = under.shape[2], under.shape[3]
    margin = count // 2 * dilation
    padded = under.new_zeros(*under.shape[:2], steps + 2 * margin)
    for tap in range(count):
        padded[..., tap * dilation : tap * dilation + steps] += under[:, :, tap]
    return padded[..., margin : margin + steps]
