"""A handful of labels read from features: by the linear probe or by label propagation, whichever suits them better."""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from isotropy.batch import batched
from isotropy.evaluation.baselines.propagation import NEIGHBOURS, TEMPERATURE, Propagation
from isotropy.evaluation.evaluators.few_linear import few_linear, held_out_linear
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem, Rows

MOST_NODES = 2000  # of a graph: the time to spread to all of them grows with their cube
_COLUMNS = 512  # that a kernel is multiplied with at a time
_REACHED = 1e-9
_GRAPHS: WeakKeyDictionary[Features, tuple[bytes, list["_Graph"]]] = WeakKeyDictionary()  # the same for every size


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
    out: NDArray[Any], graph: "_Graph", draws: NDArray[np.int64], rows: NDArray[np.int64], target: NDArray[np.float32]
) -> None:
    """Write into `out` (D, M, K) what some draws of rows (D, n), of classes (D, n, K), give to the test rows."""
    for draw, given in zip(draws, graph.spread(rows[draws], target[draws]), strict=True):
        reached = graph.test @ given
        total = reached.sum(axis=1, keepdims=True)
        out[draw] = np.where(total > _REACHED, reached / np.maximum(total, _REACHED), out[draw])


class _Graph:
    """What a label on one row gives to another, by way of the rows that are nodes: (rows, nodes) weights, or all are.

    Attributes:
        kernel: what a label on one node gives to each other. train, test: what rows have of nodes, each row with sum 1.
    """

    def __init__(self, form: Form, test: Rows) -> None:
        parts = form.train, form.test[test]
        rows = np.concatenate(parts)
        nodes = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_NODES)).astype(np.int64))
        graph = Form(form.name, rows[nodes], rows[:0])
        # It comes column by column, and scipy would turn it round for every product.
        self.kernel = np.ascontiguousarray(Propagation(graph, np.arange(0)).kernel.numpy())
        weights = _nearest_nodes(rows, nodes)
        self.train, self.test = weights[: len(form.train)], weights[len(form.train) :]

    def spread(self, rows: NDArray[np.int64], given: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield what each draw of training rows (D, n), which has `given` (D, n, K), gives to the nodes, (nodes, K)."""
        # What rows give to nodes is summed first: the product is then as wide as the classes are many, not the rows.
        for some in batched(len(rows), rows=max(1, _COLUMNS // given.shape[2])):
            begun = [self.train[places].T @ one for places, one in zip(rows[some], given[some], strict=True)]
            yield from np.split(self.kernel @ np.concatenate(begun, axis=1), len(begun), axis=1)


def _nearest_nodes(rows: NDArray[np.float32], nodes: Rows) -> csr_array:
    """Return the weights of each row's ten nearest nodes, which add up to 1; a node is its own."""
    count = min(NEIGHBOURS, len(nodes))
    weights = np.zeros((len(rows), count), dtype=np.float32)
    columns = np.zeros((len(rows), count), dtype=np.int64)
    weights[nodes, 0], columns[nodes, 0] = 1, np.arange(len(nodes))
    others = np.setdiff1d(np.arange(len(rows)), nodes)
    if len(others):
        similarity, place = most_similar(torch.from_numpy(rows[others]), torch.from_numpy(rows[nodes]), count)
        weights[others] = torch.softmax(similarity / TEMPERATURE, dim=1).numpy()
        columns[others] = place.numpy()
    own = np.repeat(np.arange(len(rows)), count)
    return csr_array((weights.ravel(), (own, columns.ravel())), shape=(len(rows), len(nodes)))


def _graphs(features: Features, test: Rows) -> list[_Graph]:
    """Return the graph of each form of the features."""
    if _GRAPHS.get(features, (b"", []))[0] != test.tobytes():
        _GRAPHS[features] = test.tobytes(), [_Graph(form, test) for form in features.forms()]
    return _GRAPHS[features][1]


def _hits(
    graph: _Graph, rows: NDArray[np.int64], target: NDArray[np.float32], held: NDArray[np.bool_]
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
        right = (found.argmax(2) == target[draw].argmax(1)[:, None]) & (found.sum(2) > _REACHED)
        hits[draw] = (right & held[draw]).sum()
    return hits
