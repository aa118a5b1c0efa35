"""A head that asks the most similar labelled rows: where the label is not linear in the embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.evaluation.evaluators.knn import NEIGHBOURS, TEMPERATURE, suited
from isotropy.evaluation.features import Features, affine, corners
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.splits import stratified
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.steady import steady_linear
from isotropy.finetuning.target import Target
from isotropy.representation import Representation

NEAREST = "frozen neighbours"
MOST = 10_000  # labelled rows that are asked: a prediction costs as many cosines
_FLOOR = 1e-3  # of the votes, so that a class without one has a logarithm


class Neighbours(nn.Module):
    """The vote of the most similar rows on embeddings (B, width), as the logarithm of its shares, or a mean of numbers.

    Each of the 20 nearest weighs exp(cosine / 0.07), as in `evaluators.knn`. In float32 whatever the encoder
    computes in.

    Args:
        width: of the embedding. inner: of the form in which rows are compared. rows: that are asked.
        classes: how many; 0 where the label is a number.

    Example:
        >>> Neighbours(width=4, inner=2, rows=9, classes=3)(torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    turn: Tensor
    shift: Tensor
    asked: Tensor
    answers: Tensor

    def __init__(self, width: int, inner: int, rows: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("turn", torch.zeros(width, inner))
        self.register_buffer("shift", torch.zeros(inner))
        self.register_buffer("asked", torch.zeros(rows, inner))
        self.register_buffer("answers", torch.zeros(rows, dtype=torch.int64 if classes else torch.float32))

    @property
    def sizes(self) -> dict[str, int]:
        """How many columns are compared, and how many rows are asked."""
        return {"inner": self.turn.shape[1], "rows": len(self.asked)}

    def answers_are_classes(self) -> bool:
        """Return whether every answer is the code of a class, or a number where there are no classes."""
        return not self.classes or bool(((self.answers >= 0) & (self.answers < self.classes)).all())

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs (B, classes or 1)."""
        with torch.autocast(z.device.type, enabled=False):
            cosine = steady_linear(F.normalize(steady_linear(z.float(), self.turn.T, self.shift), dim=1), self.asked)
            near = cosine.topk(min(NEIGHBOURS, len(self.asked)), dim=1)
            weight = torch.softmax(near.values / TEMPERATURE, dim=1)
            said = self.answers[near.indices]
            if not self.classes:
                return (weight * said).sum(dim=1, keepdim=True)
            votes = torch.zeros(len(z), self.classes, device=z.device).scatter_add(1, said, weight)
            return votes.clamp(min=_FLOOR).log()


@dataclass(frozen=True)
class Nearest:
    """Makes the heads that ask some labelled rows, in the form that suits all of them: chosen once, which favours it.

    Attributes:
        z: the embeddings of the labelled rows (N, width). encoded: their labels. target: what the label is.
        turn, shift: the form as an affine map of the embedding.
    """

    z: NDArray[np.float32]
    encoded: NDArray[Any]
    target: Target
    turn: NDArray[np.float32]
    shift: NDArray[np.float32]
    seed: int

    @classmethod
    def of(
        cls, representation: Representation, z: NDArray[np.float32], encoded: NDArray[Any], target: Target, *,
        seed: int = 0, groups: Rows | None = None,
    ) -> "Nearest":  # fmt: skip
        """Return the maker of heads on labelled rows; with `groups` (N,) the form is chosen by rows of other groups."""
        some = _asked(np.arange(len(z)), encoded, target, seed)
        problem = Problem(
            target.task, encoded[some], encoded[:0], target.classes, seed=seed,
            groups=None if groups is None else groups[some], metrics=(target.leading(encoded[some]),),
        )  # fmt: skip
        rows = corners(z[some])
        form, _ = suited(Features(z[some], rows, parts=representation.embedding.parts), problem)
        turn, shift = affine(form.test, rows)
        shift = shift - rows[0] @ turn
        return cls(z, encoded, target, turn.astype(np.float32), shift.astype(np.float32), seed)

    def head(self, places: Rows) -> Neighbours:
        """Return the head that asks the labelled rows `places`, at most 10,000 of them."""
        places = _asked(places, self.encoded, self.target, self.seed)
        width, inner = self.turn.shape
        head = Neighbours(width, inner, len(places), len(self.target.classes))
        head.turn.copy_(torch.from_numpy(self.turn))
        head.shift.copy_(torch.from_numpy(self.shift))
        head.asked.copy_(F.normalize(torch.from_numpy(self.z[places] @ self.turn + self.shift), dim=1))
        head.answers.copy_(self.target.tensor(self.encoded[places]))
        return head

    @torch.no_grad()
    def read(self, pairs: Sequence[tuple[Rows, Rows]]) -> NDArray[np.float32]:
        """Return the outputs of all held-out rows, each answered by the rows that learn beside it."""
        return np.concatenate([self.head(fit)(torch.from_numpy(self.z[out])).numpy() for fit, out in pairs])


def _asked(places: Rows, encoded: NDArray[Any], target: Target, seed: int) -> Rows:
    if len(places) <= MOST:
        return places
    codes = encoded[places] if target.task == "classes" else np.zeros(len(places), dtype=np.int64)
    return places[stratified(codes, MOST, seed=seed)]


def clearly_better(
    outputs: NDArray[np.float32], others: NDArray[np.float32], encoded: NDArray[Any], *, task: str, even: bool
) -> bool:
    """Return whether outputs are right more often than others, or nearer, by more than a standard error.

    Args:
        outputs, others: (N, K) of the same held-out rows. encoded: their labels (N,).
        even: whether every class counts the same, however many rows it has.

    Example:
        >>> right, wrong = np.tile([0.0, 1.0], (50, 1)), np.tile([1.0, 0.0], (50, 1))
        >>> clearly_better(right, wrong, np.ones(50, dtype=int), task="classes", even=False)
        True
    """
    if task == "numbers":
        truth = encoded.astype(np.float64)
        gain = (others[:, 0] - truth) ** 2 - (outputs[:, 0] - truth) ** 2
    else:
        codes = encoded.astype(np.int64)
        gain = (outputs.argmax(axis=1) == codes).astype(np.float64) - (others.argmax(axis=1) == codes)
        if even:
            gain = gain / np.bincount(codes)[codes]
    return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))
