"""Columns of a table as they are, or as normal scores, which undo what a long tail or an odd unit does to a column."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, without_mask
from isotropy.features.free import FreeFeatures

_KNOTS = 256  # quantiles of a column
_TAIL = 1e-3  # of the rows beyond the last scores: +-3.09


class Columns(FreeFeatures):
    """Each column as it is stored: numbers standardised, categories one-hot.

    A linear probe on what they are joined with then reads whatever it reads of the columns themselves.

    Example:
        >>> x = torch.randn(5, 3)
        >>> bool((Columns.learn(x)(x) == x).all())
        True
    """

    one_scale = True
    any_batch = True
    weight = 2.0

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Learn nothing of rows (N, F); `seed` is not used."""
        return cls({})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return rows (B, F) as float32."""
        return without_mask(rows, type(self).__name__).float()


class NormalScores(FreeFeatures):
    """Each column through its quantiles of the training rows to normal scores, within +-3.1.

    A value between two training values is interpolated; of repeated values the middle quantile is taken, so that equal
    rows have equal scores. A column of two values, as of a category that is expanded one-hot, stays as it is.

    Example:
        >>> x = torch.arange(101.0)[:, None] ** 3
        >>> [f"{score:.2f}" for score in NormalScores.learn(x)(x)[[0, 25, 75, 100], 0]]
        ['-3.09', '-0.67', '0.67', '3.09']
    """

    any_batch = True
    one_scale = True
    values: Tensor
    scores: Tensor

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Learn the quantiles of each column of rows (N, F); `seed` is not used."""
        from scipy.special import ndtri  # what a training has no need of before its first step

        x = without_mask(rows, cls.__name__).double().numpy(force=True)
        at = np.linspace(0, 1, _KNOTS)
        values = np.quantile(x, at, axis=0).T
        scores = values.copy()
        for column, knots in enumerate(values):
            if len(np.unique(x[:, column])) > 2:
                scores[column] = ndtri(np.clip(_middle(knots, at), _TAIL, 1 - _TAIL))
        return cls({"values": torch.from_numpy(values), "scores": torch.from_numpy(scores)})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the scores (B, F) float32 of rows (B, F)."""
        x = without_mask(rows, type(self).__name__).double().numpy(force=True)
        values, scores = self.values.numpy(force=True), self.scores.numpy(force=True)
        found = [np.interp(x[:, column], values[column], scores[column]) for column in range(x.shape[1])]
        return torch.from_numpy(np.stack(found, axis=1).astype(np.float32))


def _middle(knots: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each knot the middle of the quantiles at which its value stands."""
    first = np.searchsorted(knots, knots, side="left")
    last = np.searchsorted(knots, knots, side="right") - 1
    return (at[first] + at[last]) / 2
