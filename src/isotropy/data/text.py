"""Free text as numbers: which letters stand beside each other in it, hashed, so that nothing has to be kept."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WIDTH = 64


def letters(column: "pd.Series[Any]", width: int = WIDTH) -> NDArray[np.float64]:
    """Return texts as (N, width): signed hashed counts of 2 to 4 letters inside words, of length 1; NaN where missing.

    Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning (2009), by scikit-learn's hash.

    Example:
        >>> found = letters(pd.Series(["red wine", "red wines", "lorry", None]))
        >>> found.shape, bool(found[0] @ found[1] > 0.5 > found[0] @ found[2]), bool(np.isnan(found[3]).all())
        ((4, 64), True, True)
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    there = column.notna().to_numpy()
    out = np.full((len(column), width), np.nan)
    if there.any():
        hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=width, norm="l2")
        out[there] = hashing.transform(column[there].astype(str)).toarray()
    return out
