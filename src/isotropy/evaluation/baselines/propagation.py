"""Label propagation over the neighbours of all rows: what few labels give without training an encoder."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.features import Form
from isotropy.evaluation.neighbours import most_similar
from isotropy.evaluation.problem import Problem, Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 10
TEMPERATURE = 0.1
ALPHA = 0.95
STEPS = 20


@dataclass(frozen=True)
class Propagation:
    """The graph of nearest neighbours among all training rows and the test rows that few labels are scored on.

    Attributes:
        form: the features that rows are compared by. test: the numbers of these test rows.
    """

    form: Form
    test: Rows

    @property
    def width(self) -> int:
        """How many columns the rows are compared by."""
        return self.form.train.shape[1]

    @cached_property
    def rows(self) -> Tensor:
        """Training rows, then test rows."""
        return torch.from_numpy(np.concatenate([self.form.train, self.form.test[self.test]]))

    @cached_property
    def weights(self) -> "csr_array":
        """The symmetrically normalised weights of the ten nearest neighbours, sparse."""
        from scipy.sparse import csr_array, diags_array  # a tenth of a second that training need not wait for

        count = len(self.rows)
        similarity, neighbour = most_similar(self.rows, self.rows, min(NEIGHBOURS, count - 1), among_themselves=True)
        weight = torch.exp((similarity - 1) / TEMPERATURE).flatten().numpy()
        own = np.repeat(np.arange(count), similarity.shape[1])
        one_way = csr_array((weight, (own, neighbour.flatten().numpy())), shape=(count, count))
        both = one_way + one_way.T
        scale = diags_array(1 / np.sqrt(np.maximum(both.sum(axis=1), 1e-12))).tocsr()
        return csr_array(scale @ both @ scale, dtype=np.float32)

    @cached_property
    def kernel(self) -> Tensor:
        """What a label on one row gives to each other, (N + M, N + M), in the end; for a few thousand rows.

        Source: Zhou et al., Learning with Local and Global Consistency (NIPS 2003), equation 4.
        """
        step = torch.from_numpy(self.weights.toarray())
        # Positive definite, as no eigenvalue of the normalised weights is above 1: half the time of a general inverse.
        return (1 - ALPHA) * torch.cholesky_inverse(torch.linalg.cholesky(torch.eye(len(step)) - ALPHA * step))


def propagate(graph: Propagation, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[np.float32]:
    """Return the classes that labels of each draw of `rows` (D, n) spread to the test rows, (D, M, K).

    Ten neighbours by cosine, weights exp((cosine - 1) / 0.1), 20 steps of F <- 0.95 S F + 0.05 Y with S the
    symmetrically normalised weights. A test row that no label reaches takes the class of the most similar drawn row
    (scikit-learn's `LabelSpreading` gives it the first class). Numbers spread alike, about their mean.

    Source: Zhou et al., Learning with Local and Global Consistency (NIPS 2003), section 2.
    """
    x = graph.rows
    place, used = rows, len(problem.train_y)
    classes = len(problem.classes) if problem.task == "classes" else 2
    start = torch.zeros(len(x), len(rows), classes)
    for number, (draw, places) in enumerate(zip(rows, place)):
        if problem.task == "classes":
            start[places, number, problem.train_y[draw]] = 1
        else:  # the sum of the numbers that reach a row, and of what they weigh
            start[places, number, 0] = torch.from_numpy(problem.train_y[draw] - problem.train_y[draw].mean()).float()
            start[places, number, 1] = 1
    flat = start.flatten(1).numpy()
    spread = flat
    for _ in range(STEPS):
        spread = ALPHA * (graph.weights @ spread) + (1 - ALPHA) * flat
    found = torch.from_numpy(spread).view_as(start)[used:].transpose(0, 1).clone()  # (D, M, K)
    _reach_the_rest(found, x, place, start, used)
    if problem.task == "classes":
        return (found / found.sum(2, keepdim=True).clamp(min=1e-30)).numpy()
    means = np.array([problem.train_y[draw].mean() for draw in rows])
    return (found[..., 0] / found[..., 1]).numpy() + means[:, None]


def _reach_the_rest(found: Tensor, x: Tensor, place: NDArray[np.int64], start: Tensor, first: int) -> None:
    """Give the test rows that nothing reached what the most similar drawn row has."""
    for number, places in enumerate(place):
        weight = found[number].sum(1) if found.shape[2] > 2 else found[number].abs().sum(1)
        lost = torch.nonzero(weight <= 1e-12)[:, 0]
        if len(lost):
            drawn = torch.from_numpy(places)
            _, nearest = most_similar(x[first:][lost], x[drawn], 1)
            found[number, lost] = start[drawn[nearest[:, 0]], number]
