"""How many directions embeddings use: numbers of their spectrum, from sums that add up over batches and ranks.

Every function takes rows (N, D) or their `Moments`. Ranks of one spectrum are ordered (they are its Renyi entropies):
RankMe of centred rows >= entropy rank >= participation ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, nan

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """The sums of rows that their spectrum is a function of, in float64: a float32 Gram loses small directions.

    Attributes:
        count: N. total: (D,), the sum of the rows. second: (D, D), the sum of their outer products.

    Example:
        >>> (Moments.of(torch.eye(3)[:2]) + Moments.of(torch.eye(3)[2:])).count
        3.0
    """

    count: float
    total: Tensor
    second: Tensor

    @classmethod
    def of(cls, rows: ArrayLike | Tensor) -> "Moments":
        """Return the moments of rows (N, D), N > 0.

        Raises:
            ValueError: another shape.
        """
        z = torch.as_tensor(rows).detach().double()
        if z.ndim != 2 or not len(z):
            raise ValueError(f"embeddings must be (N, D) with N > 0, and have shape {tuple(z.shape)}")
        return cls(float(len(z)), z.sum(dim=0), z.T @ z)

    def __add__(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of rows."""
        return Moments(self.count + other.count, self.total + other.total, self.second + other.second)

    def over_ranks(self, total: Callable[[Tensor], Tensor]) -> "Moments":
        """Return the moments over all ranks; `total` adds a vector up over them, in one call."""
        count = torch.tensor([self.count], dtype=torch.float64, device=self.total.device)
        packed = total(torch.cat([count, self.total, self.second.flatten()]))
        d = len(self.total)
        return Moments(float(packed[0]), packed[1 : d + 1], packed[d + 1 :].view(d, d))

    def covariance(self) -> Tensor:
        """Return the (D, D) covariance, divided by N."""
        mean = self.total / self.count
        return self.second / self.count - torch.outer(mean, mean)


Rows = ArrayLike | Tensor | Moments


def eigenvalues(rows: Rows, *, centred: bool = True) -> Tensor:
    """Return the eigenvalues of the covariance, or of the second moment where not centred, largest first.

    What rounding leaves (below 1e-12 of the second moment's trace) is left out, so constant rows have none.

    Args:
        rows: (N, D) or their moments. centred: whether the mean is taken out.

    Example:
        >>> eigenvalues([[2.0, 0.0], [-2.0, 0.0]]).tolist()
        [4.0]
    """
    m = rows if isinstance(rows, Moments) else Moments.of(rows)
    values = torch.linalg.eigvalsh(m.covariance() if centred else m.second / m.count).flip(0)
    return values[values > 1e-12 * float(m.second.trace()) / m.count]


def rankme(rows: Rows, *, centred: bool = False) -> float:
    """Return exp(-sum p ln p) with p the singular values over their sum.

    Range 1 to min(N, D); NaN without any direction (never the maximum, as an added constant would give). The paper's
    is not centred, and a common mean, as after a ReLU, pulls it down: decide on the centred one, which is
    `effective_rank`. No constant is added to p (1e-5 added to 2048 equal ones would report 2345).

    Args:
        rows: (N, D) or their moments; N of ten times D has a bias below 2%.
        centred: whether the mean is taken out.

    Source: Garrido et al. 2023 (arXiv 2210.02885), equation 1.

    Example:
        >>> round(rankme(torch.eye(4)), 6)
        4.0
    """
    return _entropy_rank(eigenvalues(rows, centred=centred).sqrt())


def entropy_rank(rows: Rows, *, centred: bool = True) -> float:
    """Return exp(-sum p ln p) with p the eigenvalues of the covariance (second moment) over their sum.

    Range 1 to min(N - 1, D) centred, to min(N, D) else; NaN without any direction. Not centred it is 1 at point
    collapse; centred it is blind to it, since what rounding leaves of the directions looks like any others.

    Args:
        rows: (N, D) or their moments. centred: whether the mean is taken out.

    Source: Roy and Vetterli 2007, definition 1, applied to the eigenvalues.

    Example:
        >>> round(entropy_rank(torch.eye(4), centred=False), 6)
        4.0
    """
    return _entropy_rank(eigenvalues(rows, centred=centred))


def participation_ratio(rows: Rows, *, centred: bool = True, unbiased: bool = False) -> float:
    """Return (sum lambda)^2 / sum lambda^2 of the eigenvalues.

    Range 1 to min(N - 1, D). With few rows it is too small (D / (1 + D / N) for D equal directions); `unbiased`
    takes the bias of sum lambda^2 out, and may exceed D by noise. NaN without any direction.

    Args:
        rows: (N, D) or their moments. centred: whether the mean is taken out.
        unbiased: for centred rows, N > 3: estimate the ratio of the population, exact for normal rows.

    Raises:
        ValueError: unbiased and not centred, or of fewer than 4 rows.

    Source: Gao et al. 2017 (bioRxiv 214262), participation ratio; the correction is that of a Wishart matrix.

    Example:
        >>> round(participation_ratio(torch.eye(4), centred=False), 6)
        4.0
    """
    m = rows if isinstance(rows, Moments) else Moments.of(rows)
    values = eigenvalues(m, centred=centred)
    if not len(values):
        return nan
    trace, squares = float(values.sum()), float(values.square().sum())
    if unbiased:
        f = m.count - 1
        if not centred or f < 3:
            raise ValueError("the unbiased participation ratio is of at least 4 centred rows")
        trace, squares = trace * m.count / f, squares * (m.count / f) ** 2
        squares = f**2 / ((f - 1) * (f + 2)) * (squares - trace**2 / f)
    return trace**2 / squares


def alpha_req(rows: Rows, *, first: int = 11, last: int = 100) -> tuple[float, float]:
    """Return alpha of lambda_i ~ i^-alpha and the fit's R^2, from the centred eigenvalues `first` to `last`.

    A weighted least squares fit of ln lambda on ln i, weights 1/i. Below 1 the tail is flat, above 1 the
    information is in few directions: a zone, not a score. The range changes the number, so it is stated here:
    directions 11 to 100, as far as there are any; NaN where fewer than 3 are left.

    Args:
        rows: (N, D) or their moments. first, last: numbers of the eigenvalues, from 1.

    Source: Agrawal et al. 2022 (alpha-ReQ), section 3, with the fit of Stringer et al. 2019.

    Example:
        >>> scales = torch.arange(1, 121).double() ** -0.5
        >>> alpha, fit = alpha_req(torch.cat([torch.diag(scales), -torch.diag(scales)]))
        >>> round(alpha, 6), round(fit, 6)
        (1.0, 1.0)
    """
    values = eigenvalues(rows)[first - 1 : last]
    if len(values) < 3:
        return nan, nan
    places = np.arange(first, first + len(values))
    x, y, w = np.log(places), np.log(values.cpu().numpy()), 1 / places
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    slope = float((w * x * y).sum() / (w * x * x).sum())
    spread = float((w * y * y).sum())
    return -slope, 1 - float((w * (y - slope * x) ** 2).sum()) / spread if spread else 1.0


def effective_dimension(rows: Rows) -> int:
    """Return the rank of the correlation matrix of the features, with tolerance max(1e-4, 0.01 lambda_1).

    Range 0 to min(N - 1, D). An ideal representation of K equivalence classes for linear probes needs at least
    K - 1. Features that are constant (variance below 1e-12 of the mean square) count as none.

    Args:
        rows: (N, D) or their moments.

    Source: Dubois et al. 2022 (arXiv 2209.06235), theorem 1 (dimension), with the authors' tolerances.

    Example:
        >>> effective_dimension(torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]))
        1
    """
    m = rows if isinstance(rows, Moments) else Moments.of(rows)
    covariance = m.covariance()
    variance = covariance.diagonal()
    moving = variance > 1e-12 * (m.second.diagonal() / m.count).clamp_min(1e-300)
    if not moving.any():
        return 0
    scale = variance[moving].sqrt()
    values = torch.linalg.eigvalsh(covariance[moving][:, moving] / torch.outer(scale, scale))
    return int((values > max(1e-4, 0.01 * float(values[-1]))).sum())


def _entropy_rank(values: Tensor) -> float:
    p = (values / values.sum()).tolist()
    return exp(-sum(x * log(x) for x in p if x > 0)) if p else nan
