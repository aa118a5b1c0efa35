"""The metrics: each the value of means over test rows, so that one bootstrap serves all of them, alone and paired."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.task import Task

Array = NDArray[Any]
Floats = NDArray[np.float64]
# Above this fraction of the commonest class accuracy says little: always giving that class already scores as much.
IMBALANCED = 0.8
_SMALLEST = 1e-15  # a probability; the logarithm of zero is no score


@dataclass(frozen=True)
class Metric:
    """How good predictions are.

    Attributes:
        terms: truth (M,) and predictions -> (M, c), one row per test row. Predictions of classes are one score per
            class, (M, K), of which the log loss alone needs probabilities; those of numbers are (M,). Several labels a
            row are a truth (M, L) of 0 and 1, and predictions are a probability of each.
        value: the metric from the means of the terms over rows, (..., c) -> (...).
        higher_is_better: whether it is a score and not an error.
        ends: the lowest and the highest value that there is; None where either is missing.
    """

    terms: Callable[[Array, Array], Floats]
    value: Callable[[Floats], Floats]
    higher_is_better: bool = True
    ends: tuple[float, float] | None = (0.0, 1.0)


def first(means: Floats) -> Floats:
    """Return the mean of the only term, (..., 1) -> (...)."""
    return means[..., 0]


def _from_0_to_1(means: Floats) -> Floats:
    """Return the mean of the only term, which is a part of pairs or rows: resamples of a linear term may be outside."""
    return np.clip(means[..., 0], 0.0, 1.0)


def _right(truth: Array, scores: Array) -> Floats:
    return (scores.argmax(axis=1) == truth).astype(np.float64)[:, None]


def _recalls(truth: Array, scores: Array) -> Floats:
    member = _members(truth, scores.shape[1])
    return np.concatenate([member * _right(truth, scores), member], axis=1)


def _balanced(means: Floats) -> Floats:
    hit, there = np.split(means, 2, axis=-1)
    return _mean_of(hit, there)


def _confusion(truth: Array, scores: Array) -> Floats:
    member, chosen = _members(truth, scores.shape[1]), _members(scores.argmax(axis=1), scores.shape[1])
    return np.concatenate([2 * member * chosen, member + chosen], axis=1)


def _members(codes: Array, classes: int) -> Floats:
    return (np.asarray(codes)[:, None] == np.arange(classes)).astype(np.float64)


def _mean_of(above: Floats, below: Floats) -> Floats:
    """Return the mean over the last axis of above / below, without the classes that do not occur."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = above / below
    there = below > 0
    return np.where(there, ratio, 0.0).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


def _ranking(truth: Array, scores: Array) -> Floats:
    """Return each row's part in the AUROC, to first order: the area plus the row's influence on it, averaged."""
    # Of two classes both areas are the same, unless other rows are of a class that was never trained on.
    classes = range(scores.shape[1]) if scores.shape[1] > 2 else (1,) if (truth == 1).any() else (0,)
    areas = [_area(truth == k, scores[:, k]) for k in classes if 0 < (truth == k).sum() < len(truth)]
    return np.mean(areas, axis=0)[:, None] if areas else np.full((len(truth), 1), np.nan)


def _area(positive: NDArray[np.bool_], score: Array) -> Floats:
    """Return the area plus the influence of each row (M,); the mean is the area (DeLong et al. 1988)."""
    from scipy.stats import rankdata

    among, own = rankdata(score), np.empty(len(score))
    for side in (positive, ~positive):
        own[side] = rankdata(score[side])
    ups, downs = positive.sum(), (~positive).sum()
    below = np.where(positive, (among - own) / downs, 1 - (among - own) / ups)
    area = below[positive].mean()
    return np.asarray(area + (below - area) * np.where(positive, len(score) / ups, len(score) / downs))


def _surprise(truth: Array, scores: Array) -> Floats:
    known = np.where(truth >= 0, truth, 0)
    chance = np.where(truth >= 0, scores[np.arange(len(truth)), known], 0.0)
    return -np.log(np.clip(chance, _SMALLEST, 1.0))[:, None]


def _squares(truth: Array, predicted: Array) -> Floats:
    error = truth - predicted
    # About the median the variance of a resample is E[y^2] - E[y]^2 without cancellation: without an outlier, too.
    centred = truth - np.median(truth)
    return np.stack([error**2, centred**2, centred], axis=1)


def _squared(truth: Array, predicted: Array) -> Floats:
    return np.asarray((truth - predicted) ** 2)[:, None]


def _absolute(truth: Array, predicted: Array) -> Floats:
    return np.abs(truth - predicted)[:, None]


def _explained(means: Floats) -> Floats:
    variance = means[..., 1] - means[..., 2] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - means[..., 0] / variance, np.nan)


def _matches(truth: Array, scores: Array) -> Floats:
    """Return 2 * hits and given + true labels of each label, (M, 2 L): their ratio is F1 (Van Rijsbergen 1979)."""
    given = scores >= 0.5
    return np.concatenate([2 * (given & (truth > 0)), given.astype(np.int64) + truth], axis=1).astype(np.float64)


def _micro(means: Floats) -> Floats:
    hit, there = (part.sum(axis=-1) for part in np.split(means, 2, axis=-1))
    return np.asarray(hit / np.maximum(there, 1e-30))


def _precisions(truth: Array, scores: Array) -> Floats:
    """Return each row's part in the mean average precision of labels that occur, to first order, (M, 1)."""
    parts = [_precision(truth[:, k] > 0, scores[:, k]) for k in range(scores.shape[1]) if truth[:, k].any()]
    return np.mean(parts, axis=0)[:, None] if parts else np.full((len(truth), 1), np.nan)


def _precision(positive: NDArray[np.bool_], score: Array) -> Floats:
    """Return the average precision plus the influence of each row (M,); the mean is the average precision.

    AP = mean over positive rows i of T_i / A_i, with T_i the positive and A_i all rows that score as high; its
    derivative by the weight of a row j: y_j (T_j / A_j - AP) + sum over positive i below j of (y_j - T_i / A_i) / A_i.
    """
    order = np.argsort(-score, kind="stable")
    falls = np.append(np.diff(score[order]) != 0, True)  # the last row of each tie
    tie = np.append(0, np.cumsum(falls)[:-1])
    y = positive[order].astype(np.float64)
    above = np.arange(1, len(y) + 1)[falls][tie].astype(np.float64)
    precision = np.cumsum(y)[falls][tie] / above
    average = precision[y > 0].mean()
    last = np.append(0, np.flatnonzero(falls)[:-1] + 1)[tie]  # the first row of each tie: it and all below it

    def below(terms: Floats) -> Floats:
        return np.asarray(np.cumsum(terms[::-1])[::-1][last])

    influence = y * (precision - average) + y * below(y / above) - below(y * precision / above)
    own = np.empty(len(y))
    own[order] = average + influence * len(y) / y.sum()
    return own


METRICS: dict[Task, dict[str, Metric]] = {
    "classes": {
        "accuracy": Metric(_right, first),
        "balanced accuracy": Metric(_recalls, _balanced),
        "macro F1": Metric(_confusion, _balanced),
        "AUROC": Metric(_ranking, _from_0_to_1),
        "log loss": Metric(_surprise, first, higher_is_better=False, ends=None),
    },
    "numbers": {
        "R2": Metric(_squares, _explained, ends=None),
        "RMSE": Metric(_squared, lambda means: np.sqrt(means[..., 0]), higher_is_better=False, ends=None),
        "MAE": Metric(_absolute, first, higher_is_better=False, ends=None),
    },
    "labels": {
        "mean average precision": Metric(_precisions, _from_0_to_1),
        "micro F1": Metric(_matches, _micro),
        "macro F1": Metric(_matches, _balanced),
    },
}


def leading_first(task: Task, majority: float, classes: int) -> list[str]:
    """Return the names of a task's metrics, the one that decides first.

    That is the accuracy, R2, or for several labels a row the mean average precision; where the commonest class has more
    than 80 % of the rows, the AUROC of two classes and the balanced accuracy of more.

    Args:
        task: "classes", "numbers" or "labels".
        majority: the fraction of the commonest class among the training rows.
        classes: how many there are.

    Example:
        >>> leading_first("classes", majority=0.88, classes=2)[0], leading_first("classes", majority=0.5, classes=2)[0]
        ('AUROC', 'accuracy')
    """
    names = list(METRICS[task])
    leader = names[0]
    if task == "classes" and majority > IMBALANCED:
        leader = "AUROC" if classes == 2 else "balanced accuracy"
    return [leader, *(name for name in names if name != leader)]


def score_of(task: Task, metric: str, truth: Array, predicted: Array) -> float:
    """Return a metric of predictions, higher better: errors are turned around.

    Example:
        >>> score_of("classes", "accuracy", np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]))
        0.5
    """
    chosen = METRICS[task][metric]
    value = float(chosen.value(chosen.terms(truth, predicted).mean(axis=0)))
    return value if chosen.higher_is_better else -value
