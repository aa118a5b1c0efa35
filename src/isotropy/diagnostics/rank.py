"""How many directions embeddings use, and whether they point the same way."""

import math

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor


def effective_rank(embeddings: ArrayLike | Tensor) -> float:
    """Return exp(-sum p ln p) with p the singular values of the centred embeddings over their sum.

    The number of directions that the embeddings use: k equal singular values give k. Range 1 to min(N - 1, D);
    unchanged by shift, scale and rotation. NaN at point collapse, where no direction is left (the centred
    embeddings have less than 1e-6 of the norm of the embeddings): undefined is never a good value. An
    isotropic Gaussian gives about D exp(-D / 8N), so take N of several times D. Float64, through the smaller
    Gram matrix; 0 ln 0 = 0 and no constant added. RankMe (2023) is the same without the centring, which a
    common mean (after a ReLU, for one) pulls down.

    Args:
        embeddings: (N, D), an array or a tensor.

    Source: Roy and Vetterli, The Effective Rank (2007), definition 1.

    Example:
        >>> round(effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
        2.0
        >>> effective_rank([[1.0, 2.0], [1.0, 2.0]])
        nan
    """
    z = _rows(embeddings)
    centred = z - z.mean(dim=0)
    if centred.norm() <= 1e-6 * z.norm():
        return math.nan
    gram = centred.T @ centred if len(z) >= z.shape[1] else centred @ centred.T
    squares = torch.linalg.eigvalsh(gram)
    # Rounding leaves eigenvalues of about 1e-16 of the largest, whose roots would count as directions.
    squares = squares[squares > squares[-1] * len(gram) * torch.finfo(torch.float64).eps]
    p = squares.sqrt() / squares.sqrt().sum()
    return float(torch.exp(-(p * p.log()).sum()))


def mean_norm(embeddings: ArrayLike | Tensor) -> float:
    """Return the norm of the mean of the embeddings, each first scaled to length 1.

    Range 0 to 1: 1 is point collapse (all point one way); N rows in random directions give about 1 / sqrt(N).
    A row of zeros stays zero.

    Args:
        embeddings: (N, D), an array or a tensor.

    Source: the mean resultant length of directional statistics (Mardia and Jupp 2000, section 2.3.1, there for
    circles).

    Example:
        >>> mean_norm([[3.0, 0.0], [1.0, 0.0]]), mean_norm([[1.0, 0.0], [-2.0, 0.0]])
        (1.0, 0.0)
    """
    return float(F.normalize(_rows(embeddings), dim=1).mean(dim=0).norm())


def _rows(embeddings: ArrayLike | Tensor) -> Tensor:
    z = torch.as_tensor(embeddings).detach().to(torch.float64)
    if z.ndim != 2 or not len(z):
        raise ValueError(f"embeddings must be (N, D) with N > 0, and have shape {tuple(z.shape)}")
    return z
