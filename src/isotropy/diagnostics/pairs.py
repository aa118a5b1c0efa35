"""What pairs of embeddings say: are views of one sample close, and do all samples keep their distance?"""

from math import exp, log, nan

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.spectrum import participation_ratio

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


def self_cluster(embeddings: ArrayLike | Tensor) -> float:
    """Return (sum of squared cosines - its expectation e for even rows) / (N^2 - e), e = N + N (N - 1) / D.

    Range -1 / (N - 1) to 1: 1 where all rows lie on one line (point collapse), 0 for rows spread evenly. It says
    what the participation ratio of the unit rows says, about their second moment.

    Args:
        embeddings: (N, D), N > 1.

    Source: Tsitsulin et al. 2023 (arXiv 2305.16562), SelfCluster.

    Example:
        >>> self_cluster(torch.ones(8, 4))
        1.0
    """
    u = _unit(embeddings)
    n, d = u.shape
    expected = n + n * (n - 1) / d
    ratio = participation_ratio(u, centred=False)
    return (n**2 / ratio - expected) / (n**2 - expected) if n**2 > expected else nan


def even_uniformity(width: int) -> float:
    """Return the uniformity of rows spread evenly over the sphere in `width` dimensions: what to compare with.

    It is -4 + ln 0F1(; D/2; 4), the series of which is summed here.

    Args:
        width: D, at least 1.

    Source: the moment generating function of a uniform direction; about -4 + 8 / D.

    Example:
        >>> round(even_uniformity(128), 4)
        -3.9375
    """
    total, term, k = 1.0, 1.0, 0
    while term > 1e-18 * total:
        term *= 4 / ((k + 1) * (width / 2 + k))
        total, k = total + term, k + 1
    return log(total * exp(-4))


def _unit(rows: ArrayLike | Tensor) -> Tensor:
    return F.normalize(torch.as_tensor(rows).detach().double(), dim=1)
