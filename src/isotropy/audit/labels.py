"""Labels that their rows contradict: read out of fold, by neighbours and by models that never saw the row's own."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import binom
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from isotropy.audit import tails
from isotropy.batch import spread_out
from isotropy.evaluation.rare_classes import rare_classes

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
FOLDS = 5
_LEARNT = 10_000  # rows that a model of a fold learns from
_STRENGTHS = (0.003, 0.03, 0.3)
_CHOOSING = 3000
_FLOOR = 1e-3
_TINY = 1e-6
_SAYS = 0.1  # the part of all powers from which a reader is named
Reader = Callable[[NDArray[np.float32], NDArray[Any], NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class Read:
    """What is read of labels out of fold.

    Attributes:
        probabilities: (N, K) of every class, or predictions (N, 1) of numbers.
        by: which readers count for a tenth or more, as text.
    """

    probabilities: Floats
    by: str


def folds(y: NDArray[np.int64], groups: Rows | None, seed: int = 0) -> list[Rows]:
    """Return the rows of five folds: whole groups where there are groups, else with the same mix of classes."""
    if groups is not None and len(np.unique(groups)) >= FOLDS:
        made = GroupKFold(FOLDS).split(y, y, groups)
    elif np.bincount(y).min() >= FOLDS:
        made = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    else:
        made = KFold(min(FOLDS, len(y)), shuffle=True, random_state=seed).split(y)
    return [held for _, held in made]


def read_classes(
    y: Rows, features: NDArray[np.float32], neighbours: tuple[Floats, Rows], columns: NDArray[np.float32] | None,
    codes: NDArray[np.bool_] | None = None, groups: Rows | None = None, seed: int = 0,
) -> Read:  # fmt: skip
    """Return the probabilities of each class, pooled from what several readers say of each row out of fold.

    Readers are the neighbours, a linear classifier on the features, and for tables boosted trees on their own columns.

    Args:
        y: (N,) codes from 0. features: (N, D) standardised. neighbours: distances and numbers of the nearest rows.
        columns: (N, C) of a table, NaN where missing. codes: (C,) which of them are categories.
        groups: (N,) that are not divided by the folds.
    """
    parts = folds(y, groups, seed)
    found = {"its neighbours": by_neighbours(y, *neighbours)}
    strength = _strength(features, y, parts, seed)
    found["a linear classifier"] = _out_of_fold(_linear(strength), features, y, parts, seed)
    if columns is not None:
        found["boosted trees on its columns"] = _out_of_fold(_trees(codes, seed), columns, y, parts, seed)
    probabilities, powers = pooled(list(found.values()), y)
    named = [name for name, power in zip(found, powers, strict=True) if power >= _SAYS * powers.sum()]
    return Read(probabilities, " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named))


def pooled(found: Sequence[Floats], y: Rows) -> tuple[Floats, Floats]:
    """Return the logarithmic opinion pool (N, K) of the least log loss of y, and the power of each opinion (R,).

    The pool is the product of the opinions, each to a power in [0, 1], scaled to the sum 1: where one is nearly sure,
    so is the product, and an opinion that tells nothing of the labels has the power 0.

    Args:
        found: probabilities (N, K) of each of R. y: (N,) codes. Powers are sought on at most 10,000 rows, of classes
            that have as many rows as there are folds.

    Source: Genest and Zidek (1986), section 3.3, for the pool; Heskes (1998) for its weights.

    Example:
        >>> sure, guess = np.array([[0.9, 0.1], [0.2, 0.8]]), np.full((2, 2), 0.5)
        >>> pooled([sure, guess], np.array([0, 1]))[0].round(3).tolist()
        [[0.9, 0.1], [0.2, 0.8]]
    """
    # A class of few rows may not have been seen by the fold that reads them, which says nothing of the reader.
    common = np.flatnonzero(np.bincount(y)[y] >= FOLDS)
    common = common if len(common) else np.arange(len(y))
    some = common[spread_out(len(common), _LEARNT)]
    logs = np.stack([np.log(np.maximum(one[some], _TINY)) for one in found])
    given = logs[:, np.arange(len(some)), y[some]]

    def loss(powers: Floats) -> tuple[float, Floats]:
        joint = np.tensordot(powers, logs, 1)
        scale = logsumexp(joint, axis=1, keepdims=True)
        expected = np.einsum("nk,rnk->rn", np.exp(joint - scale), logs)
        return float((scale[:, 0] - powers @ given).mean()), (expected - given).mean(axis=1)

    powers = minimize(loss, np.full(len(found), 0.5), jac=True, bounds=[(0.0, 1.0)] * len(found)).x
    joint = sum(power * np.log(np.maximum(one, _TINY)) for power, one in zip(powers, found, strict=True))
    return softmax(joint, axis=1), powers


def log_loss(probabilities: Floats, y: Rows) -> float:
    """Return the mean log loss of classes, with probabilities kept above .001.

    Example:
        >>> log_loss(np.array([[1.0, 0.0]]), np.array([0]))
        -0.0
    """
    return float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], _FLOOR)).mean())


def by_neighbours(y: Rows, distances: Floats, neighbours: Rows) -> Floats:
    """Return each class's part (N, K) among the neighbours, which weigh less the farther they are."""
    weights = np.exp(-0.5 * (distances / np.maximum(distances.mean(axis=1, keepdims=True), 1e-12)) ** 2)
    out = np.full((len(y), int(y.max()) + 1), 1.0 / (int(y.max()) + 1))
    rows = np.repeat(np.arange(len(y)), neighbours.shape[1])
    np.add.at(out, (rows, y[neighbours].ravel()), weights.ravel())
    return out / out.sum(axis=1, keepdims=True)


def confident(probabilities: Floats, y: Rows) -> tuple[NDArray[np.bool_], Rows, Floats]:
    """Return which labels are likely wrong (N,), the class that is likelier (N,), and a score (N,) in [0, 1].

    A label is named where another class is as probable as it is on average in the rows that are labelled so, and the
    given one is less probable than on average in its own: thresholds per class, from the data. The score is
    p / (p + q) of the given class and the highest other.

    Source: confident learning, Northcutt, Jiang and Chuang (2021), section 3.1, for the thresholds.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
        >>> confident(p, np.array([0, 0, 1, 1, 1]))[0].tolist()
        [False, False, True, False, False]
    """
    count, classes = probabilities.shape
    own = probabilities[np.arange(count), y]
    held = np.bincount(y, minlength=classes)
    thresholds = np.bincount(y, weights=own, minlength=classes) / np.maximum(held, 1)
    thresholds[held == 0] = 1.0
    others = probabilities.copy()
    others[np.arange(count), y] = -1.0
    likelier = others.argmax(axis=1)
    over = np.where(others >= thresholds[None], others, -1.0)
    issue = (over.max(axis=1) > own) & (own < thresholds[y])
    likelier = np.where(issue, over.argmax(axis=1), likelier)
    score = own / np.maximum(own + others.max(axis=1), _TINY**2)
    return issue, likelier, score


def misplaced(y: Rows, neighbours: Rows) -> tuple[NDArray[np.bool_], Floats, Rows, Rows]:
    """Return which rows sit in another class, their own class's part of the neighbours, and its strongest rival.

    A row is named where so few neighbours of its class are improbable beside the other rows of its class, and another
    class has most of them.

    Args:
        y: (N,) codes. neighbours: (N, K).

    Returns:
        issue (N,), own part (N,) in [0, 1], the rival class (N,), and how many neighbours the rival has (N,).
    """
    classes, k = int(y.max()) + 1, neighbours.shape[1]
    counts = np.zeros((len(y), classes), dtype=np.int64)
    np.add.at(counts, (np.repeat(np.arange(len(y)), k), y[neighbours].ravel()), 1)
    own = counts[np.arange(len(y)), y]
    usual = np.bincount(y, weights=own, minlength=classes) / np.maximum(np.bincount(y, minlength=classes), 1) / k
    probability = binom.cdf(own, k, usual[y])
    counts[np.arange(len(y)), y] = -1
    rival, most = counts.argmax(axis=1), counts.max(axis=1)
    issue = tails.rare(probability) & (most > own) & (2 * most > k)
    return issue, own / k, rival, most


def read_numbers(
    y: Floats, features: NDArray[np.float32], columns: NDArray[np.float32] | None,
    codes: NDArray[np.bool_] | None = None, groups: Rows | None = None, seed: int = 0,
) -> Read:  # fmt: skip
    """Return predictions (N, 1) of numbers out of fold, by ridge regression or, for tables, boosted trees."""
    parts = folds(np.zeros(len(y), dtype=np.int64), groups, seed)
    readers: dict[str, tuple[Reader, NDArray[np.float32]]] = {"ridge regression": (_ridge, features)}
    if columns is not None:
        readers["boosted trees on its columns"] = (_tree_regressor(codes, seed), columns)
    found = {name: _out_of_fold(reader, x, y, parts, seed) for name, (reader, x) in readers.items()}
    best = min(found, key=lambda name: float(np.abs(found[name][:, 0] - y).mean()))
    return Read(found[best], best)


def _strength(x: NDArray[np.float32], y: Rows, parts: list[Rows], seed: int) -> float:
    """Return the strength of regularisation of the least log loss in the first fold."""
    held = parts[0]
    kept = learnt(len(y), held, seed)[:_CHOOSING]
    tested = held[:_CHOOSING]

    def loss(strength: float) -> float:
        return log_loss(_widened(_linear(strength), x[kept], y[kept], x[tested], int(y.max()) + 1), y[tested])

    return min(_STRENGTHS, key=loss)


def _out_of_fold(reader: Reader, x: NDArray[np.float32], y: NDArray[Any], parts: list[Rows], seed: int) -> Floats:
    width = int(y.max()) + 1 if y.dtype.kind == "i" else 1
    out = np.zeros((len(y), width))
    for held in parts:
        kept = learnt(len(y), held, seed)
        out[held] = _widened(reader, x[kept], y[kept], x[held], width)
    return out


def _widened(reader: Reader, x: NDArray[np.float32], y: NDArray[Any], asked: NDArray[np.float32], width: int) -> Floats:
    """Return probabilities with a column for every class, those that the fold lacks 0; or predictions (M, 1)."""
    if y.dtype.kind != "i":
        return np.asarray(reader(x, y, asked), dtype=np.float64)[:, None]
    known = np.unique(y)
    out = np.zeros((len(asked), width))
    out[:, known] = 1.0 if len(known) == 1 else reader(x, y, asked)
    return out


def learnt(count: int, held: Rows, seed: int) -> Rows:
    """Return at most 10,000 of `count` rows that a model learns from which is asked of the rows `held`."""
    kept = np.setdiff1d(np.arange(count), held)
    return np.random.default_rng(seed).permutation(kept)[:_LEARNT]


def _linear(strength: float) -> Reader:
    def read(x: NDArray[np.float32], y: NDArray[np.int64], asked: NDArray[np.float32]) -> Floats:
        with rare_classes(), warnings.catch_warnings():
            # Near its minimum is near enough: labels that are wrong are not to be learnt to the end.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return LogisticRegression(C=strength, max_iter=100, tol=1e-3).fit(x, y).predict_proba(asked)

    return read


def _trees(codes: NDArray[np.bool_] | None, seed: int) -> Reader:
    def read(x: NDArray[np.float32], y: NDArray[np.int64], asked: NDArray[np.float32]) -> Floats:
        trees = HistGradientBoostingClassifier(
            max_iter=60, categorical_features=few_levels(codes, x), random_state=seed
        )
        with threadpool_limits(limits=1), rare_classes():  # on busy cores two threads take ten times as long
            return trees.fit(x, y).predict_proba(asked)

    return read


def _tree_regressor(codes: NDArray[np.bool_] | None, seed: int) -> Reader:
    def read(x: NDArray[np.float32], y: NDArray[np.int64], asked: NDArray[np.float32]) -> Floats:
        trees = HistGradientBoostingRegressor(
            max_iter=100, categorical_features=few_levels(codes, x), random_state=seed
        )
        with threadpool_limits(limits=1):
            return trees.fit(x, y).predict(asked)

    return read


def few_levels(codes: NDArray[np.bool_] | None, x: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return which columns are categories that scikit-learn's trees take: of at most 255 levels."""
    return None if codes is None else codes & ~(np.nanmax(x, axis=0, initial=0.0) >= 255)


def _ridge(x: NDArray[np.float32], y: NDArray[np.int64], asked: NDArray[np.float32]) -> Floats:
    return Ridge(alpha=float(x.shape[1])).fit(x, y).predict(asked)
