"""The linear probe on a handful of labels, all draws of them at once."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.features import WHITENED, Features, Form
from isotropy.evaluation.logistic import Fitted, fit_logistic
from isotropy.evaluation.problem import Problem, Rows

STRENGTHS = (0.3, 3.0, 30.0, 300.0)
FOLDS = 3
ONE_FOLD = 200  # rows; from here on one held-out third tells as much as is needed
CHOICE_STEPS, FINAL_STEPS = 25, 100
CHOICE_TOLERANCE, FINAL_TOLERANCE = 2e-3, 5e-4
_MOST_ROTATED = 200  # rows; of more the rotation costs more than it saves


class LinearReading:
    """Logistic regressions of four strengths on some draws of rows (D, n), whose features are in one form.

    Each draw is read about its mean, scaled to a mean square length of 1, at which strengths are told. A small draw is
    given by as few coordinates as it has rows, a large one along the principal axes of all rows.

    Args:
        codes: the classes of the drawn rows, (D, n). classes: how many there are.
    """

    def __init__(self, form: Form, test: Rows, rows: NDArray[np.int64], codes: NDArray[np.int64], classes: int) -> None:
        self.codes, self.classes = torch.from_numpy(codes), classes
        few = rows.shape[1] < min(form.train.shape[1], _MOST_ROTATED)
        x = torch.from_numpy(form.train if few else form.turned)[torch.from_numpy(rows)]
        mean = x.mean(1, keepdim=True)
        x -= mean
        self.scale = (x**2).sum(2).mean(1).clamp(min=1e-12).rsqrt()[:, None, None]
        self.test = torch.from_numpy(form.test[test])
        if few:
            values, vectors = torch.linalg.eigh((x @ x.transpose(1, 2)).double())
            values = values.clamp(min=0)
            there = values > 1e-9 * values[:, -1:].clamp(min=1e-30)
            inverse = torch.where(there, values.clamp(min=1e-30).rsqrt(), 0.0)
            self.axes, self.mean = x.transpose(1, 2) @ (vectors * inverse[:, None]).float(), mean
            x = (vectors * (values * there).sqrt()[:, None]).float()
        else:
            self.axes = form.axes.expand(len(rows), -1, -1)
            self.mean = mean @ form.axes.T
        self.x = x.mul_(self.scale)

    def judged(self, held_out: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the log probability of each drawn row's class from folds that do not hold it, (strengths, D, n).

        Args:
            held_out: which rows each fold holds out, (D, n, folds), each row at most once; of other rows it is 0.
        """
        folds, count = held_out.shape[2], len(STRENGTHS)
        out = torch.from_numpy(held_out)
        of, learnt = _learnt(out)
        x, codes = self.x, self.codes
        fitted = fit_logistic(
            x if of is None else x.gather(1, of[..., None].expand(-1, -1, x.shape[2])),
            codes if of is None else codes.gather(1, of),
            self.classes,
            torch.tensor(STRENGTHS).repeat(folds),
            rows=learnt[..., None].expand(-1, -1, -1, count).flatten(2),
            steps=CHOICE_STEPS,
            tolerance=CHOICE_TOLERANCE,
        )
        log_odds = torch.log_softmax(_logits(x, fitted), dim=-1)  # (D, J, n, K)
        right = log_odds.gather(3, codes[:, None, :, None].expand(-1, log_odds.shape[1], -1, 1))[..., 0]
        right = right.view(len(codes), folds, count, -1) * out.transpose(1, 2)[:, :, None]
        return right.sum(1).transpose(0, 1).numpy()

    def lines(self, strengths: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the weights (D, d, K), of the form's columns, and the intercepts (D, 1, K) of some of `STRENGTHS`."""
        chosen = torch.tensor([STRENGTHS[one] for one in strengths])
        fitted = fit_logistic(self.x, self.codes, self.classes, chosen, steps=FINAL_STEPS, tolerance=FINAL_TOLERANCE)
        for job in range(len(strengths)):
            turned = self.axes @ (fitted.weights[:, job] * self.scale)
            yield turned, fitted.intercepts[:, job, None] - self.mean @ turned

    def predict(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the probabilities of the test rows, (D, M, K), summed with the weights (strengths, D)."""
        used = np.flatnonzero(weights.any(axis=1))
        out = torch.zeros(len(self.x), len(self.test), self.classes)
        if not len(used):
            return out.numpy()
        for (turned, shift), weight in zip(self.lines(used), torch.from_numpy(weights[used]).float(), strict=True):
            out += torch.softmax(self.test @ turned + shift, dim=-1) * weight[:, None, None]
        return out.numpy()


def forms_for(features: Features, rows: int) -> list[Form]:
    """Return the forms in which draws of so many rows are read: whitened where there are more than its columns."""
    return [form for form in features.forms() if form.name != WHITENED or form.train.shape[1] < rows]


def _learnt(held_out: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the rows of each draw that some fold learns from, (D, m), and which each learns from, (D, m, folds).

    None stands for all rows. Draws that learn from fewer rows than others are filled up with rows that do not count.

    Example:
        >>> rows, learnt = _learnt(torch.tensor([[[True], [False], [False]], [[False], [True], [True]]]))
        >>> rows.tolist(), learnt[..., 0].tolist()
        ([[1, 2], [0, 1]], [[True, True], [True, False]])
    """
    if held_out.shape[2] > 1:
        return None, ~held_out
    rows = held_out[..., 0].long().argsort(dim=1, stable=True)[:, : int((~held_out).sum(1).max())]
    return rows, ~held_out.gather(1, rows[..., None])


def _logits(x: Tensor, fitted: Fitted) -> Tensor:
    return torch.einsum("gnd,gjdk->gjnk", x, fitted.weights) + fitted.intercepts[:, :, None]


def held_out(codes: NDArray[np.int64], problem: Problem, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows of each draw (D, n) each fold holds out, (D, n, folds): of many rows one fold.

    Every class is held out in equal parts, a row that is alone in its class never, so that nothing is where all are.
    Where rows have groups, whole groups are held out, unless the draw has too few of them.
    """
    folds = max(1, min(FOLDS, *(int(np.bincount(one).max()) for one in codes)))
    out = np.zeros((*codes.shape, folds), dtype=bool)
    rng = np.random.default_rng(problem.seed)
    for number, one in enumerate(codes):
        order = rng.permutation(len(one))
        order = order[np.argsort(one[order], kind="stable")]
        out[number, order, np.arange(len(one)) % folds] = np.bincount(one)[one[order]] > 1
        if problem.groups is not None:
            whole = _whole_groups(one, problem.groups[rows[number]], folds)
            # Of many rows the first fold is all that is held out: it has some wherever another one has.
            out[number] = np.roll(whole, -whole.any(axis=0).argmax(), axis=1) if whole.any() else out[number]
    return out[:, :, :1] if codes.shape[1] >= ONE_FOLD else out


def _whole_groups(codes: NDArray[np.int64], groups: NDArray[np.int64], folds: int) -> NDArray[np.bool_]:
    """Return which rows of a draw each fold holds out, (n, folds): whole groups, of classes that other folds have."""
    distinct, own = np.unique(groups, return_inverse=True)
    held_out = (own % folds)[:, None] == np.arange(folds)
    for fold in range(folds):
        left = np.bincount(codes[~held_out[:, fold]], minlength=codes.max() + 1)
        held_out[:, fold] &= left[codes] > 0
    return held_out if len(distinct) > 1 else np.zeros_like(held_out)
