"""MLP probe: what a small network reads from frozen features; far above the linear probe, the classes are bent."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement

HIDDEN, STEPS = 256, 300
_EARLY = 100  # rows; below, a tenth of them is too little to stop by


def mlp(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure a network with one hidden layer of 256 on standardised features.

    Training stops early by a tenth of the training rows. A representation that is ideal for linear probes gains nothing
    over the linear probe.

    Source: Dubois et al. 2022 (arXiv 2209.06235), section 5.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if not isinstance(candidate, Features):
        return
    form, target = candidate.standardised, problem.train_y
    early = len(target) >= _EARLY and (problem.task != "classes" or np.bincount(target).min() > 1)
    mean, spread = (target.mean(), target.std() or 1.0) if problem.task == "numbers" else (0, 1)
    model = MLPRegressor if problem.task == "numbers" else MLPClassifier
    network = model(hidden_layer_sizes=(HIDDEN,), max_iter=STEPS, early_stopping=early, random_state=problem.seed)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(form.train, (target - mean) / spread if problem.task == "numbers" else target)
    if problem.task == "numbers":
        predicted = network.predict(form.test) * spread + mean
    elif problem.task == "labels":
        predicted = network.predict_proba(form.test).reshape(len(form.test), -1)
        predicted = predicted[:, -1:] if len(problem.classes) == 1 else predicted
    else:
        predicted = np.zeros((len(form.test), len(problem.classes)))
        predicted[:, network.classes_] = network.predict_proba(form.test)
    yield from problem.measured(predicted, detail={"hidden": HIDDEN, "steps": network.n_iter_})
