"""Few-label curve: what is read from a handful of labels, over many draws of them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.baselines.propagation import Propagation, propagate
from isotropy.evaluation.baselines.trees import Columns, boost_few
from isotropy.evaluation.evaluators.few_read import few_read
from isotropy.evaluation.features import Features
from isotropy.evaluation.metrics import METRICS
from isotropy.evaluation.problem import Problem, Rows, size_text
from isotropy.evaluation.score import Measurement

# Predicts the test rows (M,) from each draw of training rows (D, n): (D', M, K) for classes, (D', M) for numbers. A
# reader that is too slow for all draws takes the first of them.
Reader = Callable[[Any, Problem, NDArray[np.int64], Rows], NDArray[Any]]
READERS: dict[type, Reader] = {Features: few_read, Columns: boost_few, Propagation: propagate}


def few_labels(candidate: Any, problem: Problem) -> Iterator[Measurement]:
    """Measure what is read from few labels, at each size that the training rows allow, over `problem.draws` draws.

    Features are read by linear probes and by label propagation, averaged as `few_read` says; raw columns by boosted
    trees, a graph by label propagation. The draws are the same for all of them.

    Source: Dubois et al. 2022 (arXiv 2209.06235), figure 7a.

    Example:
        >>> x, y = np.repeat(np.eye(2), 8, axis=0), np.repeat([0, 1], 8)
        >>> found = few_labels(Features(x, x), Problem.of(y, y, sizes=(1, 4), draws=3))
        >>> [(m.detail["size"], m.labels, float(m.terms.mean())) for m in found]
        [('1 a class', 2, 1.0), ('4 a class', 8, 1.0)]
    """
    if problem.task == "labels":
        return
    read = READERS[type(candidate)]
    test = problem.drawn_test_rows()
    metric = METRICS[problem.task][problem.leading]
    for size in problem.possible_sizes()[0]:
        rows = np.stack([problem.draw(size, number) for number in range(problem.draws)])
        predicted = read(candidate, problem, rows, test)
        terms = np.stack([metric.terms(problem.test_y[test], one) for one in predicted])
        detail = {"size": size_text(size, problem.task), "draws": len(terms)}
        yield Measurement(problem.leading, rows.shape[1], terms, detail, value=metric.value, ends=metric.ends)
