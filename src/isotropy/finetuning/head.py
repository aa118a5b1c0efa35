"""The head of a fine-tuned network: linear, and at the beginning the linear probe itself."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.evaluation.evaluators.few_numbers import few_numbers
from isotropy.evaluation.evaluators.linear import LinearModel, fit_linear
from isotropy.evaluation.features import Features, affine, corners
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.splits import stratified
from isotropy.finetuning.average import Average
from isotropy.finetuning.mixture import Several
from isotropy.finetuning.neighbours import Neighbours
from isotropy.finetuning.steady import steady_linear
from isotropy.finetuning.target import Target
from isotropy.finetuning.trees import Trees

PROBE_ROWS = 20_000  # that the probe learns from: of more a head learns the rest in its first pass
_FLOOR = 0.1  # of the root mean square of the columns' deviations: a column that hardly varies may begin to


class Head(nn.Module):
    """A linear layer on embeddings (B, width) that are standardised by what they were before fine-tuning.

    In float32 whatever the encoder computes in. `dropout` is the fraction of units that it does not see in training.

    Example:
        >>> Head(4, 3, dropout=0.5).eval()(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, outputs: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(width, outputs)

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs (B, outputs)."""
        with torch.autocast(z.device.type, enabled=False):
            z = self.drop((z.float() - self.mean) * self.scale)
            return steady_linear(z, self.linear.weight, self.linear.bias)

    @classmethod
    def probe(
        cls, z: NDArray[np.float32], encoded: NDArray[Any], target: Target, *, dropout: float = 0.0,
        like: LinearModel | None = None,
    ) -> "Head":  # fmt: skip
        """Return the head that is the linear probe on embeddings z (N, width) of rows with labels (N,).

        Args:
            encoded: the labels, as `target` encodes them. dropout: of the head, in training.
            like: a model whose form and strength are taken over; by default they are chosen by cross-validation.
        """
        rows = corners(z)
        model = linear_model(z, encoded, target, rows, like=like)
        outputs = model.form.test.astype(np.float64) @ model.weights.reshape(model.weights.shape[0], -1)
        return cls.of_map(outputs + model.intercepts, rows, z, dropout=dropout)

    @classmethod
    def averaged(
        cls, z: NDArray[np.float32], encoded: NDArray[Any], *, dropout: float = 0.0,
        groups: NDArray[np.int64] | None = None,
    ) -> "Head":  # fmt: skip
        """Return the head that is the average of ridge regressions of few numbers (N,), as few-label curves read them.

        Args:
            groups: (N,): regressions are judged by rows of other groups.
        """
        rows = corners(z)
        problem = Problem("numbers", encoded, encoded[:0], groups=groups, metrics=("R2",))
        (found,) = few_numbers(Features(z, rows), problem, np.arange(len(z))[None], np.arange(len(rows)))
        return cls.of_map(found[:, None], rows, z, dropout=dropout)

    @classmethod
    def of_map(
        cls, outputs: NDArray[np.float64], rows: NDArray[np.float32], z: NDArray[np.float32], *, dropout: float = 0.0
    ) -> "Head":
        """Return the head that has these outputs (1 + width, K) of `corners`; it standardises as z (N, width) says."""
        weights, offset = affine(outputs, rows)
        mean, spread = z.mean(axis=0, dtype=np.float64), z.std(axis=0, dtype=np.float64)
        spread = np.maximum(spread, max(_FLOOR * float(np.sqrt((spread**2).mean())), 1e-6))
        head = cls(z.shape[1], weights.shape[1], dropout=dropout)
        with torch.no_grad():
            head.mean.copy_(torch.from_numpy(mean))
            head.scale.copy_(torch.from_numpy(1 / spread))
            head.linear.weight.copy_(torch.from_numpy((weights * spread[:, None]).T))
            head.linear.bias.copy_(torch.from_numpy(offset + (mean - rows[0]) @ weights))
        return head


def linear_model(
    z: NDArray[np.float32], encoded: NDArray[Any], target: Target, test: NDArray[np.float32], *,
    seed: int = 0, groups: NDArray[np.int64] | None = None, like: LinearModel | None = None,
) -> LinearModel:  # fmt: skip
    """Return the linear probe on embeddings z (N, width), learnt from at most 20,000 rows.

    Form and strength are those of `like`, or chosen as `evaluators.linear` does, by the log loss or R2, in
    cross-validation among rows of other groups where there are `groups` (N,).
    """
    rows = np.arange(len(z))
    if len(rows) > PROBE_ROWS:
        codes = encoded if target.task == "classes" else np.zeros(len(rows), dtype=np.int64)
        rows = stratified(codes, PROBE_ROWS, seed=seed)
    problem = Problem(
        target.task, encoded[rows], encoded[:0], target.classes, seed=seed,
        groups=None if groups is None else groups[rows],
        metrics=("R2",) if target.task == "numbers" else ("log loss",),
    )  # fmt: skip
    return fit_linear(Features(z[rows], test), problem, like)


Reader = Head | Neighbours | Trees | Several | Average  # of an embedding


class Network(nn.Module):
    """An encoder and the head on what the embedding makes of its vectors: from inputs to outputs (B, outputs).

    Args:
        encoder: the network below. head: what reads the embedding.
        block: makes the embedding's first columns of the encoder's vectors; by default they are these.
    """

    def __init__(self, encoder: nn.Module, head: Reader, block: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder, self.block, self.head = encoder, nn.Identity() if block is None else block, head

    def forward(self, x: Any, beside: Tensor | None = None) -> Tensor:
        """Return the outputs for inputs, and what else the embedding has of them, (B, columns), if anything."""
        return self.read(self.block(self.encoder(x)), beside)

    def read(self, z: Tensor, beside: Tensor | None = None) -> Tensor:
        """Return the outputs for the embedding's first columns (B, width) and what else it has."""
        outputs: Tensor = self.head(z if beside is None else torch.cat([z.float(), beside], dim=1))
        return outputs

    @property
    def convolutional(self) -> bool:
        """Whether the encoder has convolutions or attention."""
        return bool(getattr(self.encoder, "convolutional", False))
