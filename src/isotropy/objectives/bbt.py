"""Batch-wise Barlow Twins: a row's prediction points at its own target and at no other row's (LFR)."""

import torch
from torch import Tensor

from isotropy.objectives.rows import length, same_shape, unit, wide


def batchwise_barlow_twins(prediction: Tensor, target: Tensor, *, offdiagonal: float) -> Tensor:
    """Return the batch-wise Barlow Twins loss of predictions for fixed targets.

    With unit rows P and Y and the cosine matrix C = P Y' (B, B) of the batch,

        L = sum over i of (1 - C_ii)^2 + offdiagonal * sum over i != j of C_ij^2.

    It is a *sum* over the batch, as published, so that it grows with B, and the weight of the
    off-diagonal per row is `offdiagonal` (B - 1).

    Args:
        prediction: (B, D), or (B, K, D) for K pairs, whose losses are averaged; of any length.
        target: the same shape; no gradient reaches it.
        offdiagonal: lambda >= 0.

    Returns:
        A scalar >= 0 (up to rounding), float32 at least: 0 for orthonormal targets met exactly, B where all
        cosines are 0, offdiagonal B (B - 1) where all rows are one direction.

    Raises:
        ValueError: the shapes differ, or are not (B, D) or (B, K, D).

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
        p, y = wide(prediction), wide(target.detach())
        if p.dim() == 3:
            p, y = p.transpose(0, 1), y.transpose(0, 1)  # (K, B, D): one batched product for all pairs
        rows, width = p.shape[-2:]
        if rows > width:
            # |P Y'|^2 = <P'P, Y'Y>: two (D, D) products are less work than one (B, B).
            p, y = unit(p), unit(y)
            diagonal = (p * y).sum(dim=-1)
            squares = ((p.mT @ p) * (y.mT @ y)).sum()
        else:
            # Dividing C by the lengths instead of the rows passes over B numbers a row, not D.
            cosines = (p @ y.mT) / (length(p).unsqueeze(-1) * length(y).unsqueeze(-2))
            diagonal = cosines.diagonal(dim1=-2, dim2=-1)
            squares = cosines.square().sum()
        pairs = diagonal.numel() // rows
        return ((1 - diagonal).square().sum() + offdiagonal * (squares - diagonal.square().sum())) / pairs
