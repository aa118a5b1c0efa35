"""How many directions embeddings use, and whether they point the same way."""

import math

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor


def effective_rank(embeddings: ArrayLike | Tensor) -> float:
    """Return exp(-sum p ln p) with p the singular values of the centred embeddings (N, D) over their sum.

    Range 1 to min(N - 1, D): k equal singular values give k. Unchanged by shift, scale and rotation. NaN at point
    collapse (less than 1e-6 of the norm is left by centring). An isotropic Gaussian gives about D exp(-D / 8N), so take
    N of several times D.

    Source: Roy and Vetterli, The Effective Rank (2007), definition 1.

    Example:
        >>> round(effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
        2.0
    """
    z = _rows(embeddings)
    centred = z - z.mean(dim=0)
    return math.nan if centred.norm() <= 1e-6 * z.norm() else _entropy_rank(centred)


def rankme(embeddings: ArrayLike | Tensor) -> float:
    """Return `effective_rank` of the embeddings (N, D) as they are: without the centring.

    Range 1 to min(N, D), NaN where all are 0. A common mean, as after a ReLU, pulls it down. The paper adds a constant
    to p, which makes 2345 of 2048 equal singular values; here there is none.

    Source: Garrido et al. 2023 (arXiv 2210.02885), equation 1.

    Example:
        >>> round(rankme(torch.eye(4)), 6)
        4.0
    """
    z = _rows(embeddings)
    return _entropy_rank(z) if z.any() else math.nan


def spectrum(embeddings: ArrayLike | Tensor) -> Tensor:
    """Return the singular values of the centred embeddings (N, D) over their sum, largest first, in float64.

    `effective_rank` is the exponential of their entropy. Empty where the embeddings are one point.

    Example:
        >>> [round(value, 9) for value in spectrum([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).tolist()]
        [0.75, 0.25]
    """
    z = _rows(embeddings)
    centred = z - z.mean(dim=0)
    return z.new_empty(0) if centred.norm() <= 1e-6 * z.norm() else _fractions(centred).flip(0)


def mean_norm(embeddings: ArrayLike | Tensor) -> float:
    """Return the norm of the mean of the embeddings (N, D), each first scaled to length 1; a row of zeros stays zero.

    Range 0 to 1: 1 is point collapse; N rows in random directions give about 1 / sqrt(N).

    Source: the mean resultant length (Mardia and Jupp 2000, section 2.3.1, there for circles).

    Example:
        >>> mean_norm([[3.0, 0.0], [1.0, 0.0]]), mean_norm([[1.0, 0.0], [-2.0, 0.0]])
        (1.0, 0.0)
    """
    return float(F.normalize(_rows(embeddings), dim=1).mean(dim=0).norm())


def _entropy_rank(z: Tensor) -> float:
    p = _fractions(z)
    return float(torch.exp(-(p * p.log()).sum()))


def _fractions(z: Tensor) -> Tensor:
    gram = z.T @ z if len(z) >= z.shape[1] else z @ z.T
    squares = torch.linalg.eigvalsh(gram)
    # Rounding leaves eigenvalues of about 1e-16 of the largest, whose roots would count as directions.
    squares = squares[squares > squares[-1] * len(gram) * torch.finfo(torch.float64).eps]
    return squares.sqrt() / squares.sqrt().sum()


def _rows(embeddings: ArrayLike | Tensor) -> Tensor:
    z = torch.as_tensor(embeddings).detach().to(torch.float64)
    if z.ndim != 2 or not len(z):
        raise ValueError(f"embeddings must be (N, D) with N > 0, and have shape {tuple(z.shape)}")
    return z
