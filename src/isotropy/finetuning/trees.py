"""A head of boosted trees on what a table's embedding has of its columns: what no network reads as well, trees may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from isotropy.evaluation.baselines.trees import NAME, booster
from isotropy.evaluation.rare_classes import rare_classes
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.target import Target
from isotropy.representation import Representation

TREES = f"{NAME} on the columns"
MOST_CLASSES = 30  # each has a hundred trees
MOST_ROUNDS = 100
LARGEST_TREE = 61  # nodes, of 31 leaves
_NEVER = -20.0  # the logit of a class that no row had from which trees learnt


class Trees(nn.Module):
    """Boosted trees on the columns of embeddings (B, width) from `skipped` on, as logits or standardised numbers.

    In each round there is a tree per output (one of two classes). A row goes from the first node of a tree to the left
    where its column is at most the threshold; a leaf leads to itself.

    Args:
        width: of the embedding. skipped: columns before those that trees read. rounds: of boosting.
        nodes: of the largest tree. outputs: 2 or more classes; 1 for a number. depth: steps to the deepest leaf.

    Example:
        >>> Trees(width=4, skipped=1, rounds=2, nodes=3, outputs=3, depth=1)(torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    column: Tensor
    threshold: Tensor
    below: Tensor
    above: Tensor
    value: Tensor
    start: Tensor

    def __init__(self, width: int, skipped: int, rounds: int, nodes: int, outputs: int, depth: int) -> None:
        super().__init__()
        self._width, self._skipped, self._depth, self._outputs = width, skipped, depth, outputs
        trees = (rounds, outputs if outputs > 2 else 1, nodes)
        self.register_buffer("column", torch.zeros(trees, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, dtype=torch.float64))
        self.register_buffer("below", torch.zeros(trees, dtype=torch.int64))
        self.register_buffer("above", torch.zeros(trees, dtype=torch.int64))
        self.register_buffer("value", torch.zeros(trees, dtype=torch.float64))
        self.register_buffer("start", torch.zeros(trees[1], dtype=torch.float64))

    @property
    def sizes(self) -> dict[str, int]:
        """What `Trees` is made with, beside the width and the outputs."""
        rounds, _, nodes = self.column.shape
        return {"skipped": self._skipped, "rounds": rounds, "nodes": nodes, "depth": self._depth}

    def leads_to_nodes(self) -> bool:
        """Return whether every node leads to nodes of its tree, and asks a column that there is."""
        _, _, nodes = self.column.shape
        inside = [(one >= 0) & (one < most) for one, most in (
            (self.column, self._width - self._skipped), (self.below, nodes), (self.above, nodes))]  # fmt: skip
        return all(bool(one.all()) for one in inside)

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs (B, outputs)."""
        rounds, each, nodes = self.column.shape
        x = z[:, self._skipped :].double()
        first = torch.arange(rounds * each, device=z.device) * nodes
        place = first.expand(len(z), -1)
        column, threshold, below, above = (
            one.flatten() for one in (self.column, self.threshold, self.below, self.above)
        )
        for _ in range(self._depth):
            left = x.gather(1, column[place]) <= threshold[place]
            place = first + torch.where(left, below[place], above[place])
        values = self.value.flatten()[place].unflatten(1, (rounds, each))
        said = self.start.expand(len(z), -1)
        for number in range(rounds):  # one by one: a sum of all may round as the batch lies
            said = said + values[:, number]
        said = said.float()
        return torch.cat([torch.zeros_like(said), said], dim=1) if self._outputs == 2 else said


@dataclass(frozen=True)
class Boosting:
    """Makes the heads of trees that learn from some labelled rows.

    Attributes:
        z: the embeddings of the labelled rows (N, width). skipped: the encoder's columns, before those of the table.
        encoded: their labels. target: what the label is. seed: of boosting.
    """

    z: NDArray[np.float32]
    skipped: int
    encoded: NDArray[Any]
    target: Target
    seed: int

    @classmethod
    def of(
        cls, representation: Representation, z: NDArray[np.float32], encoded: NDArray[Any], target: Target, *, seed: int
    ) -> "Boosting | None":
        """Return the maker of heads on labelled rows; None of what is no table, has no columns, or of many classes."""
        skipped = representation.embedding.vector_block().width
        is_table = representation.preprocess.modality == "table" and skipped < z.shape[1]
        if not is_table or len(target.classes) > MOST_CLASSES:
            return None
        return cls(z, skipped, encoded, target, seed)

    def head(self, places: Rows) -> Trees:
        """Return the head of trees that learn from the labelled rows `places`."""
        x, y = self.z[places, self.skipped :], self.encoded[places]
        numbers, outputs = self.target.task == "numbers", self.target.width
        present = [] if numbers else np.unique(y).astype(int).tolist()
        sizes: dict[str, int] = {"rounds": 1, "nodes": 1, "depth": 0}
        rounds, baseline = [], np.zeros(1)
        if len(present) != 1:
            with threadpool_limits(limits=1), rare_classes():
                fitted = booster(len(y), numbers=numbers, seed=self.seed).fit(x, y if numbers else y.astype(np.int64))
            rounds, baseline = fitted._predictors, np.ravel(fitted._baseline_prediction)
            trees = [tree.nodes for each in rounds for tree in each]
            sizes = {
                "rounds": len(rounds),
                "nodes": max(map(len, trees)),
                "depth": int(max(one["depth"].max() for one in trees)),
            }
        head = Trees(self.z.shape[1], self.skipped, outputs=outputs, **sizes)
        # One of two classes, in a tree of one output, is what the other is not; a class without rows is never meant.
        if outputs > 2:
            head.start.fill_(_NEVER)
            head.start[present] = 0.0
        elif len(present) == 1:
            head.start.fill_(-_NEVER if present[0] else _NEVER)
        places_of = [0] if outputs <= 2 else present if len(present) > 2 else present[1:]
        if rounds:
            head.start[places_of] = torch.from_numpy(baseline.astype(np.float64))
        for number, each in enumerate(rounds):
            for output, tree in zip(places_of, each, strict=True):
                _fill(head, number, output, tree.nodes)
        return head

    @torch.no_grad()
    def read(self, pairs: Sequence[tuple[Rows, Rows]]) -> NDArray[np.float32]:
        """Return the outputs of all held-out rows, each answered by trees of the rows that learn beside it."""
        return np.concatenate([self.head(fit)(torch.from_numpy(self.z[out])).numpy() for fit, out in pairs])


def _fill(head: Trees, number: int, output: int, nodes: NDArray[Any]) -> None:
    """Take over the nodes of a tree of scikit-learn's; leaves lead to themselves."""
    own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
    parts = {
        head.column: np.where(leaf, 0, nodes["feature_idx"]),
        head.threshold: np.where(leaf, 0.0, nodes["num_threshold"]),
        head.below: np.where(leaf, own, nodes["left"]),
        head.above: np.where(leaf, own, nodes["right"]),
        head.value: nodes["value"],
    }
    for buffer, values in parts.items():
        buffer[number, output, : len(nodes)] = torch.from_numpy(np.ascontiguousarray(values)).to(buffer.dtype)
