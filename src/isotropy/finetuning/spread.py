"""Labels of few rows, spread to rows without one: what a probe on the frozen encoder can learn from as well."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import spread_out
from isotropy.evaluation.features import Features
from isotropy.evaluation.label_graph import REACHED, LabelGraph
from isotropy.finetuning.held_out import Rows

MOST_LABELLED = 1000  # from here on it is not labels that a probe lacks
MOST_OTHERS = 2000  # rows without a label that take one

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Spread:
    """The graph over which labels spread from rows that have one to others, by their embeddings as they are.

    Attributes:
        graph: of the rows with a label, then of the others. others: the embeddings of these, (U, width).

    Source: label propagation (Zhou et al., NIPS 2003) whose result a classifier learns from: Iscen et al., Label
    Propagation for Deep Semi-supervised Learning (CVPR 2019), section 4.

    Example:
        >>> z = np.array([[1, 0], [0, 1], [0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
        >>> Spread.over(z[:2], z[2:])(np.arange(2), np.array([0, 1]))[1].tolist()
        [0, 1]
    """

    graph: LabelGraph
    others: Vectors

    @classmethod
    def over(cls, z: Vectors, others: Vectors) -> "Spread":
        """Return the graph of labelled rows z (N, width) and others (U, width)."""
        rows = np.concatenate([z, others])
        return cls(LabelGraph(Features(rows, rows[:0]).as_is, np.arange(0)), others)

    def __call__(self, places: Rows, encoded: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.int64]]:
        """Return the embeddings (V, width) of the others that labels reach from some labelled rows, and their classes.

        Args:
            places: the numbers of these labelled rows, (n,). encoded: their classes, (n,).
        """
        target = np.eye(int(encoded.max()) + 1, dtype=np.float32)[encoded]
        (given,) = self.graph.spread(places[None], target[None])
        found = (self.graph.train @ given)[-len(self.others) :]
        there = found.sum(axis=1) > REACHED
        return self.others[there], found[there].argmax(axis=1)


def may_spread(labelled: int, others: int) -> bool:
    """Return whether so few rows have a label that others may help, and there are others."""
    return labelled < MOST_LABELLED and others > 0


def some_of(others: Rows) -> Rows:
    """Return at most 2,000 rows, spread evenly over them."""
    return others[spread_out(len(others), MOST_OTHERS)]
