"""Boosted trees on raw columns, with all training labels."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from isotropy.evaluation.baselines.trees import Columns, boost
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement


def trees(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure gradient-boosted trees on the columns of a table; features of an encoder are read by other evaluators."""
    if isinstance(candidate, Columns):
        train, test = np.arange(len(problem.train_y)), np.arange(len(problem.test_y))
        if problem.task == "labels":
            each = [problem.of_label(number) for number in range(len(problem.classes))]
            predicted = np.stack([boost(candidate, one, train, test, problem.seed)[:, 1] for one in each], axis=1)
        else:
            predicted = boost(candidate, problem, train, test, problem.seed)
        yield from problem.measured(predicted)
