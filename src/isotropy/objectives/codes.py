"""Every view predicts the codes of the other views: the cross entropy that SwAV and DINO share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import same_shape, upcast

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
        logits: V views, each (N, K).
        codes: for the first U <= V of these views, each (N, K), rows of probabilities; view u's are what every
            view v != u must predict. No gradient reaches them.
        temperature: t > 0, which the logits are divided by.

    Returns:
        A scalar in nats, at least 0, float32 at least.

    Raises:
        ValueError: there is no pair, more codes than views, or the shapes differ.

    Source: Caron et al. 2020 (arXiv 2006.09882), equation 6; Caron et al. 2021 (arXiv 2104.14294), equation 3.

    Example:
        >>> flat, uniform = torch.zeros(4, 8), torch.full((4, 8), 1 / 8)
        >>> torch.allclose(predicted_codes([flat, flat], [uniform]), torch.tensor(8.0).log())
        True
    """
    pairs = [[q for u, q in enumerate(codes) if u != v] for v in range(len(logits))]
    count = sum(map(len, pairs))
    if not count or len(codes) > len(logits):
        raise ValueError(
            "needs at least two views and codes of one or more of the first of them, "
            f"got {len(logits)} views and {len(codes)} codes"
        )
    same_shape(*logits, *codes)
    with torch.autocast(logits[0].device.type, enabled=False):
        losses = []
        for view, (first, *others) in ((view, wanted) for view, wanted in zip(logits, pairs, strict=True) if wanted):
            # One pass over a view's scores, whatever the number of codes that it predicts.
            everything = sum((upcast(q.detach()) for q in others), start=upcast(first.detach()))
            losses.append(_CrossEntropy.apply(upcast(view), everything, temperature))
        return torch.stack(losses).sum() / count
