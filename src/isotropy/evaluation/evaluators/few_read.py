"""A handful of labels read from features: by the linear probe or, where rows are few, by label propagation."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.baselines.propagation import Propagation
from isotropy.evaluation.evaluators.few_linear import few_linear, held_out_linear
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem, Rows

MOST_ROWS = 3000  # training and test rows; the time to spread to all of them grows with their cube
MOST_LABELS = 200  # drawn; of more the linear probe reads better, and chance alone would choose spreading
_KERNELS: WeakKeyDictionary[Features, tuple[bytes, list[Tensor]]] = WeakKeyDictionary()  # the same for every size


def few_read(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what is read from each draw of `rows` (D, n) of the test rows: (D, M, K), or (D, M) for numbers.

    With up to 3,000 training and test rows in all, a draw of up to 200 labels is read by label propagation instead of
    the linear probe where that gets more of the draw's own labels right, in the same folds. Test rows that no label
    reaches keep the linear answer.
    """
    few = rows.shape[1] <= MOST_LABELS and len(features.train) + len(test) <= MOST_ROWS
    if problem.task == "numbers" or not few:
        return few_linear(features, problem, rows, test)
    out, right, held = held_out_linear(features, problem, rows, test)
    if not held.any():  # one label a class: nothing to choose by
        return out
    best = right.sum((1, 2))
    targets = torch.nn.functional.one_hot(torch.from_numpy(problem.train_y[rows]), len(problem.classes)).float()
    for kernel in _kernels(features, test):
        for draw, target in enumerate(targets):
            places = torch.from_numpy(rows[draw])
            hits = _hits(kernel[places][:, places], target, torch.from_numpy(held[draw]))
            if hits > best[draw]:
                best[draw] = hits
                reached = (kernel[len(features.train) :, places] @ target).numpy()
                total = reached.sum(axis=1, keepdims=True)
                out[draw] = np.where(total > 1e-9, reached / np.maximum(total, 1e-9), out[draw])
    return out


def _kernels(features: Features, test: Rows) -> list[Tensor]:
    """Return what labels give to the other rows, in each form of the features."""
    if _KERNELS.get(features, (b"", []))[0] != test.tobytes():
        _KERNELS[features] = test.tobytes(), [Propagation(form, test).kernel for form in features.forms()]
    return _KERNELS[features][1]


def _hits(among: Tensor, target: Tensor, held: Tensor) -> int:
    """Return how many held-out rows (n, folds) get their class (n, K) from the rows that are not held out."""
    hits = 0
    for fold in held.T:
        found = among[fold] @ (target * ~fold[:, None])
        hits += int(((found.argmax(1) == target[fold].argmax(1)) & (found.sum(1) > 1e-9)).sum())
    return hits
