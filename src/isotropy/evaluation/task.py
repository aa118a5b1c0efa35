"""What labels are: classes or numbers, which of them are missing, and how a prediction of them is scored."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.errors import UserError

Task = Literal["classes", "numbers"]
Array = NDArray[Any]
SCORE_NAME: dict[Task, str] = {"classes": "accuracy", "numbers": "R2"}


def has_label(labels: Array) -> NDArray[np.bool_]:
    """Return which labels are there: not NaN, None or NaT; (N,) booleans.

    Example:
        >>> has_label(np.array(["a", None, "b"], dtype=object)).tolist()
        [True, False, True]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise UserError(f"labels must be one value per row, and have shape {labels.shape}: pick one column")
    return np.asarray(~pd.isna(labels), dtype=bool)


def task_of(labels: Array) -> Task:
    """Return "classes" or "numbers" for labels of shape (N,).

    Text, booleans and categories are classes. Numbers are "numbers" (a regression) where one of them is not whole,
    or where they have on average fewer than five rows per distinct value; otherwise they are classes
    (a column of whole numbers becomes float as soon as one is missing, so the type alone says little).

    Example:
        >>> task_of(np.array([0, 1, 1, 0])), task_of(np.array([0.1, 2.5])), task_of(np.array(["a", "b"]))
        ('classes', 'numbers', 'classes')
    """
    labels = np.asarray(labels)[has_label(labels)]
    if labels.dtype.kind == "O":
        numeric = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in labels)
        labels = labels.astype(float) if numeric and len(labels) else labels
    if labels.dtype.kind not in "iuf":
        return "classes"
    distinct = len(np.unique(labels))
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.round(labels)):
        return "numbers"
    return "numbers" if distinct > 20 and len(labels) < 5 * distinct else "classes"


def encode(train: Array, test: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Any]]:
    """Return training codes, test codes and the classes in order of their names; -1 is a class never trained on.

    Raises:
        UserError: where the training labels have fewer than two classes.
    """
    classes = sorted(pd.unique(np.asarray(train)).tolist(), key=lambda value: (str(type(value)), value))
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no class at all"
        raise UserError(f"the label has {only} in the training part: a probe needs at least two classes")
    index = pd.Index(classes, dtype=object)
    codes = [index.get_indexer(pd.Index(np.asarray(part).tolist(), dtype=object)) for part in (train, test)]
    return codes[0].astype(np.int64), codes[1].astype(np.int64), classes


def score_terms(task: Task, truth: Array, predicted: Array) -> NDArray[np.float64]:
    """Return the per-row terms (N, c) whose means make the score: see `score`."""
    if task == "classes":
        return (np.asarray(truth) == np.asarray(predicted)).astype(np.float64)[:, None]
    truth = np.asarray(truth, dtype=np.float64)
    error = truth - np.asarray(predicted, dtype=np.float64)
    # About a fixed centre the variance of a resample is E[y^2] - E[y]^2 without cancellation.
    centred = truth - truth.mean()
    return np.stack([error**2, centred**2, centred], axis=1)


def score(task: Task, means: Array) -> Array:
    """Return the score for means of the terms, (..., c) -> (...): accuracy, or R2 = 1 - E[error^2] / Var[y].

    One term alone is the score itself, whatever the task: accuracy of rows, or scores of draws.

    Example:
        >>> truth, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])
        >>> round(float(score("numbers", score_terms("numbers", truth, predicted).mean(0))), 3)
        0.5
    """
    if task == "classes" or means.shape[-1] == 1:
        return np.asarray(means[..., 0])
    variance = means[..., 1] - means[..., 2] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - means[..., 0] / variance, np.nan)
