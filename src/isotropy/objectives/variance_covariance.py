"""VICReg: views agree, every dimension varies, and dimensions are uncorrelated."""

from itertools import combinations

import torch
from torch import Tensor

from isotropy.objectives.rows import check_views, upcast

__all__ = ["vicreg"]


def vicreg(*z: Tensor, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> dict[str, Tensor]:
    """Return VICReg's three weighted terms for V views of the same N rows.

        invariance * mean over pairs of views and over all N D entries of (z - z')^2
        variance   * mean over views and over dimensions of max(0, 1 - sqrt(var + 1e-4))
        covariance * 2 * mean over views of (sum of the squared off-diagonal covariances) / D

    var and covariances are unbiased. Two views give the paper's sum with the authors' factor 1/2 on the variance.

    Args:
        z: V >= 2 views, each (N, D) with N >= 2; not normalised.
        invariance, variance, covariance: weights lambda, mu and nu.

    Returns: scalars >= 0 (the last up to rounding), float32 at least; in sum 0.99 `variance` at point collapse.
    Raises: ValueError for fewer than two views or rows, or views of different shapes.
    Source: Bardes et al. 2022 (arXiv 2105.04906), equations 1 to 6; factor 1/2 from the authors' code.

    Example:
        >>> {name: round(term.item(), 4) for name, term in vicreg(torch.ones(8, 4), torch.ones(8, 4)).items()}
        {'invariance': 0.0, 'variance': 24.75, 'covariance': 0.0}
    """
    check_views("vicreg", z, rows=2)
    views, (rows, width) = len(z), z[0].shape
    with torch.autocast(z[0].device.type, enabled=False):
        pairs = list(combinations([upcast(x) for x in z], 2))
        distance = torch.stack([(x - y).square().sum() for x, y in pairs]).sum() / (len(pairs) * rows * width)
        x = torch.stack([upcast(x) for x in z])  # (V, N, D)
        x = x - x.mean(dim=1, keepdim=True)
        var = x.square().sum(dim=1) / (rows - 1)  # (V, D)
        hinge = (1 - (var + 1e-4).sqrt()).relu().mean()
        # |X'X| = |XX'| in Frobenius norm, so the smaller of the two products gives the squared covariances.
        gram = x @ x.mT if rows < width else x.mT @ x
        squares = (gram / (rows - 1)).square().sum() - var.square().sum()
    return {
        "invariance": invariance * distance,
        "variance": variance * hinge,
        "covariance": covariance * 2 * squares / (views * width),
    }
