"""Where the values of a numeric column lie: edges between which about as many training values lie each."""

import numpy as np
from numpy.typing import NDArray

BINS = 32
# Of so many values, evenly spaced, edges are learnt: more change them by less than they matter.
_MOST = 100_000
# A column is long-tailed where its farthest value is this many interquartile ranges from the median.
_LONG = 10.0


def edges_of(values: NDArray[np.float64], bins: int = BINS) -> list[float]:
    """Return at most `bins` + 1 increasing edges of values (N,), none missing: quantiles, the ends included.

    Values that very many rows have (a zero, a whole number) are edges themselves, and the other edges are quantiles of
    the rest: else a column of zeros would have no edge but the zero. A column of at most `bins` + 1 different values
    has just these.

    Source: Gorishniy, Rubachev and Babenko 2022 (arXiv 2203.05556), section 3.2.1; the treatment of repeated values is
    ours.

    Example:
        >>> edges_of(np.array([0.0] * 98 + [1.0, 5.0]), bins=4)
        [0.0, 1.0, 5.0]
    """
    if len(values) > _MOST:
        values = np.concatenate([[values.min(), values.max()], values[:: -(-len(values) // _MOST)]])
    levels, counts = np.unique(values.astype(np.float32), return_counts=True)
    if len(levels) > bins + 1:
        often = counts * bins > len(values)
        rest = np.repeat(levels[~often], counts[~often])
        levels = np.concatenate([levels[often], _quantiles(rest, bins - int(often.sum()))])
    return sorted({float(f"{level:.7g}") for level in levels})


def _quantiles(values: NDArray[np.float32], bins: int) -> NDArray[np.float64]:
    return np.asarray(np.quantile(values, np.linspace(0, 1, max(bins, 1) + 1))) if len(values) else np.empty(0)


def tail_of(values: NDArray[np.float64]) -> list[float]:
    """Return the median and the scale about which a long-tailed column is read by its logarithm; else nothing.

    Example:
        >>> tail_of(np.linspace(0, 1, 100))
        []
    """
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    away = np.abs(values - middle)
    scale = float(high - low) or float(np.median(away[away > 0])) if away.any() else 0.0
    if scale <= 0 or away.max() <= _LONG * scale:
        return []
    return [float(f"{number:.7g}") for number in (middle, scale)]
