"""Rows that are held out of fine-tuning: by them the epoch is chosen, and whether to fine-tune at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from isotropy.batch import spread_out
from isotropy.evaluation.averaging import average_weights
from isotropy.evaluation.splits import split
from isotropy.evaluation.task import Task

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
_TEMPERATURE_ROWS = 5000
_COLDEST, _HOTTEST = 0.05, 20.0
_SURE = 0.95
_LEAST_VARIANCE = 1e-12


def parts(
    encoded: NDArray[Any],
    task: Task,
    fraction: float = 0.15,
    folds: int = 5,
    *,
    few: int = 1000,
    seed: int = 0,
    groups: Rows | None = None,
) -> list[tuple[Rows, Rows]]:
    """Return rows to learn from and rows held out, in sorted numbers: one such pair, of few rows one per fold.

    From `few` rows on `fraction` of them is held out, in each class, or whole groups. Of fewer rows each is held out
    once, in at most `folds` folds; one that is alone in its class never is. No pair: nothing to choose by.

    Example:
        >>> [len(out) for _, out in parts(np.arange(25) % 2, "classes")]
        [5, 5, 5, 5, 5]
    """
    count = len(encoded)
    number = count if groups is None else int(groups.max()) + 1
    if number < 2:
        return []
    if count >= few and number >= 2 * folds:
        return [split(encoded, test=fraction, seed=seed, groups=groups, task=task)]
    fold = _folds(encoded, task, min(folds, number), seed, groups)
    pairs = [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(folds)]
    return [(fit, out) for fit, out in pairs if len(out) and len(fit) > 1]


def _folds(encoded: NDArray[Any], task: Task, folds: int, seed: int, groups: Rows | None) -> Rows:
    """Return the fold of each row, -1 for one that is never held out."""
    random = np.random.default_rng(seed)
    if groups is not None:
        order = random.permutation(int(groups.max()) + 1)
        return (np.argsort(order) % folds)[groups]
    order = random.permutation(len(encoded))
    if task == "classes":
        order = order[np.argsort(encoded[order], kind="stable")]
    fold = np.empty(len(encoded), dtype=np.int64)
    fold[order] = np.arange(len(encoded)) % folds
    if task == "classes":
        codes = np.unique(encoded, return_inverse=True)[1]
        fold[np.bincount(codes)[codes] < 2] = -1
    return fold


def temperature(logits: NDArray[np.float32], codes: Rows) -> float:
    """Return the number by which logits (N, K) are divided so that their probabilities fit the classes (N,) best.

    In [0.05, 20], on at most 5,000 rows. Of N rows each is counted as wrong by 1 / (N + 2), as the next one may be
    where all were right: a few rows that are right would otherwise make every probability 0 or 1.

    Source: Guo et al. 2017 (On Calibration of Modern Neural Networks), section 4.2; softened targets: Platt 1999
    (Probabilistic Outputs for Support Vector Machines), section 2.2.

    Example:
        >>> logits = np.repeat(np.array([[0.0, 8.0]], dtype=np.float32), 10, axis=0)
        >>> 4 < temperature(logits, np.array([1] * 8 + [0] * 2)) < 8
        True
        >>> heat = temperature(logits, np.ones(10, dtype=np.int64))
        >>> round(float(torch.softmax(torch.tensor([0.0, 8.0]) / heat, 0)[1]), 2)
        0.92
    """
    return _fitted(logits, codes, wrong=1 / (min(len(codes), _TEMPERATURE_ROWS) + 2))


def _fitted(logits: NDArray[np.float32], codes: Rows, *, wrong: float) -> float:
    """Return the temperature at which a row's class has the probability 1 - wrong, and the others share the rest."""
    some = spread_out(len(codes), _TEMPERATURE_ROWS)
    x, y = torch.from_numpy(logits[some]).double(), torch.from_numpy(codes[some])
    more = logits.shape[1] - 1  # classes beside a row's own

    def loss(log: float) -> float:
        scaled = x * float(np.exp(-log))
        right = torch.nn.functional.cross_entropy(scaled, y)
        others = (scaled.logsumexp(1) - (scaled.sum(1) - scaled.gather(1, y[:, None])[:, 0]) / more).mean()
        return float((1 - wrong) * right + wrong * others)

    found = minimize_scalar(
        loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded", options={"xatol": 0.01}
    )
    return float(np.exp(found.x))


def losses(task: Task, outputs: NDArray[np.float32], encoded: NDArray[Any]) -> Floats:
    """Return the loss of each held-out row, (N,): cross entropy at the best temperature, or squared error."""
    if task == "numbers":
        return np.asarray((outputs[:, 0] - encoded.astype(np.float64)) ** 2)
    codes = encoded.astype(np.int64)
    x = torch.from_numpy(outputs).double() / _fitted(outputs, codes, wrong=0.0)
    return torch.nn.functional.cross_entropy(x, torch.from_numpy(codes), reduction="none").numpy()


@dataclass(frozen=True)
class Choice:
    """Which round of fine-tuning was best on held-out rows; round 0 is what reads the frozen embedding.

    Attributes:
        round: the one to take. curve: the mean loss after each round, from 0 on.
    """

    round: int
    curve: tuple[float, ...]


def choose_of_few(task: Task, rounds: Sequence[NDArray[np.float32]], encoded: NDArray[Any]) -> Choice:
    """Return the round of lowest loss if it counts for 95 % beside round 0 in an average of the two, or 0.

    A standard error of a few held-out rows is no reason to leave an average of readings: rounds that are a little
    better in each of ten rows are mostly the ones that fit these rows. Numbers are as probable as a Gaussian makes them
    whose variance is that of all held-out rows.

    Args:
        task: of the label. rounds: outputs (N, K) of the held-out rows after each round, from 0 on.
        encoded: their labels (N,).

    Source: pseudo-BMA+, see `average_weights`.

    Example:
        >>> rounds = [np.full((50, 1), value, dtype=np.float32) for value in (1.0, 0.5)]
        >>> choose_of_few("numbers", rounds, np.zeros(50)).round
        1
    """
    found = np.stack([losses(task, outputs, encoded) for outputs in rounds])
    curve = found.mean(axis=1)
    best = int(np.argmin(curve[1:])) + 1 if len(curve) > 1 else 0
    chance = -found[[0, best]]
    if task == "numbers":
        variance = np.maximum(curve[[0, best], None], _LEAST_VARIANCE)
        chance = 0.5 * (chance / variance - np.log(variance))
    share = average_weights(chance[:, None], np.ones((1, len(encoded)), dtype=bool))[1, 0]
    return Choice(best if share > _SURE else 0, tuple(curve.tolist()))
