"""Barlow Twins: each dimension correlates with itself in the other view and with no other dimension."""

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from isotropy.objectives.rows import check_views, gram, upcast

__all__ = ["barlow_twins"]


def barlow_twins(*z: Tensor, lambda_: float = 0.005, scale: float = 1.0) -> dict[str, Tensor]:
    """Return Barlow Twins' two weighted terms for V views of the same N rows; means over pairs where V > 2.

    With C = Z' Z~ / N of two views whose dimensions are standardised over the rows (biased variance + 1e-5),

        invariance = scale * sum over i of (C_ii - 1)^2
        redundancy = scale * lambda * sum over i != j of C_ij^2

    Args:
        z: V >= 2 views, each (N, D) with N >= 2; of any shift and scale.
        lambda_: weight of the redundancy.
        scale: weight of both.

    Returns: scalars >= 0 (the last up to rounding), float32 at least; `scale` D and 0 at point collapse.
    Raises: ValueError for fewer than two views or rows, or views of different shapes.
    Source: Zbontar et al. 2021 (arXiv 2103.03230), equations 1 and 2; eps and scale as in the authors' code.

    Example:
        >>> {name: round(term.item(), 4) for name, term in barlow_twins(torch.ones(8, 4), torch.ones(8, 4)).items()}
        {'invariance': 4.0, 'redundancy': 0.0}
    """
    check_views("barlow_twins", z, rows=2)
    rows, width = z[0].shape
    with torch.autocast(z[0].device.type, enabled=False):
        standard = [batch_norm(upcast(x), None, None, training=True, eps=1e-5) for x in z]
        pairs = list(combinations(range(len(z)), 2))
        # |X'Y|^2 = <XX', YY'>: forward and backward take 4 N^2 D products that way, and 3 N D^2 over dimensions.
        if 4 * rows < 3 * width:
            grams = [gram(x) for x in standard]
            squares = torch.stack([(grams[i] * grams[j]).sum() for i, j in pairs]) / rows**2
            diagonal = torch.stack([(standard[i] * standard[j]).sum(dim=0) for i, j in pairs]) / rows
        else:
            products = [standard[i].T @ standard[j] / rows for i, j in pairs]
            squares = torch.stack([c.square().sum() for c in products])
            diagonal = torch.stack([c.diagonal() for c in products])
        redundancy = squares - diagonal.square().sum(dim=1)
    return {
        "invariance": scale * (diagonal - 1).square().sum(dim=1).mean(),
        "redundancy": scale * lambda_ * redundancy.mean(),
    }
