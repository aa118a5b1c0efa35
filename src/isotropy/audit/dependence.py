"""Rows of a table whose values do not go together, though each of them is usual."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from isotropy.audit.issue import Issue
from isotropy.audit.labels import few_levels, folds, learnt
from isotropy.batch import spread_out
from isotropy.io.written import written

Floats = NDArray[np.float64]
_SHUFFLED = 2  # rows of values drawn apart, for each row
_MOST = 128  # columns of a wide table
_REPLACED = 32  # values that stand in for one, where the column that fits least is looked for
_FEWEST, _ERRORS = 10, 1.645  # rows that a tail holds, and standard errors that are added to them
_TINY = 1e-9


def inconsistent(columns: NDArray[np.float32], codes: NDArray[np.bool_], names: Sequence[str], seed: int = 0) -> Issue:
    """Return the rows that look as if their values were drawn apart, each from its column.

    Boosted trees learn to tell rows from rows whose values come each from another row; out of fold they say how many
    times likelier a row is among the latter. What part of all rows is such at most is read off the tails (the smallest
    ratio of what both hold), and a row is named where it is likelier one of these than not: no threshold is given.
    Where the columns say nothing of each other no row is.

    Source: unsupervised as supervised learning, Hastie, Tibshirani and Friedman (2009), section 14.2.4; Shi and Horvath
    (2006); the part by Blanchard, Lee and Scott (2010).

    Args:
        columns: (N, C), NaN where missing. codes: (C,) which are categories. names: of the C columns.
    """
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(columns.shape[1])[:_MOST])
    x, categories = columns[:, kept], few_levels(codes[kept], columns[:, kept])
    apart = np.concatenate([_shuffled(x, rng) for _ in range(_SHUFFLED)])
    both, which = np.concatenate([x, apart]), np.repeat([0, 1], [len(x), len(apart)])
    odds, readers, fold = np.zeros(len(both)), [], np.zeros(len(both), dtype=np.int64)
    for number, held in enumerate(folds(which, None, seed)):
        some = learnt(len(both), held, seed)
        model = HistGradientBoostingClassifier(max_iter=60, categorical_features=categories, random_state=seed)
        with threadpool_limits(limits=1):
            readers.append(model.fit(both[some], which[some]))
        odds[held], fold[held] = _odds(model, both[held]), number
    part = _part(odds[: len(x)], odds[len(x) :])
    # How probable it is that a row is one whose values were drawn apart; of estimates it may be above 1.
    probable = part * np.exp(np.minimum(odds[: len(x)], -np.log(_TINY))) * len(x) / len(apart)
    issue = (probable > 0.5) & (part < 0.5)
    stand_ins = x[spread_out(len(x), _REPLACED)]

    def reason(row: int) -> str:
        tried = np.repeat(x[row : row + 1], len(kept) * len(stand_ins), axis=0)
        for place in range(len(kept)):
            tried[place * len(stand_ins) : (place + 1) * len(stand_ins), place] = stand_ins[:, place]
        means = _odds(readers[fold[row]], tried).reshape(len(kept), -1).mean(axis=1)
        times = np.exp(odds[row]) * len(x) / len(apart)
        return (
            f"each value is usual, but not beside the others, {names[kept[means.argmin()]]} least: such rows were "
            f"{written(times, 3)} times as frequent if columns had nothing to do with each other"
        )

    # Where all rows could be such, the trees tell none from values drawn apart.
    most = (
        f"; at most {part:.1%} are such" if part < 0.5 else ", which cannot tell them: columns say little of each other"
    )
    method = f"rows beside rows of values drawn apart, by boosted trees{most}"
    return Issue(issue, 1 / (1 + probable), reason, method)


def _shuffled(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return rows (N, C) whose values are each of another row."""
    return np.stack([rng.permutation(column) for column in x.T], axis=1)


def _odds(model: HistGradientBoostingClassifier, x: NDArray[np.float32]) -> Floats:
    """Return the log odds (N,) of values drawn apart."""
    with threadpool_limits(limits=1):
        p = np.clip(model.predict_proba(x)[:, 1], _TINY, 1 - _TINY)
    found: Floats = np.log(p) - np.log1p(-p)
    return found


def _part(rows: Floats, apart: Floats) -> float:
    """Return the part of `rows` that are like `apart` at most: if it were larger, some upper tail would hold more.

    Example:
        >>> x = np.random.default_rng(0).normal(size=2000)
        >>> bool(_part(np.append(x[:1000] - 9, x[:20]), x[1000:]) < 0.04), bool(_part(x[:1000], x[1000:]) > 0.8)
        (True, True)
    """
    ordered = np.sort(rows)[::-1]
    held = np.arange(1, len(rows) + 1)
    of_apart = 1 - np.searchsorted(np.sort(apart), ordered, "left") / len(apart)
    most = (held + _ERRORS * np.sqrt(held)) / len(rows)
    return float((most / np.maximum(of_apart, _TINY))[_FEWEST:].min())
