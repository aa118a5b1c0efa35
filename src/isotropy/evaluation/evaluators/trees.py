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
        yield from problem.measured(boost(candidate, problem, train, test, problem.seed))
