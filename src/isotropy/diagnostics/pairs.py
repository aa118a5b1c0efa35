"""What pairs of embeddings say: are views of one sample close, and do all samples keep their distance?"""

from math import log

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

# Rows that are compared with all others at once: bounds the memory at some 1024 N numbers.
_CHUNK = 1024


def alignment_distance(one: ArrayLike | Tensor, other: ArrayLike | Tensor) -> float:
    """Return E|u - u'|^2 of the unit rows of two views of the same samples.

    Range 0 (equal) to 4; 2 for unrelated rows. It is 2 - 2a with a the alignment of `stability`, and it is best at
    point collapse: read it beside `uniformity`.

    Args:
        one: (N, D). other: (N, D).

    Raises:
        ValueError: the shapes differ.

    Source: Wang and Isola 2020 (arXiv 2005.10242), section 4.1, with exponent 2.

    Example:
        >>> alignment_distance([[1.0, 0.0]], [[0.0, 2.0]])
        2.0
    """
    a, b = _unit(one), _unit(other)
    if a.shape != b.shape:
        raise ValueError(f"two views must have one shape (N, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    return float((a - b).square().sum(dim=1).mean())


def uniformity(embeddings: ArrayLike | Tensor) -> float:
    """Return ln of the mean over pairs i < j of exp(-2 |u_i - u_j|^2) of unit rows.

    Range -4N / (N - 1) (a simplex) to 0 (point collapse); rows spread evenly over the sphere give about
    -4 + 8 / D. Cost N^2 D: take a few thousand rows. The logarithm is of one mean over *all* pairs: a mean of
    several ranks' values is another number, so gather the rows of all ranks first.

    Args:
        embeddings: (N, D), N > 1.

    Raises:
        ValueError: fewer than two rows.

    Source: Wang and Isola 2020 (arXiv 2005.10242), section 4.1, with t = 2.

    Example:
        >>> round(uniformity(torch.eye(4)), 6)
        -4.0
    """
    u = _unit(embeddings)
    if len(u) < 2:
        raise ValueError("uniformity is of at least 2 rows")
    # exp(-2 |u - v|^2) = exp(4 u.v - 4) of unit rows, and the pairs of a row with itself add 1 each.
    total = sum(float((4 * (part @ u.T) - 4).exp().sum()) for part in u.split(_CHUNK))
    return log((total - len(u)) / (len(u) * (len(u) - 1)))


def _unit(rows: ArrayLike | Tensor) -> Tensor:
    return F.normalize(torch.as_tensor(rows).detach().double(), dim=1)
