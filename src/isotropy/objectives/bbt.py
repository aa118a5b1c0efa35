"""Batch-wise Barlow Twins: a row's prediction is parallel to its own target and orthogonal to the others (LFR)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import l2_normalize, row_norm, same_shape, upcast

__all__ = ["batchwise_barlow_twins"]


def batchwise_barlow_twins(prediction: Tensor, target: Tensor, *, offdiagonal: float) -> Tensor:
    """Return the batch-wise Barlow Twins loss of predictions for fixed targets.

    With the cosine matrix C = P Y' (B, B) of unit rows P and Y,

        L = sum over i of (1 - C_ii)^2 + offdiagonal * sum over i != j of C_ij^2.

    It is a *sum* over the batch, as published: it grows with B, and the second term's weight per row with B - 1.

    Args:
        prediction: (B, D), or (B, K, D) for K pairs, whose losses are averaged; of any length.
        target: the same shape; no gradient reaches it.
        offdiagonal: lambda >= 0.

    Returns: a scalar >= 0 (up to rounding), float32 at least: 0 for orthonormal targets met exactly, B where all
        cosines are 0, offdiagonal B (B - 1) where all rows are one direction.
    Raises: ValueError for shapes that differ or are not (B, D) or (B, K, D).
    Source: Sui et al. 2024 (arXiv 2310.07756), section 3 (batch-wise Barlow Twins), as in the authors' code.

    Example:
        >>> rows = torch.ones(8, 4)
        >>> round(batchwise_barlow_twins(rows, rows, offdiagonal=0.01).item(), 4)
        0.56
    """
    same_shape(prediction, target)
    if prediction.dim() > 3:
        raise ValueError(f"rows are (B, D) or (B, K, D), got {tuple(prediction.shape)}")
    with torch.autocast(prediction.device.type, enabled=False):
        p, y = upcast(prediction), upcast(target.detach())
        if p.dim() == 2:
            p, y = p.unsqueeze(1), y.unsqueeze(1)
        p, y = p.transpose(0, 1), y.transpose(0, 1)  # (K, B, D): one batched product for all pairs
        rows, width = p.shape[-2:]
        if rows > width:
            # |P Y'|^2 = <P'P, Y'Y>: two (D, D) products are less work than one (B, B).
            p, y = l2_normalize(p), l2_normalize(y)
            diagonal = (p * y).sum(dim=-1)
            squares = ((p.mT @ p) * (y.mT @ y)).sum()
            total = (1 - diagonal).square().sum() + offdiagonal * (squares - diagonal.square().sum())
        else:
            total = _Cosines.apply(p, y, offdiagonal)
        return total / len(p)


class _Cosines(torch.autograd.Function):
    """The loss from its matrix C, summed over pairs, with a gradient of two passes over the predictions.

    With M = dL/dC and the norms p of predictions and y of targets,

        dL/dP_i = sum over j of M_ij Y_j / (p_i y_j)  -  P_i (sum over j of M_ij C_ij) / p_i^2.
    """

    @staticmethod
    def forward(ctx: Any, p: Tensor, y: Tensor, offdiagonal: float) -> Tensor:
        p_norms = row_norm(p)
        # Dividing C by the norms instead of the rows takes B divisions per row, not D.
        norms = p_norms.unsqueeze(-1) * row_norm(y).unsqueeze(-2)
        cosines = (p @ y.mT).div_(norms)
        diagonal = cosines.diagonal(dim1=-2, dim2=-1)
        others = torch.linalg.vector_norm(cosines, dim=-1).square() - diagonal.square()
        ctx.save_for_backward(p, y, p_norms, norms, cosines, others)
        ctx.offdiagonal = offdiagonal
        total: Tensor = (1 - diagonal).square().sum() + offdiagonal * others.sum()
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        p, y, p_norms, norms, cosines, others = ctx.saved_tensors
        diagonal = cosines.diagonal(dim1=-2, dim2=-1)
        own_slope, other_slope = 2 * grad * (diagonal - 1), 2 * grad * ctx.offdiagonal
        slopes = cosines * other_slope
        slopes.diagonal(dim1=-2, dim2=-1).copy_(own_slope)
        along = (own_slope * diagonal + other_slope * others) / p_norms.square()
        # In place: one pass over (K, B, D) less, and no new memory of that size.
        return (p * -along.unsqueeze(-1)).baddbmm_(slopes.div_(norms), y), None, None
