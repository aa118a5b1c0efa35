"""The centre of the embeddings: what all samples have in common, penalised or subtracted."""

import torch
from torch import Tensor

from isotropy.objectives.rows import check_views, l2_normalize, upcast

__all__ = ["center", "center_subtraction"]


def center(*z: Tensor, lambd: float) -> dict[str, Tensor]:
    """Return -a and lambda c2: agreement of views of one sample against agreement between samples.

    With unit rows z_vi of view v at sample i, both means being over ordered pairs of views v != w,

        a  = mean over i of z_vi . z_wi           squared length of a sample's expected embedding
        c2 = mean over i != j of z_vi . z_wj      that of the centre of all samples, without bias

    With within = 1 - a and between = a - c2 the sum is (lambda - 1) + (1 - lambda) within - lambda between: lambda >= 1
    would reward views that differ, and 0 has collapse as an optimum.

    Args:
        z: V >= 2 views, each (N, D) with N >= 2, of any length.
        lambd: lambda, above 0 and below 1.

    Returns: "alignment" in [-1, 1] and "centre", scalars, float32 at least. Their sum is lambda - 1 at point collapse
        and at least -1 - lambda / (N - 1), where the samples form a simplex.
    Raises: ValueError for fewer than two views or rows, shapes that differ, or lambda outside (0, 1).
    Source: the Lagrangian of the constrained problem of arXiv 2402.14957, with the squared length of the centre.

    Example:
        >>> point = torch.ones(8, 4)
        >>> {name: round(term.item(), 4) for name, term in center(point, point, lambd=0.5).items()}
        {'alignment': -1.0, 'centre': 0.5}
    """
    if not 0 < lambd < 1:
        raise ValueError(f"lambda must be above 0 and below 1, got {lambd}")
    check_views("center", z, rows=2)
    views, rows = len(z), len(z[0])
    with torch.autocast(z[0].device.type, enabled=False):
        u = l2_normalize(upcast(torch.stack(z)))  # (V, N, D)
        # Sums over pairs of different views are squares of sums over views, less each view with itself.
        own = u.sum(dim=0).square().sum() - u.square().sum()
        sums = u.sum(dim=1)
        everything = sums.sum(dim=0).square().sum() - sums.square().sum()
        pairs = views * (views - 1) * rows
        return {"alignment": -own / pairs, "centre": lambd * (everything - own) / (pairs * (rows - 1))}


def center_subtraction(*z: Tensor, centre: Tensor, lambd: float) -> Tensor:
    """Return -cos(z_v, sg(z_w) - lambda c), the mean over rows and over all pairs of views v != w.

    Args:
        z: V >= 2 views, each (N, D), of any length.
        centre: c, (D,) or (1, D): the moving mean of the unit rows; no gradient reaches it.
        lambd: lambda, above 0 and at most 1: the fraction of the centre that is subtracted.

    Returns: a scalar in [-1, 1], float32 at least: -1 where views agree and c = 0, and also at point collapse while
        lambda c is shorter than a row; 0 there where lambda c is that row, exactly.
    Raises: ValueError for fewer than two views or no row, shapes that differ, or lambda outside (0, 1].
    Source: SimSiam without its predictor and with the centre of arXiv 2402.14957 subtracted.

    Example:
        >>> z = torch.eye(3)
        >>> center_subtraction(z, z, centre=torch.zeros(3), lambd=0.5).item()
        -1.0
    """
    if not 0 < lambd <= 1:
        raise ValueError(f"lambda must be above 0 and at most 1, got {lambd}")
    check_views("center_subtraction", z, rows=1)
    views, rows = len(z), len(z[0])
    if centre.numel() != z[0].shape[1]:
        raise ValueError(f"the centre must have the views' {z[0].shape[1]} features, got {tuple(centre.shape)}")
    with torch.autocast(z[0].device.type, enabled=False):
        u = l2_normalize(upcast(torch.stack(z)))
        target = l2_normalize(u.detach() - lambd * centre.detach().to(u))
        both = u.sum(dim=0) * target.sum(dim=0)
        return -(both.sum() - (u * target).sum()) / (views * (views - 1) * rows)
