"""Gradient-boosted trees on the columns of a table as they are: what a representation of a table has to beat."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from isotropy.evaluation.problem import Problem, Rows
from isotropy.evaluation.rare_classes import rare_classes

NAME = "boosted trees"
MOST_LEVELS = 255  # of a category, as scikit-learn takes it natively
_SMALLEST_DRAWS = 5
_SMALL = 500  # rows
_SECONDS = 0.4  # for one size of a few-label curve: of the slow ones the first draws are measured


@dataclass(frozen=True)
class Columns:
    """The columns of a table (N, D) and (M, D): numbers, categories as codes, NaN where a value is missing.

    Attributes:
        train, test: float32. categorical: which columns are codes, (D,).
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    categorical: NDArray[np.bool_]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.train.shape[1]


def boost(columns: Columns, problem: Problem, rows: Rows, test: Rows, seed: int = 0) -> NDArray[Any]:
    """Return what trees that learn from `rows` predict of the test rows `test`: probabilities (M, K), or numbers (M,).

    scikit-learn's defaults (100 trees a class, at most 31 leaves, rate 0.1) without early stopping; below 500 rows 50
    trees at twice the rate, and leaves of a twentieth of the rows, where its 20 would be too many. On one thread: on
    busy cores two threads take ten times as long.

    Source: Friedman 2001; Ke et al. 2017 (histograms).
    """
    # scikit-learn 1.9.1 fails at a column without any value (findings/histgb_column_without_value.sh).
    there = np.isfinite(columns.train[rows]).any(axis=0)
    train, tested = columns.train[rows][:, there], columns.test[test][:, there]
    categorical = columns.categorical[there] & (np.nanmax(columns.train[:, there], axis=0) < MOST_LEVELS)
    made = booster(len(rows), numbers=problem.task == "numbers", seed=seed, categorical=categorical)
    with threadpool_limits(limits=1), rare_classes():
        if problem.task == "numbers":
            return np.asarray(made.fit(train, problem.train_y[rows]).predict(tested))
        codes = problem.train_y[rows]
        out = np.zeros((len(test), len(problem.classes)), dtype=np.float32)
        if np.ptp(codes) == 0 or not there.any():
            out[:, np.bincount(codes).argmax()] = 1
            return out
        made.fit(train, codes)
        out[:, made.classes_] = made.predict_proba(tested)
        return out


def booster(rows: int, *, numbers: bool, seed: int, categorical: NDArray[np.bool_] | None = None) -> Any:
    """Return scikit-learn's boosting for so many rows, not fitted, of numbers or of classes; see `boost`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    small = rows < _SMALL
    kind: Any = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    return kind(
        max_iter=50 if small else 100, learning_rate=0.2 if small else 0.1,
        min_samples_leaf=int(np.clip(rows // 20, 1, 20)), early_stopping=False, categorical_features=categorical,
        random_state=seed,
    )  # fmt: skip


def boost_few(columns: Columns, problem: Problem, rows: NDArray[np.int64], test: Rows) -> NDArray[Any]:
    """Return the predictions from each draw, (D', M, K) or (D', M): of at least 5 draws, and all if they are fast."""
    start, found = time.perf_counter(), []
    for number, draw in enumerate(rows):
        if number >= _SMALLEST_DRAWS and time.perf_counter() - start > _SECONDS:
            break
        found.append(boost(columns, problem, draw, test, seed=number))
    return np.stack(found)
