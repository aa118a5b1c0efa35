"""Free text as numbers: which letters stand beside each other, hashed, along the axes on which texts differ most."""

import base64
import binascii
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.errors import UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Axes of a text, and places of hashed groups of letters.
WIDTH, BUCKETS = 64, 4096
# Of the largest singular value: below it an axis is rounding.
_LEAST = 1e-6


@dataclass(frozen=True)
class TextAxes:
    """What was learnt of the texts of one column: numbers as base64, so that they are kept as JSON.

    Attributes:
        weights: (4096,) float32, how rare each hashed group of 3 or 4 letters inside words is (inverse document
            frequency). axes: (K, 4096) float16, the leading axes of the weighted counts, at most 64.

    Source: TF-IDF and a truncated SVD, as skrub's StringEncoder has them over a vocabulary; here over hashed features
    (Weinberger et al. 2009), of which nothing has to be kept.

    Example:
        >>> texts = pd.Series(["red wine", "red wines", "blue lorry", "a lorry", None])
        >>> found = TextAxes.learn(texts).describe(texts)
        >>> found.shape, bool(found[0] @ found[1] > 0.5 > abs(found[0] @ found[2])), bool(np.isnan(found[4]).all())
        ((5, 4), True, True)
    """

    weights: str
    axes: str

    @classmethod
    def learn(cls, column: "pd.Series[Any]") -> "TextAxes":
        """Return the axes of the texts that are there, at least one."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer

        counts = _counts(column.dropna())
        transformer = TfidfTransformer().fit(counts)
        most = min(WIDTH, counts.shape[0])
        found = TruncatedSVD(most, random_state=0).fit(transformer.transform(counts))
        kept = found.singular_values_ > _LEAST * found.singular_values_[0]
        return cls(_packed(transformer.idf_, "<f4"), _packed(found.components_[kept], "<f2"))

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        found = _unpacked(self.weights, "<f4")
        if found.shape != (BUCKETS,) or not np.isfinite(found).all():
            raise UserError(f"the weights of a text are not {BUCKETS} numbers")
        return found

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        found = _unpacked(self.axes, "<f2")
        if not found.size or found.size % BUCKETS or not np.isfinite(found).all():
            raise UserError(f"the axes of a text are not rows of {BUCKETS} numbers")
        return found.reshape(-1, BUCKETS)

    def __len__(self) -> int:
        """Return the number of axes."""
        return len(self._axes)

    def describe(self, column: "pd.Series[Any]") -> NDArray[np.float64]:
        """Return texts as (N, K), each by itself alone; NaN where missing."""
        there = column.notna().to_numpy()
        out = np.full((len(column), len(self)), np.nan)
        if there.any():
            weighted = _counts(column[there]).multiply(self._weights).tocsr()
            length = np.sqrt(weighted.multiply(weighted).sum(axis=1))
            out[there] = (weighted @ self._axes.T) / np.maximum(np.asarray(length).reshape(-1, 1), 1e-12)
        return out


def letters(column: "pd.Series[Any]", width: int) -> NDArray[np.float64]:
    """Return texts as older artefacts have them, (N, width): signed hashed counts of 2 to 4 letters; NaN where missing.

    Example:
        >>> letters(pd.Series(["red wine", None]), 64).shape
        (2, 64)
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    there = column.notna().to_numpy()
    out = np.full((len(column), width), np.nan)
    if there.any():
        hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=width, norm="l2")
        out[there] = hashing.transform(column[there].astype(str)).toarray()
    return out


def _counts(texts: "pd.Series[Any]") -> "csr_matrix":
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), n_features=BUCKETS, norm=None, alternate_sign=False
    )
    return hashing.transform(texts.astype(str))


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _unpacked(text: str, kind: str) -> NDArray[np.float64]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind).astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"the axes of a text are no numbers in base64: {error}") from error
