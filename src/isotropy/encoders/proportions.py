"""How often the filters of a convolution over time rise above their thresholds, with a gradient that stays in cache."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isotropy.batch import batched

SHARPNESS = 8.0  # of the soft threshold
# Of series, at a time and for each thread: the responses of 64 filters then stay in the cache, in which all happens.
_STEPS = 4096


def proportions(x: Tensor, weight: Tensor, bias: Tensor, dilation: int, there: Tensor | None = None) -> Tensor:
    """Return the mean over time of sigmoid(8 h), (B, F), where h is the convolution of series with each filter.

    The same as convolution, sigmoid and mean one after the other, several times as fast on a processor: those write the
    responses to memory and read them again at every step, of which this keeps none for the gradient and computes them
    again.

    Args:
        x: (B, C, T); beyond its ends there are zeros.
        weight: (F, C, K) with K odd. bias: (F,). dilation: steps between taps.
        there: (B, 1, T), which steps count; by default all. A row without any gives zeros.

    Example:
        >>> x, weight = torch.tensor([[[-9.0, 9.0, 9.0, 9.0]]]), torch.ones(1, 1, 1)
        >>> proportions(x, weight, torch.zeros(1), 1)
        tensor([[0.7500]])
    """
    # In bfloat16 a sum over time would lose the third digit, by which the proportions of two series differ.
    with torch.autocast("cpu", enabled=False):
        found: Tensor = _Proportions.apply(x, weight, bias, dilation, there)
    return found


class _Proportions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dilation: int, there: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight, bias, there)
        ctx.dilation = dilation
        out = x.new_empty(len(x), len(weight))
        for rows, _, above in _pieces(x, weight, bias, dilation):
            if there is None:
                torch.mean(above, 2, out=out[rows])
            else:
                out[rows] = above.mul_(there[rows]).sum(2) / there[rows].sum(2).clamp(min=1)
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
        for rows, taps, above in _pieces(x, weight, bias, ctx.dilation):
            gradient = torch.addcmul(above, above, above, value=-1).mul_(slope[rows, :, None])
            if there is not None:
                gradient.mul_(there[rows])
            own.addbmm_(gradient, taps.transpose(1, 2))
            shift += gradient.sum((0, 2))
            if moved is not None:
                moved[rows] = _from_taps(torch.matmul(kernels.T, gradient), x.shape[1], ctx.dilation)
        return moved, own.view_as(weight), shift, None, None


def _pieces(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield some rows at a time: which, their values under each tap (b, C * K, T), and sigmoid(8 h) (b, F, T)."""
    kernels, thresholds = SHARPNESS * weight.flatten(1), SHARPNESS * bias[:, None]
    for rows in batched(len(x), rows=max(1, _STEPS // x.shape[2]) * torch.get_num_threads()):
        taps = _taps(x[rows], weight.shape[2], dilation)
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
