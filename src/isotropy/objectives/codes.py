"""Every view predicts the codes of the other views: the cross entropy that SwAV and DINO share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import check_sides, upcast

__all__ = ["predicted_codes"]


class _CrossEntropy(torch.autograd.Function):
    """The mean over rows of -sum_k q_k log softmax(x / t)_k, whose gradient takes one new matrix of x's size."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, q: Tensor, temperature: float) -> Tensor:
        log_p = (x / temperature).log_softmax(1)
        ctx.save_for_backward(log_p, q)
        ctx.temperature = temperature
        return -torch.linalg.vecdot(q, log_p).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        log_p, q = ctx.saved_tensors
        scale = gradient / (len(q) * ctx.temperature)
        return log_p.exp().mul_(scale * q.sum(1, keepdim=True)).addcmul_(q, -scale), None, None


def predicted_codes(logits: Sequence[Tensor], codes: Sequence[Tensor], *, temperature: float = 1.0) -> Tensor:
    """Return the mean over rows and over pairs v != u of -sum_k q_u,k log softmax(logits_v / t)_k.

    Args:
        logits: V >= 2 views, each (N, K).
        codes: of the first U <= V of these views, each (N, K), rows of probabilities, without gradient.
        temperature: t > 0, which the logits are divided by.

    Returns: a scalar in nats, at least 0, float32 at least.
    Raises: ValueError for numbers of views or shapes that do not fit.
    Source: Caron et al. 2020 (arXiv 2006.09882), equation 6; Caron et al. 2021 (arXiv 2104.14294), equation 3.

    Example:
        >>> flat, uniform = torch.zeros(4, 8), torch.full((4, 8), 1 / 8)
        >>> torch.allclose(predicted_codes([flat, flat], [uniform]), torch.tensor(8.0).log())
        True
    """
    check_sides("predicted_codes", logits, codes)
    pairs = [[q for u, q in enumerate(codes) if u != v] for v in range(len(logits))]
    with torch.autocast(logits[0].device.type, enabled=False):
        losses = []
        for view, (first, *others) in ((view, wanted) for view, wanted in zip(logits, pairs, strict=True) if wanted):
            # One pass over a view's scores, whatever the number of codes that it predicts.
            everything = sum((upcast(q.detach()) for q in others), start=upcast(first.detach()))
            losses.append(_CrossEntropy.apply(upcast(view), everything, temperature))
        return torch.stack(losses).sum() / sum(map(len, pairs))
