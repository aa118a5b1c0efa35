"""Thresholds from the data: how rare a value is beside the bulk of its like, and how many rare ones are too many."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

LEVEL = 0.05  # of the rows that are named, at most so many in expectation belong to the bulk
_BULK = 0.16  # quantile that lies one deviation from the median of a normal distribution
# Rows by which the distance between the quantiles .5 and .84 of a Gumbel distribution is known as well as a rate is by
# one event: rows times the variance of that distance over its square, 2.73, twice, as nearest rows come in pairs.
_ROWS_FOR_ONE = 5.5


def upper(values: NDArray[np.float64], bulk: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return how probable a value as high as each of `values` (N,) is, in [0, 1], by the centre of `bulk`.

    The deviation is that from the median to the quantile .84, so neither the far tail, where issues are, nor the other
    side takes part (the empirical null of Efron 2004, on one side).

    Args:
        values: (N,). bulk: (M,) what it is estimated on; by default the values.

    Example:
        >>> x = np.random.default_rng(0).normal(size=1000)
        >>> round(float(upper(np.append(x, 4.0))[-1]), 3)
        0.0
    """
    bulk = values if bulk is None else bulk
    centre, high = np.quantile(bulk, [0.5, 1 - _BULK])
    spread = high - centre
    if not spread > 0:  # More than a third of the rows are alike: any other value is rare, or none is.
        spread = max(float(np.std(bulk)), np.finfo(np.float64).tiny)
    found: NDArray[np.float64] = norm.sf((values - centre) / spread)
    return found


def upper_of_logs(values: NDArray[np.float64], bulk: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the same of values whose upper tail is exponential, as that of minus the logs of probabilities is.

    The rate is that at which the tail falls from the median to the quantile .84.

    Args:
        values: (N,). bulk: (M,) what it is estimated on; by default the values.

    Example:
        >>> x = np.random.default_rng(0).exponential(size=10_000)
        >>> round(float(upper_of_logs(np.array([4.0]), x)[0] / np.exp(-4.0)), 1)
        1.0
    """
    centre, high = np.quantile(values if bulk is None else bulk, [0.5, 1 - _BULK])
    rate = np.log(0.5 / _BULK) / max(high - centre, np.finfo(np.float64).tiny)
    found: NDArray[np.float64] = np.minimum(0.5 * np.exp(-rate * (values - centre)), 1.0)
    return found


def upper_of_highest(values: NDArray[np.float64], bulk: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the same of values each of which is the highest of many, as how close the nearest row is.

    Their distribution is Gumbel's, whose upper tail is exponential: a normal one with the same quantiles .5 and .84 has
    a thousandth where this has a hundredth. Of few rows the rate of the tail is not known well: the probability is the
    expected one where the rate is as uncertain as that (a gamma distribution), and falls more slowly.

    Args:
        values: (N,). bulk: (M,) what it is estimated on; by default the values.

    Source: Gumbel (1958), Statistics of Extremes.

    Example:
        >>> x = np.append(np.random.default_rng(0).gumbel(size=1000), 20.0)
        >>> [int(rare(of(x)).sum()) for of in (upper, upper_of_highest)]
        [11, 1]
    """
    bulk = values if bulk is None else bulk
    centre, high = np.quantile(bulk, [0.5, 1 - _BULK])
    middle, end = -np.log(-np.log([0.5, 1 - _BULK]))
    scale = max((high - centre) / (end - middle), np.finfo(np.float64).tiny)
    # Of a value far below all that counts is that it is no rare one.
    above = np.maximum((values - centre) / scale + middle, -10.0)
    events = len(bulk) / _ROWS_FOR_ONE
    expected = np.where(above > 0, (1 + np.maximum(above, 0.0) / events) ** -events, np.exp(-above))
    found: NDArray[np.float64] = -np.expm1(-expected)
    return found


def gaps(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how probable a nearest neighbour so much closer than the last one is, (N,), where rows lie by chance.

    Where the density is the same in a neighbourhood, i log(d[i + 1] / d[i]) are independent and exponential with one
    rate, the dimension (Renyi 1953; Facco et al. 2017 for i = 1). The rate is estimated on the gaps behind the second
    neighbour, so nearest ones that are copies take no part in it.

    Args:
        distances: (N, K) to the K nearest neighbours, sorted, K at least 3.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(400, 3))
        >>> d = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, 1:11]
        >>> bool(0.02 < (gaps(d) < 0.05).mean() < 0.08)
        True
    """
    logs = np.log(np.maximum(distances, np.finfo(np.float32).tiny))
    places = np.arange(1, distances.shape[1])
    behind = (np.diff(logs, axis=1) * places)[:, 1:]
    # The mean of an exponential by its quartiles would be swayed less, and its tail then be missed: heavy tails count.
    mean = max(float(behind.mean()), np.finfo(np.float64).tiny)
    gap = (logs[:, -1] - logs[:, 0]) / mean
    found: NDArray[np.float64] = -np.expm1(len(places) * np.log1p(-np.exp(-np.maximum(gap, 1e-12))))
    return found


def rare(probabilities: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which rows (N,) are named so that at most `level` of them, in expectation, are of the bulk.

    Source: Benjamini and Hochberg (1995).

    Example:
        >>> rare(np.array([0.5, 1e-6, 0.9, 0.04])).tolist()
        [False, True, False, False]
    """
    order = np.sort(probabilities)
    below = order <= level * np.arange(1, len(order) + 1) / len(order)
    return probabilities <= (order[below][-1] if below.any() else -1.0)


def beyond_gap(values: NDArray[np.float64], least: float, level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which values (N,) lie beyond a gap of `least` in the upper tail that is improbable there.

    Where a tail is exponential, i times the gap behind its i-th value are independent and exponential with one mean,
    which is estimated by the median of those of the highest 16 %; gaps further inside divide no few from the rest.

    Source: Renyi (1953); Wilkinson (2018) for outliers as what lies beyond such a gap.

    Example:
        >>> x = np.random.default_rng(0).normal(size=1000)
        >>> [beyond_gap(some, 0.1).nonzero()[0].tolist() for some in (x, np.append(x, [9.0, 8.0]))]
        [[], [1000, 1001]]
    """
    high = np.sort(values)[::-1][: int(_BULK * len(values)) + 2]
    steps = high[:-1] - high[1:]
    times = np.arange(1, len(high)) * steps
    mean = max(float(np.median(times)) / np.log(2), np.finfo(np.float64).tiny)
    gaps = np.flatnonzero((steps >= least) & (np.exp(-times / mean) <= level / len(times)))
    return values >= high[gaps[-1]] if len(gaps) else np.zeros(len(values), dtype=bool)


def lower_is_worse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return non-negative values (N,) as scores in [0, 1]: 0 at 0, and one half at their median.

    Example:
        >>> lower_is_worse(np.array([0.0, 1.0, 3.0])).tolist()
        [0.0, 0.5, 0.75]
    """
    middle = float(np.median(values))
    middle = middle if middle > 0 else max(float(values.max(initial=0.0)), 1.0)
    return values / (values + middle)
