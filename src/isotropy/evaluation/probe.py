"""What every probe shares: which rows it may use, what it returns, and how its predictions are scored."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError
from isotropy.evaluation.task import Task, has_label, score, score_terms

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """What a probe found on the test rows that have a label.

    Attributes:
        task: "classes" or "numbers".
        score: accuracy, or R2.
        predicted: class codes or numbers, (M,).
        terms: per-row terms of the score, (M, c): for classes one column, 1 where right.
        seconds: wall time.
        detail: what was chosen: C and convergence, or k.
    """

    task: Task
    score: float
    predicted: NDArray[Any]
    terms: NDArray[np.float64]
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """Checked features and labels, rows without a label dropped."""

    train_x: Features
    train_y: NDArray[Any]
    test_x: Features
    test_y: NDArray[Any]


def checked(train_x: ArrayLike, train_y: ArrayLike, test_x: ArrayLike, test_y: ArrayLike) -> Rows:
    """Return the rows that have labels, as float32 features; UserError where something does not fit."""
    parts: list[Any] = []
    for part, features, labels in (("training", train_x, train_y), ("test", test_x, test_y)):
        x, y = np.asarray(features), np.asarray(labels)
        if x.ndim != 2 or len(x) != len(y):
            raise UserError(f"{part} features of shape {x.shape} do not go with {len(y)} labels: give (rows, width)")
        here = has_label(y)
        if not here.any():
            raise UserError(f"no row of the {part} part has a label: a probe needs some")
        x = np.ascontiguousarray(x[here], dtype=np.float32)
        if not np.isfinite(x).all():
            raise UserError(f"the {part} features hold NaN or infinite values: a probe needs finite ones")
        parts += [x, y[here]]
    if parts[0].shape[1] != parts[2].shape[1]:
        raise UserError(f"training features are {parts[0].shape[1]} wide and test features {parts[2].shape[1]}")
    return Rows(*parts)


def scored(
    task: Task, truth: NDArray[Any], predicted: NDArray[Any], data: Rows, detail: dict[str, Any], start: float
) -> Probe:
    """Return the probe's result for predictions of the test rows."""
    if task == "numbers" and np.ptp(truth) == 0:
        raise UserError(f"the label is {data.test_y[0]!r} in every test row: R2 needs labels that vary")
    terms = score_terms(task, truth, predicted)
    value = float(score(task, terms.mean(axis=0)))
    return Probe(task, value, predicted, terms, time.perf_counter() - start, detail)
