"""The graph over which few labels spread: of at most 2,000 rows, on which the others hang."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from isotropy.batch import batched, spread_out
from isotropy.evaluation.baselines.propagation import NEIGHBOURS, TEMPERATURE, Propagation
from isotropy.evaluation.features import Form
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_NODES = 2000  # the time to spread to all of them grows with their cube
REACHED = 1e-9  # what a row is given in all, below which no label reaches it
_COLUMNS = 512  # that a kernel is multiplied with at a time


class LabelGraph:
    """What a label on one row gives to another, by way of the rows that are nodes: (rows, nodes) weights, or all are.

    Attributes:
        kernel: what a label on one node gives to each other. train, test: what rows have of nodes, each row with sum 1.
    """

    def __init__(self, form: Form, test: Rows) -> None:
        parts = form.train, form.test[test]
        rows = np.concatenate(parts)
        nodes = spread_out(len(rows), MOST_NODES)
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


def _nearest_nodes(rows: NDArray[np.float32], nodes: Rows) -> "csr_array":
    """Return the weights of each row's ten nearest nodes, which add up to 1; a node is its own."""
    from scipy.sparse import csr_array  # a tenth of a second that training need not wait for

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
