"""Linear probe on frozen features: how much of a label a straight line through the representation can read."""

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from isotropy.errors import UserError
from isotropy.evaluation.labels import Task, encode, known, score, score_terms, task_of
from isotropy.evaluation.splits import stratified

Features = NDArray[np.float32]
C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
ALPHA_GRID = tuple(10.0**power for power in range(-2, 6))
FOLDS = 3
CHOICE_ROWS = 3000  # training rows on which C is chosen
CHOICE_STEPS, FINAL_STEPS = 60, 300
TOLERANCE = 1e-3


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


def linear_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a linear model on frozen training features and score it on the test rows.

    Features are standardised by the training rows. Classes: multinomial logistic regression (L-BFGS, float32). Its
    strength C is chosen among 1e-4, 1e-3, ..., 100 by 3-fold cross-validated accuracy on at most 3000 stratified
    training rows (the smaller C where two tie), each fit starting from the last one's weights, and the search ends once
    accuracy has fallen twice in a row; the final fit takes all training rows, at most 300 steps, to a gradient
    of 1e-3. `detail` holds C, the steps and whether it converged: a final fit that stops early is scored as it is and
    said. Numbers: ridge regression, its strength by leave-one-out on at most 3000 training rows. The test rows are
    touched once, by `predict`. A test class that was never trained on counts as an error. All on one thread: these
    products are too small to share (two threads on busy cores took 50 s for what one does in 1.5 s).

    Args:
        train_x: features (N, D), finite.
        train_y: labels (N,); rows with a missing one (NaN, None) are dropped.
        test_x: features (M, D), finite.
        test_y: labels (M,); rows with a missing one are dropped.
        task: "classes" or "numbers"; by default what `labels.task_of` says of the training labels.
        seed: of the rows and folds on which C is chosen.

    Raises:
        UserError: one class only, no label left, shapes that do not match, features that are not finite.

    Example:
        >>> x = np.array([[0.0], [0.1], [1.0], [1.1]] * 5)
        >>> linear_probe(x, x[:, 0] > 0.5, np.array([[-1.0], [2.0]]), np.array([False, True])).score
        1.0
    """
    start = time.perf_counter()
    data = checked(train_x, train_y, test_x, test_y)
    task = task or task_of(data.train_y)
    with threadpool_limits(limits=1):
        truth, predicted, detail = _fitted(data, task, seed)
    return scored(task, truth, predicted, data, detail, start)


def _fitted(data: Rows, task: Task, seed: int) -> tuple[NDArray[Any], NDArray[Any], dict[str, Any]]:
    """Return the truth and the prediction of the test rows, and what was chosen."""
    scaler = StandardScaler().fit(data.train_x)
    train, test = scaler.transform(data.train_x), scaler.transform(data.test_x)
    if task == "classes":
        codes, truth, _ = encode(data.train_y, data.test_y)
        model, detail = _logistic(train, codes, seed)
    else:
        truth = data.test_y.astype(np.float64)
        model, detail = _ridge(train, data.train_y.astype(np.float64), seed)
    return truth, model.predict(test), detail


def checked(train_x: ArrayLike, train_y: ArrayLike, test_x: ArrayLike, test_y: ArrayLike) -> Rows:
    """Return the rows that have labels, as float32 features; UserError where something does not fit."""
    parts: list[Any] = []
    for part, features, labels in (("training", train_x, train_y), ("test", test_x, test_y)):
        x, y = np.asarray(features), np.asarray(labels)
        if x.ndim != 2 or len(x) != len(y):
            raise UserError(f"{part} features of shape {x.shape} do not go with {len(y)} labels: give (rows, width)")
        here = known(y)
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


def _logistic(x: Features, codes: NDArray[np.int64], seed: int) -> tuple[Any, dict[str, Any]]:
    strength, chosen_by = _choose(x, codes, seed)
    model = LogisticRegression(C=strength, max_iter=FINAL_STEPS, tol=TOLERANCE)
    converged = _fit(model, x, codes)
    return model, {
        "C": strength,
        "chosen_by": chosen_by,
        "steps": int(np.max(model.n_iter_)),
        "converged": converged,
    }


def _choose(x: Features, codes: NDArray[np.int64], seed: int) -> tuple[float, str]:
    """Return C and how it was chosen, from training rows alone."""
    rows = stratified(codes, CHOICE_ROWS, seed=seed)
    x, codes = x[rows], codes[rows]
    fold = _folds(codes, seed)
    parts = [(fold != number, fold == number) for number in range(FOLDS)]
    if any(len(np.unique(codes[fit])) < 2 or not held.any() for fit, held in parts):
        return 1.0, "default: too few rows for cross-validation"
    models = [LogisticRegression(max_iter=CHOICE_STEPS, tol=TOLERANCE, warm_start=True) for _ in parts]
    right: list[int] = []
    for strength in C_GRID:
        right.append(0)
        for model, (fit, held) in zip(models, parts):
            _fit(model.set_params(C=strength), x[fit], codes[fit])
            right[-1] += int((model.predict(x[held]) == codes[held]).sum())
        if len(right) > 2 and right[-1] < right[-2] < right[-3]:
            break
    return C_GRID[int(np.argmax(right))], f"{FOLDS}-fold cross-validation on {len(codes)} training rows"


def _folds(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of every row: each class is dealt out in turn, so folds are stratified."""
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % FOLDS
    return fold


def _fit(model: Any, x: Features, codes: NDArray[np.int64]) -> bool:
    """Fit the model and return whether it converged; that warning becomes this value, others are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(x, codes)
    others = [warning for warning in caught if not issubclass(warning.category, ConvergenceWarning)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return len(others) == len(caught)


def _ridge(x: Features, y: NDArray[np.float64], seed: int) -> tuple[Any, dict[str, Any]]:
    rows = np.random.default_rng(seed).permutation(len(y))[:CHOICE_ROWS]
    if len(y) > 2 and x[rows].any():
        strength = float(RidgeCV(alphas=ALPHA_GRID).fit(x[rows].astype(np.float64), y[rows]).alpha_)
    else:
        strength = 1.0
    return Ridge(alpha=strength).fit(x.astype(np.float64), y), {
        "alpha": strength,
        "chosen_by": f"leave-one-out on {len(rows)} training rows",
        "converged": True,
    }
