"""Instance classification: the cross entropy of classifying every row of the data as a class of its own (DIET)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import upcast

__all__ = ["instance_classification"]

# Classes per block of logits: those of 256 rows stay in a processor's cache, where those of all classes do not.
_BLOCK = 2048


class _BlockedCrossEntropy(torch.autograd.Function):
    """Every row's cross entropy, from logits (N, block) at a time: the matrix (N, M) is never whole.

    The backward pass computes the logits a second time, which costs less than keeping them.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, index: Tensor, smoothing: float, dtype: torch.dtype) -> Tensor:
        x = h.to(dtype)
        log_sum_exp = upcast(h.new_full((len(h),), -torch.inf))
        logit_sum = torch.zeros_like(log_sum_exp)
        for block in weight.split(_BLOCK):
            logits = (x @ block.to(dtype).T).to(log_sum_exp.dtype)
            log_sum_exp = torch.logaddexp(log_sum_exp, logits.logsumexp(dim=1))
            logit_sum += logits.sum(dim=1)
        own = torch.linalg.vecdot(x.to(log_sum_exp.dtype), weight[index].to(dtype).to(log_sum_exp.dtype))
        ctx.save_for_backward(h, weight, index, log_sum_exp)
        ctx.smoothing, ctx.dtype = smoothing, dtype
        return log_sum_exp - (1 - smoothing) * own - smoothing / len(weight) * logit_sum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        h, weight, index, log_sum_exp = ctx.saved_tensors
        x, grad_weight, grad_h = h.to(ctx.dtype), torch.empty_like(weight), torch.zeros_like(h, dtype=log_sum_exp.dtype)
        uniform = ctx.smoothing / len(weight)
        for start, block in zip(range(0, len(weight), _BLOCK), weight.split(_BLOCK)):
            classes = block.to(ctx.dtype)
            # softmax - target, in the place of the logits
            error = ((x @ classes.T).to(log_sum_exp.dtype) - log_sum_exp[:, None]).exp_().sub_(uniform)
            inside = ((index >= start) & (index < start + len(block))).nonzero().squeeze(1)
            error[inside, index[inside] - start] -= 1 - ctx.smoothing
            error = error.mul_(gradient[:, None]).to(ctx.dtype)
            grad_h += error @ classes
            grad_weight[start : start + len(block)] = error.T @ x
        return grad_h.to(h.dtype), grad_weight, None, None, None


def instance_classification(h: Tensor, weight: Tensor, index: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return every row's -sum_m t_m log softmax(W h)_m, with t_m = (1 - s) [m = own] + s / M.

    Memory does not grow with N M. Under autocast the logits are products in autocast's dtype.

    Args:
        h: (N, D), the rows' vectors.
        weight: W, (M, D), a row for each of M classes.
        index: (N,) int64, every row's own class, in [0, M).
        smoothing: s, in [0, 1].

    Returns: (N,) in nats, float32 at least: at least the entropy of t; log M where all logits are equal.
    Raises: ValueError for shapes that do not fit, or a smoothing out of its range.
    Source: Balestriero 2023 (arXiv 2302.10260); the targets are those of label smoothing.

    Example:
        >>> loss = instance_classification(torch.randn(3, 4), torch.zeros(8, 4), torch.arange(3), smoothing=0.8)
        >>> torch.allclose(loss, torch.tensor(8.0).log())
        True
    """
    if h.dim() != 2 or weight.dim() != 2 or h.shape[1] != weight.shape[1] or index.shape != h.shape[:1]:
        shapes = [tuple(x.shape) for x in (h, weight, index)]
        raise ValueError(f"rows are (N, D), weights (M, D) and index (N,), got {shapes}")
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is in [0, 1], got {smoothing}")
    device = h.device.type
    dtype = (
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) and h.dtype != torch.float64 else h.dtype
    )
    with torch.autocast(device, enabled=False):
        losses: Tensor = _BlockedCrossEntropy.apply(h, weight, index, smoothing, dtype)
    return losses
