"""A handful of labels read from features: by the linear probe or by label propagation, whichever suits them better."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.evaluators.few_linear import few_linear, held_out_linear
from isotropy.evaluation.features import Features
from isotropy.evaluation.label_graph import REACHED, LabelGraph
from isotropy.evaluation.problem import Problem, Rows

_GRAPHS: WeakKeyDictionary[Features, tuple[bytes, list[LabelGraph]]] = WeakKeyDictionary()  # the same for every size


def few_read(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what is read from each draw of `rows` (D, n) of the test rows: (D, M, K), or (D, M) for numbers.

    A draw is read by label propagation instead of the linear probe where that gets more of the draw's own labels right,
    in the same folds: at every size, as a reader that the smaller draws had and larger ones have not would make more
    labels look worse. With one label a class there is nothing to choose by: it spreads over the features as they are,
    as rows that are near each other are all that a label on one of them tells of. Test rows that no label reaches keep
    the linear answer. Labels spread over a graph of at most 2,000 training and test rows; further rows give to their
    ten nearest there, and take from them.

    Source: Zhou et al., Learning with Local and Global Consistency (NIPS 2003); for further rows Delalleau, Bengio and
    Le Roux, Efficient Non-Parametric Function Induction in Semi-Supervised Learning (AISTATS 2005), section 3.
    """
    if problem.task == "numbers":
        return few_linear(features, problem, rows, test)
    out, right, held = held_out_linear(features, problem, rows, test)
    best, target = right.sum((1, 2)), np.eye(len(problem.classes), dtype=np.float32)[problem.train_y[rows]]
    graphs = _graphs(features, test)
    if not held.any():
        _give(out, graphs[0], np.arange(len(rows)), rows, target)
        return out
    for graph in graphs:
        hits = _hits(graph, rows, target, held)
        takers = np.flatnonzero(hits > best)
        best[takers] = hits[takers]
        _give(out, graph, takers, rows, target)
    return out


def _give(
    out: NDArray[Any], graph: LabelGraph, draws: NDArray[np.int64], rows: NDArray[np.int64], target: NDArray[np.float32]
) -> None:
    """Write into `out` (D, M, K) what some draws of rows (D, n), of classes (D, n, K), give to the test rows."""
    for draw, given in zip(draws, graph.spread(rows[draws], target[draws]), strict=True):
        reached = graph.test @ given
        total = reached.sum(axis=1, keepdims=True)
        out[draw] = np.where(total > REACHED, reached / np.maximum(total, REACHED), out[draw])


def _graphs(features: Features, test: Rows) -> list[LabelGraph]:
    """Return the graph of each form of the features."""
    if _GRAPHS.get(features, (b"", []))[0] != test.tobytes():
        _GRAPHS[features] = test.tobytes(), [LabelGraph(form, test) for form in features.forms()]
    return _GRAPHS[features][1]


def _hits(
    graph: LabelGraph, rows: NDArray[np.int64], target: NDArray[np.float32], held: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how many held-out rows of each draw, (D,), get their class from the rows that are not held out.

    Args:
        rows: (D, n). target: their classes (D, n, K). held: which each fold holds out, (D, n, folds).
    """
    # Every fold has columns of its own, so that all are spread at once.
    learnt = (target[:, :, None] * ~held[..., None]).reshape(*rows.shape, -1)
    hits = np.zeros(len(rows), dtype=np.int64)
    for draw, given in enumerate(graph.spread(rows, learnt)):
        found = (graph.train[rows[draw]] @ given).reshape(*held.shape[1:], -1)
        right = (found.argmax(2) == target[draw].argmax(1)[:, None]) & (found.sum(2) > REACHED)
        hits[draw] = (right & held[draw]).sum()
    return hits
