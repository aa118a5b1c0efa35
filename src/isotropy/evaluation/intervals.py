"""Bootstrap intervals on the test rows, alone and paired."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.task import Task, score

Array = NDArray[Any]
RESAMPLES = 2000
LEVEL = 0.95
_CELLS = 1 << 21  # row numbers drawn at a time: 16 MB
_KEPT = 1 << 26  # cells of resamples that are kept for the next call: 64 MB


def resampled_means(terms: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Return the column means of `terms` (N, c) over rows drawn with replacement, (resamples, c).

    The draw depends on N and the seed alone, so two calls resample the same rows.
    """
    count, columns = terms.shape
    means, start = np.empty((resamples, columns)), 0
    pieces = _kept if count <= _KEPT // resamples else _times
    for times in pieces(count, resamples, seed):
        means[start : start + len(times)] = times.astype(np.float64) @ terms / count
        start += len(times)
    return means


def _times(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each resample draws each row, (rows, count), some resamples at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(1, _CELLS // count)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)


@lru_cache(maxsize=4)
def _kept(count: int, resamples: int, seed: int) -> list[NDArray[np.uint8]]:
    """Return them all: every representation has the same, and drawing takes longer than the products."""
    return [times.astype(np.uint8) for times in _times(count, resamples, seed)]


def percentile(samples: Array, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of samples; NaN samples (a resample without variance) are left out."""
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def counted(samples: Array, rows: int, ends: tuple[float, float] | None) -> NDArray[np.float64]:
    """Return resamples of a score as if two rows more were among its rows, one at either end of its scale.

    Rows that are all right are all right in every resample, and nobody knows from eight of them that the ninth is. With
    one row more that is wrong and one that is right the interval of a share covers it as often as it says, and that of
    a difference claims no more than McNemar's test of the rows that differ.

    Args:
        samples: (R,), the score over resamples of its rows. rows: how many there are.
        ends: the lowest and the highest score; None where there are none, and the samples are left as they are.

    Sources: Laplace 1814 (the rule of succession); Bonett and Price 2012 (paired differences).

    Example:
        >>> samples = counted(np.ones(2000), 8, (0.0, 1.0))
        >>> [round(end, 2) for end in percentile(samples)]
        [0.7, 1.0]
    """
    if ends is None:
        return np.asarray(samples, dtype=np.float64)
    drawn = rows + 2
    times = np.random.default_rng(rows).multinomial(drawn, [rows / drawn, 1 / drawn, 1 / drawn], size=len(samples))
    return np.asarray((times[:, 0] * samples + times[:, 1] * ends[0] + times[:, 2] * ends[1]) / drawn)


def interval(task: Task, terms: Array, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, float]:
    """Return {"score", "low", "high"}: the score and its 95% percentile bootstrap interval over test rows.

    It says how the score would move with other test rows from the same source, not with another training run.
    A perfect score has an interval of no width (every resample is perfect): a limit of the percentile method, which
    `counted` fixes where the scale has ends.

    Args:
        task: "classes" or "numbers".
        terms: per-row terms of the score, (N, c), from `task.score_terms`.
        resamples: how many, at least 1000 for a 95% interval.
        seed: of the draw.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.

    Example:
        >>> correct = np.repeat([1.0, 0.0], [80, 20])[:, None]
        >>> result = interval("classes", correct)
        >>> result["score"], 0.70 < result["low"] < 0.74, 0.86 < result["high"] < 0.90
        (0.8, True, True)
    """
    low, high = percentile(score(task, resampled_means(terms, resamples=resamples, seed=seed)))
    return {"score": float(score(task, terms.mean(axis=0))), "low": low, "high": high}


def difference(
    task: Task, ours: Array, theirs: Array, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, float]:
    """Return {"score", "low", "high"} of ours minus theirs on the same test rows, resampled together.

    What both find hard cancels, so the interval is narrower than two separate ones would suggest.

    Args:
        task: "classes" or "numbers".
        ours: per-row terms of one representation, (N, c).
        theirs: those of the other on the same rows, (N, c).
        resamples: how many.
        seed: of the draw.

    Example:
        >>> correct = np.repeat([1.0, 0.0], [80, 20])[:, None]
        >>> difference("classes", correct, correct)
        {'score': 0.0, 'low': 0.0, 'high': 0.0}
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"paired rows differ in shape: {ours.shape} and {theirs.shape}")
    columns = ours.shape[1]
    means = resampled_means(np.concatenate([ours, theirs], axis=1), resamples=resamples, seed=seed)
    low, high = percentile(score(task, means[:, :columns]) - score(task, means[:, columns:]))
    point = score(task, ours.mean(axis=0)) - score(task, theirs.mean(axis=0))
    return {"score": float(point), "low": low, "high": high}
