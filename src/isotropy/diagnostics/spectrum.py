"""How many directions embeddings use, from sums that add up over batches and ranks."""

from dataclasses import dataclass
from math import nan

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.sums import Additive


@dataclass(frozen=True)
class Moments(Additive):
    """The sums of N rows that give their spectrum, in float64: a float32 Gram matrix loses small directions.

    Attributes:
        count: N. total: (D,), the sum of the rows. second: (D, D), the sum of their outer products.

    Example:
        >>> int((Moments.of(torch.eye(3)[:2]) + Moments.of(torch.eye(3)[2:])).count)
        3
    """

    count: Tensor
    total: Tensor
    second: Tensor

    @classmethod
    def of(cls, rows: ArrayLike | Tensor) -> "Moments":
        """Return the moments of rows (N, D); raise ValueError for another shape or no row."""
        z = torch.as_tensor(rows).detach().double()
        if z.ndim != 2 or not len(z):
            raise ValueError(f"embeddings must be (N, D) with N > 0, and have shape {tuple(z.shape)}")
        return cls(z.new_tensor(len(z)), z.sum(dim=0), z.T @ z)

    def covariance(self) -> Tensor:
        """Return the (D, D) covariance, divided by N."""
        mean = self.total / self.count
        return self.second / self.count - torch.outer(mean, mean)


def participation_ratio(rows: ArrayLike | Tensor | Moments) -> float:
    """Return (sum lambda)^2 / sum lambda^2 of the eigenvalues of the covariance of rows (N, D), or of their `Moments`.

    Range 1 to min(N - 1, D): the number of directions that the rows use; NaN at point collapse.

    Source: Gao et al. 2017 (bioRxiv 214262).

    Example:
        >>> round(participation_ratio(torch.cat([torch.eye(4), -torch.eye(4)])), 6)
        4.0
    """
    moments = rows if isinstance(rows, Moments) else Moments.of(rows)
    covariance = moments.covariance()
    trace, squares = float(covariance.trace()), float(covariance.square().sum())
    # Rounding of float32 rows leaves about 1e-12 of their mean square.
    return trace**2 / squares if trace > 1e-10 * float(moments.second.trace() / moments.count) else nan
