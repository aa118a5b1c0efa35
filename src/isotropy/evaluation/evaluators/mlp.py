"""MLP probe: what a small network reads from frozen features; far above the linear probe, the classes are bent."""

import time
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from isotropy.evaluation.probe import Probe, checked, scored
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.task import SCORE_NAME, Task, encode, task_of

HIDDEN, STEPS = 256, 300
_EARLY = 100  # rows; below, a tenth of them is too little to stop by


def mlp(
    train_z: ArrayLike, train_y: ArrayLike, test_z: ArrayLike, test_y: ArrayLike, *, task: Task, seed: int
) -> Iterator[Measurement]:
    """Measure `mlp_probe` with all training labels."""
    probe = mlp_probe(train_z, train_y, test_z, test_y, task=task, seed=seed)
    yield Measurement(SCORE_NAME[task], len(np.asarray(train_y)), probe.terms, probe.detail)


def mlp_probe(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    *,
    task: Task | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a network with one hidden layer of 256 on frozen training features and score it on the test rows.

    Features are standardised by the training rows; training stops early by a tenth of them. A representation that is
    ideal for linear probes gains nothing over `linear_probe`.

    Args:
        train_x: features (N, D). train_y: labels (N,). test_x: features (M, D). test_y: labels (M,).
        task: "classes" or "numbers"; by default what `task.task_of` says of the training labels.
        seed: of the weights, the order of the rows and the tenth that is held out.

    Raises:
        UserError: as `linear_probe`.

    Source: Dubois et al. 2022 (arXiv 2209.06235), section 5.

    Example:
        >>> x = np.repeat(np.eye(2), 40, axis=0)
        >>> mlp_probe(x, [0] * 40 + [1] * 40, x, [0] * 40 + [1] * 40).score
        1.0
    """
    start = time.perf_counter()
    data = checked(train_x, train_y, test_x, test_y)
    task = task or task_of(data.train_y)
    scaler = StandardScaler().fit(data.train_x)
    train, test = scaler.transform(data.train_x), scaler.transform(data.test_x)
    if task == "classes":
        target, truth, _ = encode(data.train_y, data.test_y)
        early = len(target) >= _EARLY and np.bincount(target).min() > 1
        model, mean, spread = MLPClassifier, 0.0, 1.0
    else:
        target, truth = data.train_y.astype(np.float64), data.test_y.astype(np.float64)
        early = len(target) >= _EARLY
        model, mean, spread = MLPRegressor, target.mean(), target.std() or 1.0
    network = model(hidden_layer_sizes=(HIDDEN,), max_iter=STEPS, early_stopping=early, random_state=seed)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(train, target if task == "classes" else (target - mean) / spread)
    predicted = network.predict(test)
    if task == "numbers":
        predicted = predicted * spread + mean
    detail = {"hidden": HIDDEN, "steps": network.n_iter_}
    return scored(task, truth, predicted, data, detail, start)
