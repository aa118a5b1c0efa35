"""The centre of the embeddings: what all samples have in common, penalised or subtracted."""

import torch
from torch import Tensor

from isotropy.objectives.rows import l2_normalize, same_shape, upcast

__all__ = ["center", "center_subtraction"]


def center(*z: Tensor, lambd: float) -> dict[str, Tensor]:
    """Return -a and lambda c2: agreement of views of one sample against agreement between samples.

    With unit rows z_vi of view v at sample i, both means being over ordered pairs of different views v != w,

        a  = mean over i of z_vi . z_wi
        c2 = mean over i != j of z_vi . z_wj

    a estimates the squared length of a sample's expected embedding and c2, without bias, that of the
    centre of all samples. With within = 1 - a and between = a - c2 the sum of the terms is
    (lambda - 1) + (1 - lambda) within - lambda between: at lambda >= 1 differences between views would be
    rewarded, at 0 collapse would be an optimum.

    Args:
        z: V >= 2 views, each (N, D) with N >= 2, of any length (rows are normalised here).
        lambd: lambda, above 0 and below 1.

    Returns:
        "alignment", -a in [-1, 1], and "centre", lambda c2: scalars, float32 at least. Their sum is lambda - 1
        at point collapse and at least -1 - lambda / (N - 1), where the samples form a simplex.

    Raises:
        ValueError: fewer than two views or two rows, shapes that differ, or lambda outside (0, 1).

    Source: the Lagrangian of the constrained problem of arXiv 2402.14957, with the squared length of the centre.

    Example:
        >>> point = torch.ones(8, 4)
        >>> {name: round(term.item(), 4) for name, term in center(point, point, lambd=0.5).items()}
        {'alignment': -1.0, 'centre': 0.5}
    """
    if not 0 < lambd < 1:
        raise ValueError(f"lambda must be above 0 and below 1, got {lambd}")
    _check(z, least=2)
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
        z: V >= 2 views, each (N, D), of any length (rows are normalised here).
        centre: c, (D,) or (1, D): the moving mean of the unit rows; no gradient reaches it.
        lambd: lambda, above 0 and at most 1: the fraction of the centre that is subtracted.

    Returns:
        A scalar in [-1, 1], float32 at least: -1 where views agree and c = 0, and also at point collapse while
        lambda c is shorter than a row; 0 there where lambda c is that row, exactly.

    Raises:
        ValueError: fewer than two views or no row, shapes that differ, or lambda outside (0, 1].

    Source: SimSiam without its predictor and with the centre of arXiv 2402.14957 subtracted.

    Example:
        >>> z = torch.eye(3)
        >>> center_subtraction(z, z, centre=torch.zeros(3), lambd=0.5).item()
        -1.0
    """
    if not 0 < lambd <= 1:
        raise ValueError(f"lambda must be above 0 and at most 1, got {lambd}")
    _check(z, least=1)
    views, rows = len(z), len(z[0])
    if centre.numel() != z[0].shape[1]:
        raise ValueError(f"the centre must have the views' {z[0].shape[1]} features, got {tuple(centre.shape)}")
    with torch.autocast(z[0].device.type, enabled=False):
        u = l2_normalize(upcast(torch.stack(z)))
        target = l2_normalize(u.detach() - lambd * centre.detach().to(u))
        both = u.sum(dim=0) * target.sum(dim=0)
        return -(both.sum() - (u * target).sum()) / (views * (views - 1) * rows)


def _check(z: tuple[Tensor, ...], *, least: int) -> None:
    if len(z) < 2:
        raise ValueError(f"the centre is estimated from at least two views, got {len(z)}")
    same_shape(*z)
    if (rows := len(z[0])) < least:
        raise ValueError(f"the centre is estimated from at least {least} rows, got {rows}")
