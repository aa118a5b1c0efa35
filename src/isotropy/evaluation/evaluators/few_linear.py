"""The linear probe on a handful of labels, all draws of them at once."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.evaluation.features import Features
from isotropy.evaluation.logistic import Fitted, fit_logistic
from isotropy.evaluation.problem import Problem, Rows

STRENGTHS = (0.3, 3.0, 30.0, 300.0)
UNCHOSEN = 3.0
ALPHAS = tuple(10.0**power for power in range(-3, 4))
FOLDS = 3
ONE_FOLD = 200  # rows; from here on one held-out third tells as much as is needed
CHOICE_STEPS, FINAL_STEPS = 25, 100
_MOST_ROTATED = 200  # rows; of more the rotation costs more than it saves
_CELLS = 1 << 25


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
    that are alone in their class; with one label a class there is nothing to choose by, and the features are
    standardised.
    """
    codes = problem.train_y[rows]
    classes = len(problem.classes)
    most = min(int(np.bincount(one).max()) for one in codes)
    forms = [features.as_is] if most < 2 else list(features.forms())
    strengths = torch.tensor(STRENGTHS)
    out = np.empty((len(rows), len(test), classes), dtype=np.float32)
    right, held = np.zeros((2, len(rows), rows.shape[1], FOLDS), dtype=bool)
    step = max(1, _CELLS // (rows.shape[1] * classes * len(STRENGTHS) * FOLDS))
    for start in range(0, len(rows), step):
        piece = slice(start, min(start + step, len(rows)))
        target = torch.from_numpy(codes[piece])
        spaces = [_Space(form.train, form.test[test], rows[piece]) for form in forms]
        if most < 2:
            chosen = np.zeros(len(target), dtype=int), torch.full((len(target),), UNCHOSEN)
        else:
            held_out = _held_out(codes[piece], min(FOLDS, most), problem, rows[piece])
            found = [space.losses(target, classes, strengths, held_out) for space in spaces]
            best = torch.stack([losses for losses, _ in found], dim=1).flatten(1).argmin(1)
            hits = torch.stack([hit for _, hit in found], dim=1).flatten(1, 2)[torch.arange(len(best)), best]
            folds = held_out.shape[2]
            right[piece, :, :folds], held[piece, :, :folds] = hits.transpose(1, 2).numpy(), held_out.numpy()
            chosen = (best // len(strengths)).numpy(), strengths[best % len(strengths)]
        for number, space in enumerate(spaces):
            takers = np.flatnonzero(chosen[0] == number)
            if len(takers):
                out[start + takers] = space.predict(takers, target[takers], classes, chosen[1][takers])
    return out, right, held


class _Space:
    """The features of each draw about their mean, of mean square length 1, in as few coordinates as it has rows."""

    def __init__(self, train: NDArray[np.float32], test: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        x = torch.from_numpy(train)[torch.from_numpy(rows)]
        self.test, self.mean = torch.from_numpy(test), x.mean(1, keepdim=True)
        x = x - self.mean
        self.scale = (x**2).sum(2).mean(1).clamp(min=1e-12).rsqrt()[:, None, None]
        self.axes: Tensor | None = None
        if x.shape[1] < min(x.shape[2], _MOST_ROTATED):
            values, vectors = torch.linalg.eigh((x @ x.transpose(1, 2)).double())
            values = values.clamp(min=0)
            there = values > 1e-9 * values[:, -1:].clamp(min=1e-30)
            inverse = torch.where(there, values.clamp(min=1e-30).rsqrt(), 0.0)
            self.axes = x.transpose(1, 2) @ (vectors * inverse[:, None]).float()
            x = (vectors * (values * there).sqrt()[:, None]).float()
        self.x = x * self.scale

    def losses(self, codes: Tensor, classes: int, strengths: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cross entropy on held-out rows of each draw and strength, (D, S), and hits (D, S, folds, n)."""
        folds = held_out.shape[2]
        learnt = (~held_out)[..., None].expand(-1, -1, -1, len(strengths)).flatten(2)
        fitted = fit_logistic(
            self.x, codes, classes, strengths.repeat(folds), rows=learnt, steps=CHOICE_STEPS, tolerance=3e-3
        )
        log_odds = torch.log_softmax(_logits(self.x, fitted), dim=-1)  # (D, J, n, K)
        hits = (log_odds.argmax(3) == codes[:, None]).view(len(codes), folds, len(strengths), -1)
        right = log_odds.gather(3, codes[:, None, :, None].expand(-1, log_odds.shape[1], -1, 1))[..., 0]
        right = right.view(len(codes), folds, len(strengths), -1)
        out = held_out.transpose(1, 2)[:, :, None]
        losses = -(right * out).sum((1, 3)) / out.sum((1, 3))
        return losses, hits.transpose(1, 2) & out.transpose(1, 2)

    def predict(self, takers: NDArray[np.int64], codes: Tensor, classes: int, strength: Tensor) -> NDArray[Any]:
        """Return the probabilities of the test rows (D, M, K) from the draws `takers`, fitted to all their rows."""
        fitted = fit_logistic(self.x[takers], codes, classes, strength[:, None], steps=FINAL_STEPS, tolerance=1e-3)
        weights = fitted.weights[:, 0] * self.scale[takers]
        if self.axes is not None:
            weights = self.axes[takers] @ weights
        shift = fitted.intercepts - self.mean[takers] @ weights
        return torch.softmax(self.test @ weights + shift, dim=-1).numpy()


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
            out[number] = whole if whole[:, 0].any() else out[number]
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
