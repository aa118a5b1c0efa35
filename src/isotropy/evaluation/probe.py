"""Single probes as functions of features and labels, for one's own experiments."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError
from isotropy.evaluation.evaluators.knn import NEIGHBOURS, TEMPERATURE, vote
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.evaluators.mlp import mlp
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.task import Task, has_label


@dataclass(frozen=True)
class Probe:
    """What a probe found on the test rows that have a label.

    Attributes:
        task: "classes" or "numbers". metric: the one that decides.
        score: its value: accuracy, R2, or for imbalanced classes AUROC or balanced accuracy.
        scores: every metric of the task by name.
        predicted: class codes or numbers, (M,).
        terms: per-row terms of the score, (M, c): for the accuracy one column, 1 where right.
        seconds: wall time.
        detail: what was chosen: form, C and convergence, or k.
    """

    task: Task
    metric: str
    score: float
    scores: dict[str, float]
    predicted: NDArray[Any]
    terms: NDArray[np.float64]
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)


def linear_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task | None = None,
    metric: str | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a linear model on frozen training features and score it on the test rows; see `evaluators.linear`.

    Args:
        train_x: features (N, D), finite.
        train_y: labels (N,); rows with a missing one (NaN, None) are dropped.
        test_x: features (M, D), finite.
        test_y: labels (M,); rows with a missing one are dropped.
        task: "classes" or "numbers"; by default what `task.task_of` says of all labels.
        metric: by which form and strength are chosen, and which is the score; by default the leading one.
        seed: of the rows and folds on which form and strength are chosen.

    Raises:
        UserError: one class only, no label left, shapes that do not match, features that are not finite.

    Example:
        >>> x = np.array([[0.0], [0.1], [1.0], [1.1]] * 5)
        >>> linear_probe(x, x[:, 0] > 0.5, np.array([[-1.0], [2.0]]), np.array([False, True])).score
        1.0
    """
    return _probed(linear, train_x, train_y, test_x, test_y, task, metric, seed)


def mlp_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task | None = None,
    metric: str | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a network with one hidden layer on frozen training features; arguments and errors as of `linear_probe`.

    Example:
        >>> x = np.repeat(np.eye(2), 40, axis=0)
        >>> mlp_probe(x, [0] * 40 + [1] * 40, x, [0] * 40 + [1] * 40).score
        1.0
    """
    return _probed(mlp, train_x, train_y, test_x, test_y, task, metric, seed)


def knn_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    task: Task | None = None,
    metric: str | None = None,
) -> Probe:
    """Predict each test row from its `k` most similar training rows, the features as they come; see `evaluators.knn`.

    Args:
        train_x, train_y, test_x, test_y, task, metric: as of `linear_probe`.
        k: neighbours, at least 1; at most as many as there are training rows are used.
        temperature: of the weights, above 0.

    Example:
        >>> x, y = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), np.array(["a", "a", "b"])
        >>> knn_probe(x, y, np.array([[1.0, 0.2], [0.1, 1.0]]), np.array(["a", "b"]), k=1).score
        1.0
    """

    def as_they_come(features: Features, problem: Problem) -> Iterable[Measurement]:
        few = min(k, len(problem.train_y))
        predicted = vote(features.as_is.train, problem, features.as_is.test, few, temperature)
        return problem.measured(predicted, detail={"k": few, "temperature": temperature})

    if not (isinstance(k, int | np.integer) and k >= 1):
        raise UserError(f"k = {k} neighbours: give a whole number from 1 on")
    if not temperature > 0:
        raise UserError(f"temperature = {temperature:g} must be above 0")
    return _probed(as_they_come, train_x, train_y, test_x, test_y, task, metric, 0)


def _probed(
    evaluator: Callable[[Features, Problem], Iterable[Measurement]],
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    task: Task | None,
    metric: str | None,
    seed: int,
) -> Probe:
    start = time.perf_counter()
    parts: list[Any] = []
    for part, features, labels in (("training", train_x, train_y), ("test", test_x, test_y)):
        x, y = np.asarray(features), np.asarray(labels)
        if x.ndim != 2 or len(x) != len(y):
            raise UserError(f"{part} features of shape {x.shape} do not go with {len(y)} labels: give (rows, width)")
        here = has_label(y)
        if not here.any():
            raise UserError(f"no row of the {part} part has a label: a probe needs some")
        parts += [x[here], y[here]]
    problem = Problem.of(parts[1], parts[3], task=task, metric=metric, seed=seed)
    found = list(evaluator(Features(parts[0], parts[2]), problem))
    scores = {one.metric: float(one.value(one.terms.mean(axis=0))) for one in found}
    first = found[0]
    assert first.predicted is not None
    seconds = time.perf_counter() - start
    value = scores[first.metric]
    return Probe(problem.task, first.metric, value, scores, first.predicted, first.terms, seconds, first.detail)
