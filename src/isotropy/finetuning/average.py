"""A head that averages all that few labels tell of the frozen embedding: lines, and labels that spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import spread_out
from isotropy.evaluation.baselines.propagation import NEIGHBOURS, TEMPERATURE
from isotropy.evaluation.evaluators.few_linear import STRENGTHS, forms_for
from isotropy.evaluation.evaluators.few_read import SHARPNESS, probable, readings
from isotropy.evaluation.features import Features, Form, affine, corners
from isotropy.evaluation.label_graph import MOST_NODES, LabelGraph
from isotropy.evaluation.problem import Problem
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.steady import steady_linear
from isotropy.finetuning.target import Target

AVERAGE = "frozen average"
MOST_LABELLED = 1000  # from here on it is not labels that a probe lacks
MOST_OTHERS = 2000  # rows without a label over which labels spread
_LEAST = 1e-9  # a probability, so that it has a logarithm
_NO_ROWS = np.arange(0)

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]


class Reached(nn.Module):
    """The votes of labels that have spread over the nodes of a graph, on embeddings (B, width).

    Args:
        width: of the embedding. inner: of the form in which rows are compared. nodes: of the graph. classes: how many.

    Example:
        >>> Reached(width=4, inner=2, nodes=9, classes=3)(torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    turn: Tensor
    shift: Tensor
    nodes: Tensor
    votes: Tensor
    shares: Tensor
    doubt: Tensor

    def __init__(self, width: int, inner: int, nodes: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("turn", torch.zeros(width, inner))
        self.register_buffer("shift", torch.zeros(inner))
        self.register_buffer("nodes", torch.zeros(nodes, inner))
        self.register_buffer("votes", torch.zeros(nodes, classes))
        self.register_buffer("shares", torch.zeros(len(SHARPNESS)))
        self.register_buffer("doubt", torch.zeros(()))

    def fill(self, turn: Floats, shift: Floats, nodes: Vectors, votes: Vectors, shares: Vectors, doubt: float) -> None:
        """Take over a form, the nodes in it, what has spread to them, and what each power of it counts for."""
        self.turn.copy_(torch.from_numpy(turn))
        self.shift.copy_(torch.from_numpy(shift))
        self.nodes.copy_(F.normalize(torch.from_numpy(nodes), dim=1))
        self.votes.copy_(torch.from_numpy(votes))
        self.shares.copy_(torch.from_numpy(shares))
        self.doubt.fill_(doubt)

    def forward(self, z: Tensor) -> Tensor:
        """Return the probabilities (B, classes) times what they count for; 0 for a row that no label reaches."""
        cosine = steady_linear(F.normalize(steady_linear(z, self.turn.T, self.shift), dim=1), self.nodes)
        near = cosine.topk(min(NEIGHBOURS, len(self.nodes)), dim=1)
        weight = torch.softmax(near.values / TEMPERATURE, dim=1)
        reached = (weight[..., None] * self.votes[near.indices]).sum(dim=1)
        shares = zip(self.shares, SHARPNESS, strict=True)
        return torch.stack([share * probable(reached, power, self.doubt, 0.0) for share, power in shares]).sum(dim=0)


class Average(nn.Module):
    """Readings of embeddings (B, width) of which each counts for a share: the logarithm of the sum of what they say.

    In float32 whatever the encoder computes in.

    Args:
        width: of the embedding. lines: how many logistic regressions. graphs: the columns in which rows are compared,
            of each graph. nodes: of every graph. classes: how many.

    Source: Yao, Vehtari, Simpson and Gelman 2018 (Using Stacking to Average Bayesian Predictive Distributions,
    arXiv 1704.02030), section 3.4.

    Example:
        >>> Average(width=4, lines=2, graphs=[4, 3], nodes=9, classes=3)(torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    mean: Tensor
    weight: Tensor
    bias: Tensor
    shares: Tensor

    def __init__(self, width: int, lines: int, graphs: Sequence[int], nodes: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("weight", torch.zeros(lines, width, classes))
        self.register_buffer("bias", torch.zeros(lines, 1, classes))
        self.register_buffer("shares", torch.zeros(lines))
        self._graphs, self._nodes = list(graphs), nodes
        self.spread = nn.ModuleList(Reached(width, inner, nodes, classes) for inner in graphs)

    @property
    def sizes(self) -> dict[str, Any]:
        """What `Average` is made with, beside the width and the classes."""
        return {"lines": len(self.shares), "graphs": self._graphs, "nodes": self._nodes}

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs (B, classes)."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float() - self.mean
            lines = self.weight.transpose(1, 2).flatten(0, 1)
            said = steady_linear(z, lines, self.bias.flatten()).unflatten(1, self.bias.shape[::2])
            found = (torch.softmax(said, dim=2) * self.shares[:, None]).sum(dim=1)
            for one in self.spread:
                found = found + one(z)
            return (found / found.sum(dim=1, keepdim=True)).clamp(min=_LEAST).log()


@dataclass(frozen=True)
class Averaging:
    """Makes the heads that average all readings of some labelled rows, as few-label curves do (`few_read`).

    Attributes:
        forms: of the embeddings of the labelled rows, then of others, over which labels spread; their test rows are
            the `corners`. graphs: one of each form.
        z: the embeddings of the labelled rows, (N, width). corners: of all. problem: the classes of the labelled.
    """

    forms: list[Form]
    graphs: list[LabelGraph]
    z: Vectors
    corners: Vectors
    problem: Problem

    @classmethod
    def of(
        cls, z: Vectors, others: Vectors, encoded: NDArray[Any], target: Target, *, seed: int = 0,
        groups: Rows | None = None,
    ) -> Self:  # fmt: skip
        """Return the maker of heads on embeddings z (N, width) with classes `encoded`, and of others (U, width).

        Args:
            groups: (N,): readings are judged by rows of other groups.
        """
        rows = np.concatenate([z, others])
        tests = corners(rows)
        forms = forms_for(Features(rows, tests), len(z))
        problem = Problem("classes", encoded, encoded[:0], target.classes, seed=seed, groups=groups)
        return cls(forms, [LabelGraph(form, _NO_ROWS) for form in forms], z, tests, problem)

    def head(self, places: Rows) -> Average:
        """Return the head that reads the labelled rows `places`; a reading that counts for nothing is left out."""
        rows, codes = places[None], self.problem.train_y[places][None]
        lines, spread, found = readings(self.forms, self.problem, rows, codes, _NO_ROWS, self.graphs)
        shares = found[:, 0].astype(np.float32)
        of_lines, of_votes = np.split(shares, [len(STRENGTHS) * len(lines)])
        of_lines, of_votes = of_lines.reshape(len(lines), -1), of_votes.reshape(len(spread), -1)
        graphs = np.flatnonzero(of_votes.any(axis=1))
        inner = [self.forms[one].train.shape[1] for one in graphs]
        nodes, classes = len(self.graphs[0].kernel) if inner else 0, len(self.problem.classes)
        head = Average(self.z.shape[1], int((of_lines > 0).sum()), inner, nodes, classes)
        head.mean.copy_(torch.from_numpy(self.corners[0]))
        head.shares.copy_(torch.from_numpy(of_lines[of_lines > 0]))
        place = 0
        for form, line, own in zip(self.forms, lines, of_lines, strict=True):
            turn, shift = (torch.from_numpy(one) for one in affine(form.test, self.corners))
            for weights, bias in line.lines(np.flatnonzero(own)) if own.any() else ():
                head.weight[place], head.bias[place] = turn @ weights[0].double(), shift @ weights[0].double() + bias[0]
                place += 1
        for made, one in zip(head.spread, graphs, strict=True):
            rows_of, votes = self.forms[one].train, next(spread[one].given())
            nodes_of = rows_of[spread_out(len(rows_of), MOST_NODES)]
            cast(Reached, made).fill(
                *affine(self.forms[one].test, self.corners), nodes_of, votes, of_votes[one], spread[one].doubt
            )
        return head

    @torch.no_grad()
    def read(self, pairs: Sequence[tuple[Rows, Rows]]) -> Vectors:
        """Return the outputs of all held-out rows, each answered by the rows that learn beside it."""
        return np.concatenate([self.head(fit)(torch.from_numpy(self.z[out])).numpy() for fit, out in pairs])


def may_average(labelled: int) -> bool:
    """Return whether so few rows have a label that all readings of them together tell more than the best of them."""
    return labelled < MOST_LABELLED


def some_of(others: Rows) -> Rows:
    """Return at most 2,000 rows, spread evenly over them."""
    return others[spread_out(len(others), MOST_OTHERS)]
