"""Search: are the most similar rows of the same class?"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.splits import stratified

Codes = NDArray[np.int64]
QUERIES = 2000
CHOICE_QUERIES = 1000
SHOWN = 10
ENDS = (0.0, 1.0)  # of a precision


def search(candidate: Features, problem: Problem) -> Iterator[Measurement]:
    """Measure how many of the training rows that are most similar to a test row, by cosine, have its class.

    "precision at 10" decides, "precision at 1" and "R-precision" (the precision among as many rows as the class has)
    stand beside it. At most 2,000 stratified test rows ask; all training rows answer. The form of the features is the
    one in which training rows find each other best (where rows have groups, those of other groups). A label that is a
    number has no relevant rows: nothing is measured.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval (2008), section 8.4.

    Example:
        >>> x, y = np.repeat(np.eye(2), 20, axis=0), np.repeat([0, 1], 20)
        >>> [(m.metric, float(m.terms.mean())) for m in search(Features(x, x), Problem.of(y, y))]
        [('precision at 10', 1.0), ('precision at 1', 1.0), ('R-precision', 1.0)]
    """
    if not isinstance(candidate, Features) or problem.task != "classes":
        return
    known = np.flatnonzero(problem.test_y >= 0)
    asked = known[stratified(problem.test_y[known], min(QUERIES, len(known)), seed=problem.seed)]
    best, chosen = best_form(candidate, problem)
    keys, queries = torch.from_numpy(chosen.train), torch.from_numpy(chosen.test[asked])
    at_one, at_ten, at_all = _precisions(queries, keys, problem.test_y[asked], problem.train_y)
    detail = {"form": chosen.name, "queries": len(asked)}
    count = len(problem.train_y)
    yield Measurement(f"precision at {SHOWN}", count, at_ten[:, None], detail, validation=best, ends=ENDS)
    yield Measurement("precision at 1", count, at_one[:, None], detail, ends=ENDS)
    yield Measurement("R-precision", count, at_all[:, None], detail, ends=ENDS)


def best_form(candidate: Features, problem: Problem) -> tuple[float, Form]:
    """Return how well training rows find each other, at most 1,000 asking, and the form in which they do it best.

    Example:
        >>> x, y = np.repeat(np.eye(2), 20, axis=0), np.repeat([0, 1], 20)
        >>> value, form = best_form(Features(x, x), Problem.of(y, y))
        >>> value, form.name
        (1.0, 'as it is')
    """
    some = np.arange(len(problem.train_y))
    some = some[stratified(problem.train_y, min(CHOICE_QUERIES, len(some)), seed=problem.seed)]
    own = np.arange(len(problem.train_y)) if problem.groups is None else problem.groups
    best, chosen = -1.0, candidate.as_is
    for form in candidate.readings():
        x = torch.from_numpy(form.train)
        value = _precision(x[some], x, problem.train_y[some], problem.train_y, own[some], own)
        if value > best:
            best, chosen = value, form
    return best, chosen


def _precision(queries: Tensor, keys: Tensor, truth: Codes, codes: Codes, own: Codes, groups: Codes) -> float:
    """Return the precision at 10 of rows among those of other groups, (N,) `groups` of keys; `own` are the rows'."""
    k = min(SHOWN + int(np.bincount(groups).max()), len(keys))
    _, neighbour = most_similar(queries, keys, k)
    found = neighbour.numpy()
    other = groups[found] != own[:, None]
    other &= other.cumsum(axis=1) <= SHOWN
    right = (codes[found] == truth[:, None]) & other
    return float(right.sum() / max(1, other.sum()))


def _precisions(
    queries: Tensor, keys: Tensor, truth: NDArray[np.int64], codes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], ...]:
    """Return the precision at 1, at 10 and among as many rows as the class has, each (M,)."""
    relevant = np.bincount(codes)[truth]
    ten = min(SHOWN, len(keys))
    ones, tens, alls = (np.empty(len(truth)) for _ in range(3))
    # Classes of one size at a time: each asks for as many neighbours as it has rows.
    for size in np.unique(relevant):
        rows = np.flatnonzero(relevant == size)
        _, neighbour = most_similar(queries[torch.from_numpy(rows)], keys, max(ten, int(size)))
        right = codes[neighbour.numpy()] == truth[rows, None]
        ones[rows], tens[rows] = right[:, 0], right[:, :ten].mean(axis=1)
        alls[rows] = right[:, :size].mean(axis=1)
    return ones, tens, alls
