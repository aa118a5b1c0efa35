"""The linear probe on a handful of labels, all draws of them at once."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.features import Features, Form
from isotropy.evaluation.logistic import Fitted, fit_logistic
from isotropy.evaluation.problem import Problem, Rows

STRENGTHS = (3.0, 30.0)  # tried in every form; in the better form then .3 or 300, beyond the better of them
UNCHOSEN = 3.0
ALPHAS = tuple(10.0**power for power in range(-3, 4))
FOLDS = 3
ONE_FOLD = 200  # rows; from here on one held-out third tells as much as is needed
CHOICE_STEPS, FINAL_STEPS = 25, 100
CHOICE_TOLERANCE, FINAL_TOLERANCE = 2e-3, 5e-4
_MOST_ROTATED = 200  # rows; of more the rotation costs more than it saves
_CELLS = 1 << 23  # of more draws at once, memory comes from the system anew for every step


def few_linear(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what a linear probe on each draw of `rows` (D, n) predicts of the test rows: (D, M, K), or (D, M).

    See `held_out_linear` for classes; numbers are read by ridge regression.
    """
    if problem.task == "numbers":
        return np.stack([_ridge(features, problem, draw, test) for draw in rows])
    return held_out_linear(features, problem, rows, test)[0]


def held_out_linear(
    features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Return probabilities (D, M, K), which drawn rows were held out right (D, n, folds), and which were held out.

    Every draw chooses its form of the features and its strength by cross-validation among its own labels, without those
    that are alone in their class: two strengths in every form, then one beyond the better of them. With one label a
    class there is nothing to choose by, and the features are read as they are, at a strength of 3.
    """
    codes = problem.train_y[rows]
    classes = len(problem.classes)
    most = min(int(np.bincount(one).max()) for one in codes)
    forms = [features.as_is] if most < 2 else list(features.forms())
    out = np.empty((len(rows), len(test), classes), dtype=np.float32)
    right, held = np.zeros((2, len(rows), rows.shape[1], FOLDS), dtype=bool)
    step = max(1, _CELLS // (rows.shape[1] * max(features.width, classes * len(STRENGTHS) * FOLDS)))
    for start in range(0, len(rows), step):
        piece = slice(start, min(start + step, len(rows)))
        target = torch.from_numpy(codes[piece])
        spaces = [_Space(form, test, rows[piece]) for form in forms]
        if most < 2:
            chosen = [torch.zeros(len(target), dtype=torch.long), torch.full((len(target),), UNCHOSEN)]
        else:
            held_out = _held_out(codes[piece], min(FOLDS, most), problem, rows[piece])
            *chosen, hits = _chosen(spaces, target, classes, held_out)
            folds = held_out.shape[2]
            right[piece, :, :folds], held[piece, :, :folds] = hits.transpose(1, 2).numpy(), held_out.numpy()
        for number, space in enumerate(spaces):
            takers = (chosen[0] == number).nonzero()[:, 0]
            if len(takers):
                out[start + takers.numpy()] = space.predict(takers, target[takers], classes, chosen[1][takers])
    return out, right, held


def _chosen(spaces: list["_Space"], codes: Tensor, classes: int, held_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the form and the strength (D,) that lose least on each draw's held-out rows, and hits (D, folds, n)."""
    every, tried = torch.arange(len(codes)), torch.tensor(STRENGTHS)
    found = [space.losses(every, codes, classes, tried.expand(len(codes), -1), held_out) for space in spaces]
    losses = torch.stack([loss for loss, _ in found], dim=1).flatten(1)
    hits = torch.stack([hit for _, hit in found], dim=1).flatten(1, 2)
    loss, best = losses.min(1)
    form, place, hits = best // len(tried), best % len(tried), hits[every, best]
    strength = tried[place]
    beyond = strength**2 / tried.flip(0)[place]
    for number, space in enumerate(spaces):
        takers = (form == number).nonzero()[:, 0]
        if len(takers):
            further, hit = space.losses(takers, codes[takers], classes, beyond[takers, None], held_out[takers])
            better = further[:, 0] < loss[takers]
            strength[takers[better]], hits[takers[better]] = beyond[takers[better]], hit[better, 0]
    return form, strength, hits


class _Space:
    """The features of each draw about their mean, of mean square length 1.

    A small draw is given by as few coordinates as it has rows, a large one along the principal axes of all rows.
    """

    def __init__(self, form: Form, test: Rows, rows: NDArray[np.int64]) -> None:
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

    def losses(
        self, takers: Tensor, codes: Tensor, classes: int, strengths: Tensor, held_out: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the cross entropy of the draws `takers` on their held-out rows, (D, S), and hits (D, S, folds, n).

        Args:
            strengths: (D, S). codes, held_out: of these draws.
        """
        folds, count = held_out.shape[2], strengths.shape[1]
        x = self.x if len(takers) == len(self.x) else self.x[takers]
        of, learnt = _learnt(held_out)
        fitted = fit_logistic(
            x if of is None else x.gather(1, of[..., None].expand(-1, -1, x.shape[2])),
            codes if of is None else codes.gather(1, of),
            classes,
            strengths.repeat(1, folds),
            rows=learnt[..., None].expand(-1, -1, -1, count).flatten(2),
            steps=CHOICE_STEPS,
            tolerance=CHOICE_TOLERANCE,
        )
        log_odds = torch.log_softmax(_logits(x, fitted), dim=-1)  # (D, J, n, K)
        hits = (log_odds.argmax(3) == codes[:, None]).view(len(codes), folds, count, -1)
        right = log_odds.gather(3, codes[:, None, :, None].expand(-1, log_odds.shape[1], -1, 1))[..., 0]
        right = right.view(len(codes), folds, count, -1)
        out = held_out.transpose(1, 2)[:, :, None]
        losses = -(right * out).sum((1, 3)) / out.sum((1, 3))
        return losses, hits.transpose(1, 2) & out.transpose(1, 2)

    def predict(self, takers: Tensor, codes: Tensor, classes: int, strength: Tensor) -> NDArray[Any]:
        """Return the probabilities of the test rows (D, M, K) from the draws `takers`, fitted to all their rows."""
        fitted = fit_logistic(
            self.x[takers], codes, classes, strength[:, None], steps=FINAL_STEPS, tolerance=FINAL_TOLERANCE
        )
        weights = self.axes[takers] @ (fitted.weights[:, 0] * self.scale[takers])
        shift = fitted.intercepts - self.mean[takers] @ weights
        return torch.softmax(self.test @ weights + shift, dim=-1).numpy()


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


def _held_out(codes: NDArray[np.int64], folds: int, problem: Problem, rows: NDArray[np.int64]) -> Tensor:
    """Return which rows each fold holds out, (D, n, folds), every class in equal parts; of many rows one fold.

    A row that is alone in its class is never held out. Where rows have groups, whole groups are held out, unless the
    draw has too few of them.
    """
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
    return torch.from_numpy(out[:, :, :1] if codes.shape[1] >= ONE_FOLD else out)


def _whole_groups(codes: NDArray[np.int64], groups: NDArray[np.int64], folds: int) -> NDArray[np.bool_]:
    """Return which rows of a draw each fold holds out, (n, folds): whole groups, of classes that other folds have."""
    distinct, own = np.unique(groups, return_inverse=True)
    held_out = (own % folds)[:, None] == np.arange(folds)
    for fold in range(folds):
        left = np.bincount(codes[~held_out[:, fold]], minlength=codes.max() + 1)
        held_out[:, fold] &= left[codes] > 0
    return held_out if len(distinct) > 1 else np.zeros_like(held_out)


def _ridge(features: Features, problem: Problem, rows: Rows, test: Rows) -> NDArray[np.float64]:
    """Return the numbers that ridge regression predicts; form and strength by leaving out rows, or whole groups."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    best, predicted, divided = -np.inf, np.empty(0), {}
    groups = np.arange(len(rows)) if problem.groups is None else np.unique(problem.groups[rows], return_inverse=True)[1]
    if 1 < groups.max() + 1 < len(rows):
        divided = {"cv": PredefinedSplit(groups % FOLDS), "scoring": "neg_mean_squared_error"}
    for form in features.forms():
        x = form.train[rows].astype(np.float64)
        scale = 1 / np.sqrt(max(float((x - x.mean(0)).var(axis=0).sum()), 1e-12))
        search = RidgeCV(alphas=ALPHAS, **divided).fit(x * scale, problem.train_y[rows])
        if search.best_score_ > best:
            best, predicted = search.best_score_, search.predict(form.test[test] * scale)
    return predicted
