"""Linear probe on frozen features: how much of a label a straight line through the representation can read."""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from isotropy.evaluation.probe import Features, Probe, Rows, checked, scored
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import SCORE_NAME, Task, encode, task_of

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
ALPHA_GRID = tuple(10.0**power for power in range(-2, 6))
FOLDS = 3
CHOICE_ROWS = 3000  # training rows on which the scaling and the strength are chosen
CHOICE_STEPS, FINAL_STEPS = 60, 300
TOLERANCE = 1e-3
SCALINGS = ("each column", "all columns alike")


def linear(
    train_z: ArrayLike, train_y: ArrayLike, test_z: ArrayLike, test_y: ArrayLike, *, task: Task, seed: int
) -> Iterator[Measurement]:
    """Measure `linear_probe` with all training labels."""
    probe = linear_probe(train_z, train_y, test_z, test_y, task=task, seed=seed)
    converged = probe.detail["converged"]
    notes = () if converged else (f"stopped after {probe.detail['steps']} steps, before it converged",)
    yield Measurement(SCORE_NAME[task], len(np.asarray(train_y)), probe.terms, probe.detail, notes)


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

    Features are centred and scaled by the training rows: each column to standard deviation 1, or all columns by one
    number, which keeps the leading directions of PCA leading. Classes: multinomial logistic regression (L-BFGS,
    float32). The scaling, and the strength C among 1e-4, 1e-3, ..., 100, are chosen by 3-fold cross-validated accuracy
    on at most 3000 stratified training rows (the first scaling and the smaller C where two tie); the final fit takes
    all training rows, at most 300 steps, to a gradient of 1e-3. `detail` holds both choices, the steps and whether it
    converged: a final fit that stops early is scored as it is and said. Numbers: ridge regression, both chosen by
    leave-one-out on at most 3000 training rows. The test rows are touched once, by `predict`. A test class that was
    never trained on counts as an error. All on one thread: these products are too small to share (two threads on busy
    cores took 50 s for what one does in 1.5 s).

    Args:
        train_x: features (N, D), finite.
        train_y: labels (N,); rows with a missing one (NaN, None) are dropped.
        test_x: features (M, D), finite.
        test_y: labels (M,); rows with a missing one are dropped.
        task: "classes" or "numbers"; by default what `task.task_of` says of the training labels.
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
    # Back to the columns' own proportions, with a mean variance of 1.
    weights = np.sqrt(scaler.var_ / max(scaler.var_.mean(), 1e-30)).astype(np.float32)
    target: NDArray[Any]
    if task == "classes":
        target, truth, _ = encode(data.train_y, data.test_y)
        scaling, strength, chosen_by = _choose_logistic(train, weights, target, seed)
    else:
        target, truth = data.train_y.astype(np.float64), data.test_y.astype(np.float64)
        scaling, strength, chosen_by = _choose_ridge(train, weights, target, seed)
    if scaling == SCALINGS[1]:
        train, test = train * weights, test * weights
    detail: dict[str, Any] = {"scaled": scaling, "chosen_by": chosen_by}
    if task == "classes":
        model = LogisticRegression(C=strength, max_iter=FINAL_STEPS, tol=TOLERANCE)
        converged = _fit(model, train, target)
        detail |= {"C": strength, "steps": int(np.max(model.n_iter_)), "converged": converged}
    else:
        model = Ridge(alpha=strength).fit(train.astype(np.float64), target)
        detail |= {"alpha": strength, "converged": True}
    return truth, model.predict(test), detail


def _choose_logistic(x: Features, weights: Features, codes: NDArray[np.int64], seed: int) -> tuple[str, float, str]:
    """Return the scaling, C and how they were chosen, from training rows alone."""
    rows = stratified(codes, CHOICE_ROWS, seed=seed)
    rows = rows[np.bincount(codes[rows])[codes[rows]] > 1]  # a class of one row cannot be learnt and held out
    x, codes = x[rows], codes[rows]
    counts = np.unique(codes, return_counts=True)[1]
    if len(counts) < 2 or counts.max() < FOLDS:
        return SCALINGS[0], 1.0, "default: too few rows for cross-validation"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        parts = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(codes, codes))
    best = (-1.0, SCALINGS[0], 1.0)
    for scaling, features in zip(SCALINGS, (x, x * weights)):
        search = LogisticRegressionCV(
            Cs=list(C_GRID), cv=parts, max_iter=CHOICE_STEPS, tol=TOLERANCE, refit=False, scoring="accuracy"
        )
        _fit(search, features, codes)
        accuracy = np.asarray(next(iter(search.scores_.values()))).mean(axis=0)
        if accuracy.max() > best[0]:
            best = (float(accuracy.max()), scaling, C_GRID[int(accuracy.argmax())])
    return *best[1:], f"{FOLDS}-fold cross-validation on {len(codes)} training rows"


def _fit(model: Any, x: Features, target: NDArray[Any]) -> bool:
    """Fit the model and return whether it converged; that warning becomes this value, others are passed on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
        model.fit(x, target)
    others = [warning for warning in caught if not issubclass(warning.category, ConvergenceWarning)]
    for warning in others:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return len(others) == len(caught)


def _choose_ridge(x: Features, weights: Features, y: NDArray[np.float64], seed: int) -> tuple[str, float, str]:
    rows = np.random.default_rng(seed).permutation(len(y))[:CHOICE_ROWS]
    if len(y) < 3 or not x[rows].any():
        return SCALINGS[0], 1.0, "default: too few rows for leave-one-out"
    searches = [
        RidgeCV(alphas=ALPHA_GRID).fit(features[rows].astype(np.float64), y[rows]) for features in (x, x * weights)
    ]
    best = int(np.argmax([search.best_score_ for search in searches]))
    return SCALINGS[best], float(searches[best].alpha_), f"leave-one-out on {len(rows)} training rows"
