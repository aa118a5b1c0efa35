"""Naming: the cross entropy of telling which of all rows of the data a row is (DIET)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import wide

# Names that are scored at once: the scores of 256 rows stay in a processor's cache, where those of all names do not.
_BLOCK = 2048


class _Naming(torch.autograd.Function):
    """Every row's cross entropy, block of names by block of names: no matrix (rows, names) is ever whole.

    The gradient computes the scores a second time, which costs less than to keep them.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, index: Tensor, smoothing: float, kind: torch.dtype) -> Tensor:
        x, blocks = h.to(kind), weight.split(_BLOCK)
        scale = wide(h.new_full((len(h),), -torch.inf))
        total = torch.zeros_like(scale)
        for block in blocks:
            scores = _wide(x @ block.to(kind).T, scale)
            scale = torch.logaddexp(scale, scores.logsumexp(dim=1))
            total += scores.sum(dim=1)
        own = torch.linalg.vecdot(_wide(x, scale), _wide(weight[index].to(kind), scale))
        ctx.save_for_backward(h, weight, index, scale)
        ctx.smoothing, ctx.kind = smoothing, kind
        return scale - (1 - smoothing) * own - smoothing / len(weight) * total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        h, weight, index, scale = ctx.saved_tensors
        x, of_weight, of_h = h.to(ctx.kind), torch.empty_like(weight), torch.zeros_like(h, dtype=scale.dtype)
        even = ctx.smoothing / len(weight)
        for start, block in zip(range(0, len(weight), _BLOCK), weight.split(_BLOCK)):
            names = block.to(ctx.kind)
            wrong = (_wide(x @ names.T, scale) - scale[:, None]).exp_().sub_(even)
            here = ((index >= start) & (index < start + len(block))).nonzero().squeeze(1)
            wrong[here, index[here] - start] -= 1 - ctx.smoothing
            wrong = wrong.mul_(gradient[:, None]).to(ctx.kind)
            of_h += wrong @ names
            of_weight[start : start + len(block)] = wrong.T @ x
        return of_h.to(h.dtype), of_weight, None, None, None


def _wide(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype)


def naming(h: Tensor, weight: Tensor, index: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return every row's -sum_m t_m log softmax(W h)_m, with t_m = (1 - s) [m = own] + s / M.

    Takes no memory of N times M: the scores are made in blocks, and made again for the gradient. Under autocast
    they are products of autocast's type.

    Args:
        h: (N, D), the rows' vectors.
        weight: W, (M, D), a vector for each of M names.
        index: (N,) int64, every row's own name, in [0, M).
        smoothing: s, in [0, 1].

    Returns:
        (N,) in nats, float32 at least: log M where all scores are equal, for any smoothing, and never below the
        entropy of t.

    Raises:
        ValueError: shapes that do not fit, or a smoothing out of its range.

    Source: Balestriero 2023 (arXiv 2302.10260); the targets are those of label smoothing.

    Example:
        >>> loss = naming(torch.randn(3, 4), torch.zeros(8, 4), torch.arange(3), smoothing=0.8)
        >>> torch.allclose(loss, torch.tensor(8.0).log())
        True
    """
    if h.dim() != 2 or weight.dim() != 2 or h.shape[1] != weight.shape[1] or index.shape != h.shape[:1]:
        shapes = [tuple(x.shape) for x in (h, weight, index)]
        raise ValueError(f"rows are (N, D), weights (M, D) and index (N,), got {shapes}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is in [0, 1], got {smoothing}")
    device = h.device.type
    kind = (
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) and h.dtype != torch.float64 else h.dtype
    )
    with torch.autocast(device, enabled=False):
        losses: Tensor = _Naming.apply(h, weight, index, smoothing, kind)
    return losses
