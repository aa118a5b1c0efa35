"""A handful of labels read from features: by the linear probe or, where rows are few, by label propagation."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from isotropy.evaluation.baselines.propagation import NEIGHBOURS, TEMPERATURE, Propagation
from isotropy.evaluation.evaluators.few_linear import few_linear, held_out_linear
from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem, Rows

MOST_NODES = 2000  # of a graph: the time to spread to all of them grows with their cube
MOST_LABELS = 200  # drawn; of more the linear probe reads better, and chance alone would choose spreading
_GRAPHS: WeakKeyDictionary[Features, tuple[bytes, list["_Graph"]]] = WeakKeyDictionary()  # the same for every size


def few_read(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what is read from each draw of `rows` (D, n) of the test rows: (D, M, K), or (D, M) for numbers.

    A draw of up to 200 labels is read by label propagation instead of the linear probe where that gets more of the
    draw's own labels right, in the same folds. Test rows that no label reaches keep the linear answer. Labels spread
    over a graph of at most 2,000 training and test rows; further rows give to their ten nearest there, and take from
    them.

    Source: Zhou et al., Learning with Local and Global Consistency (NIPS 2003); for further rows Delalleau, Bengio and
    Le Roux, Efficient Non-Parametric Function Induction in Semi-Supervised Learning (AISTATS 2005), section 3.
    """
    if problem.task == "numbers" or rows.shape[1] > MOST_LABELS:
        return few_linear(features, problem, rows, test)
    out, right, held = held_out_linear(features, problem, rows, test)
    if not held.any():  # one label a class: nothing to choose by
        return out
    best = right.sum((1, 2))
    targets = torch.nn.functional.one_hot(torch.from_numpy(problem.train_y[rows]), len(problem.classes)).float()
    for graph in _graphs(features, test):
        for draw, target in enumerate(targets):
            given = graph.given_by(rows[draw])
            hits = _hits(graph.taken(given, rows[draw]), target, torch.from_numpy(held[draw]))
            if hits > best[draw]:
                best[draw] = hits
                reached = (graph.taken(given) @ target).numpy()
                total = reached.sum(axis=1, keepdims=True)
                out[draw] = np.where(total > 1e-9, reached / np.maximum(total, 1e-9), out[draw])
    return out


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

    def given_by(self, places: Rows) -> NDArray[np.float32]:
        """Return what labels on training rows (n,) give to the nodes, (nodes, n)."""
        return np.asarray(self.train[places] @ self.kernel).T

    def taken(self, given: NDArray[np.float32], places: Rows | None = None) -> Tensor:
        """Return what training rows, or by default the test rows, take from the nodes, (rows, n)."""
        return torch.from_numpy(np.asarray((self.test if places is None else self.train[places]) @ given))


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


def _hits(among: Tensor, target: Tensor, held: Tensor) -> int:
    """Return how many held-out rows (n, folds) get their class (n, K) from the rows that are not held out."""
    hits = 0
    for fold in held.T:
        found = among[fold] @ (target * ~fold[:, None])
        hits += int(((found.argmax(1) == target[fold].argmax(1)) & (found.sum(1) > 1e-9)).sum())
    return hits
