"""Readers of one row, averaged: what the fine-tuned network, the frozen probe and frozen neighbours say together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor, nn

from isotropy.evaluation.task import Task

MIXTURE = "average"
_EQUAL_ROWS = 0.03  # of the held-out rows as many more, for classes, each of which counts all readers equally
_EQUAL_PULL = 0.01  # of the variance of numbers, for as many held-out rows
_STEPS = 200
_EXACT = 1e3  # weight of the rule that shares add up to 1
_LEAST = 1e-12

Floats = NDArray[np.float64]


def shares_of(task: Task, outputs: Sequence[NDArray[np.float32]], encoded: NDArray[Any]) -> Floats:
    """Return what each of R readers counts for, (R,), adding up to 1.

    They make the average most likely on the held-out rows, or nearest to them, drawn a little towards equal shares: the
    network's best round was chosen by these rows, which flatters it, and equal shares are hard to beat where rows are
    few. A reader that is not better by a standard error than guessing, by how frequent classes are or the mean, counts
    for nothing, unless none is.

    Args:
        task: of the label. outputs: calibrated logits or numbers (N, K) of the held-out rows, of each reader.
        encoded: their labels (N,).

    Source: stacking, Wolpert 1992; of probabilities Yao, Vehtari, Simpson and Gelman 2018 (Using Stacking to Average
    Bayesian Predictive Distributions, arXiv 1704.02030), section 2.2; equal shares, Claeskens et al. 2016 (The forecast
    combination puzzle).

    Example:
        >>> right = np.tile(np.float32([[3, 0], [0, 3]]), (20, 1))
        >>> shares_of("classes", [right, right, -right], np.arange(40) % 2).tolist()
        [0.5, 0.5, 0.0]
    """
    guess, *found = _losses(task, outputs, encoded)
    gains = [guess - one for one in found]
    counts = np.array([one.mean() > one.std() / np.sqrt(len(one)) for one in gains])
    if not counts.any():
        counts[:] = True
    some = [one for one, count in zip(outputs, counts, strict=True) if count]
    shares = np.zeros(len(outputs))
    stacked = _stacked_numbers(some, encoded) if task == "numbers" else _stacked_classes(some, encoded)
    shares[counts] = stacked
    return shares


def _losses(task: Task, outputs: Sequence[NDArray[np.float32]], encoded: NDArray[Any]) -> list[Floats]:
    """Return the loss of each held-out row by guessing, then of each reader: in nats, or squared errors."""
    if task == "numbers":
        truth = encoded.astype(np.float64)
        return [(one - truth) ** 2 for one in (np.full(len(truth), truth.mean()), *(each[:, 0] for each in outputs))]
    codes = encoded.astype(np.int64)
    share = (np.bincount(codes) / len(codes))[codes]
    return [-np.log(one) for one in (share, *(_likely(each, encoded) for each in outputs))]


def _likely(outputs: NDArray[np.float32], encoded: NDArray[Any]) -> Floats:
    """Return the probability of each row's class, (N,)."""
    codes = torch.from_numpy(encoded.astype(np.int64))[:, None]
    chance = torch.softmax(torch.from_numpy(outputs).double(), dim=1).gather(1, codes)[:, 0]
    return np.maximum(chance.numpy(), _LEAST)


def _stacked_classes(outputs: Sequence[NDArray[np.float32]], encoded: NDArray[Any]) -> Floats:
    """Climb by expectation and maximisation, which keeps shares between 0 and 1; the function is concave."""
    likely = np.stack([_likely(one, encoded) for one in outputs])
    shares = equal = np.full(len(outputs), 1 / len(outputs))
    for _ in range(_STEPS):
        shares = shares * (likely / (shares @ likely)).mean(axis=1) + _EQUAL_ROWS * equal
        shares = shares / shares.sum()
    return shares


def _stacked_numbers(outputs: Sequence[NDArray[np.float32]], encoded: NDArray[Any]) -> Floats:
    """Solve least squares with shares from 0 on: of the rows, of a pull to equal shares, and of what they add up to."""
    said, truth = np.stack([one[:, 0] for one in outputs], axis=1).astype(np.float64), encoded.astype(np.float64)
    count = len(outputs)
    pull = np.sqrt(_EQUAL_PULL * len(truth) * truth.var())
    weight = _EXACT * max(float(np.sqrt((said**2).sum())), _LEAST)
    rows = np.vstack([said, pull * np.eye(count), np.full((1, count), weight)])
    found: Floats = nnls(rows, np.concatenate([truth, np.full(count, pull / count), [weight]]))[0]
    return found / found.sum()


def mean_of(task: str, outputs: Sequence[Tensor], shares: Sequence[float] | Tensor) -> Tensor:
    """Return the logarithm of the mean of probabilities, or the mean of numbers, (B, K), as the shares say.

    Example:
        >>> one, other = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()
        >>> mean_of("classes", [one, other], [0.5, 0.5]).exp()
        tensor([[0.7000, 0.3000]])
    """
    said = torch.stack(list(outputs))
    counts = torch.as_tensor(shares, dtype=said.dtype, device=said.device)[:, None, None]
    if task == "numbers":
        return (counts * said).sum(dim=0)
    return (torch.log_softmax(said, dim=2) + counts.log()).logsumexp(dim=0)


class Several(nn.Module):
    """Readers of embeddings (B, width), averaged.

    Args:
        readers: by name, all of classes or all of numbers. task: which of the two.
        shares: what each counts for. heats: the temperature of each.

    Example:
        >>> Several({"one": nn.Linear(4, 3), "other": nn.Linear(4, 3)}, "classes")(torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    shares: Tensor
    heats: Tensor

    def __init__(
        self, readers: Mapping[str, nn.Module], task: str, *, shares: Sequence[float] = (), heats: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self.readers, self._task = nn.ModuleDict(readers), task
        self.register_buffer("shares", torch.tensor(shares or [1 / len(readers)] * len(readers)))
        self.register_buffer("heats", torch.tensor(heats or [1.0] * len(readers)))

    def counts(self) -> bool:
        """Return whether every reader counts for something, at a temperature above 0."""
        return bool((self.shares > 0).all() and (self.heats > 0).all())

    def forward(self, z: Tensor) -> Tensor:
        """Return the outputs (B, classes or 1)."""
        with torch.autocast(z.device.type, enabled=False):
            said = [head(z) / heat for head, heat in zip(self.readers.values(), self.heats, strict=True)]
            return mean_of(self._task, said, self.shares)
