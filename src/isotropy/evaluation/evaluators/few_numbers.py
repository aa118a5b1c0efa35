"""Numbers read from a handful of labels by ridge regression."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.evaluators.few_linear import FOLDS
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem, Rows

ALPHAS = tuple(10.0**power for power in range(-3, 4))


def few_numbers(features: Features, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return what ridge regression on each draw of `rows` (D, n) predicts of the test rows, (D, M)."""
    return np.stack([_ridge(features, problem, draw, test) for draw in rows])


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
