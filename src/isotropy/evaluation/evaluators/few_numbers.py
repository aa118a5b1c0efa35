"""Numbers read from a handful of labels: by ridge regressions, each of which counts as rows that are left out say."""

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.averaging import average_weights
from isotropy.evaluation.evaluators.few_linear import FOLDS, forms_for
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem, Rows

ALPHAS = 10.0 ** np.arange(-3, 4)
_LEAST = 1e-12  # a variance, or what a row leaves to the others

Floats = NDArray[np.float64]


def few_numbers(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> Floats:
    """Return what ridge regressions on each draw of `rows` (D, n) predict of the test rows, (D, M).

    They are of seven strengths in each form of the features, averaged by `average_weights`: a row that is left out is
    as probable as a Gaussian makes it whose variance is that of all of them. Rows are left out one by one, or whole
    groups in three folds.
    """
    return np.stack([_averaged(features, problem, draw, test) for draw in rows])


def _averaged(features: Features, problem: Problem, rows: Rows, test: Rows) -> Floats:
    y, missed, predicted = problem.train_y[rows].astype(np.float64), [], []
    groups = np.arange(len(rows)) if problem.groups is None else np.unique(problem.groups[rows], return_inverse=True)[1]
    whole = 1 < groups.max() + 1 < len(rows)
    for form in forms_for(features, len(rows)):
        x = form.train[rows].astype(np.float64)
        scale = 1 / np.sqrt(max(float(x.var(axis=0).sum()), _LEAST))
        fitted = Ridge(x * scale, y)
        predicted.append(fitted(form.test[test] * scale))
        missed.append(_by_group(x * scale, y, groups % FOLDS) if whole else fitted.left_out())
    error = np.concatenate(missed)
    variance = np.maximum((error**2).mean(axis=1, keepdims=True), _LEAST)
    density = -0.5 * (np.log(variance) + error**2 / variance)
    weights = average_weights(density[:, None], np.ones((1, len(rows)), dtype=bool), seed=problem.seed)
    return np.asarray(weights[:, 0] @ np.concatenate(predicted))


class Ridge:
    """Ridge regressions of all strengths on rows x (n, d) with numbers y (n,); intercepts are not penalised.

    Example:
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> Ridge(x, 2 * x[:, 0])(np.array([[3.0]])).round(2).ravel()[[0, -1]].tolist()
        [6.0, 2.01]
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        self.mean, self.middle, self.y = x.mean(axis=0), y.mean(), y - y.mean()
        self.left, self.size, self.right = np.linalg.svd(x - self.mean, full_matrices=False)
        self.told = self.left.T @ self.y

    def __call__(self, x: Floats) -> Floats:
        """Return what each strength predicts of rows (M, d): (strengths, M)."""
        shrunk = self.size / (self.size**2 + ALPHAS[:, None])
        return np.asarray(self.middle + (shrunk * self.told) @ self.right @ (x - self.mean).T)

    def left_out(self) -> Floats:
        """Return what each row is above its prediction from all others, (strengths, n).

        Source: Golub, Heath and Wahba 1979 (Generalized Cross-Validation as a Method for Choosing a Good Ridge
        Parameter), section 1: Allen's PRESS.
        """
        kept = self.size**2 / (self.size**2 + ALPHAS[:, None])
        error = self.y - (kept * self.told) @ self.left.T
        leverage = kept @ (self.left**2).T + 1 / len(self.y)
        return np.asarray(error / np.maximum(1 - leverage, _LEAST))


def _by_group(x: Floats, y: Floats, fold: Rows) -> Floats:
    """Return what each row is above its prediction from the other folds, (strengths, n)."""
    missed = np.empty((len(ALPHAS), len(y)))
    for out in (fold == one for one in np.unique(fold)):
        missed[:, out] = y[out] - Ridge(x[~out], y[~out])(x[out])
    return missed
