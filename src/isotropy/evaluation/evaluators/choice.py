"""The training rows by which probes choose, the same ones for all of them: what suits two probes is then comparable."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.problem import Problem, Rows
from isotropy.evaluation.splits import stratified

ROWS = 3000
FOLDS = 3


@dataclass(frozen=True)
class Choice:
    """Some training rows, and how they are held out.

    Attributes:
        rows: their numbers, (n,). folds: which fold holds each of them out, (n,), whole groups together where rows have
            groups; None where each is held out by itself.
    """

    rows: Rows
    folds: NDArray[np.int64] | None

    @property
    def chosen_by(self) -> str:
        """How probes choose, as text."""
        how = "leave-one-out" if self.folds is None else f"{FOLDS}-fold cross-validation"
        return f"{how} on {len(self.rows)} training rows"

    def parts(self) -> list[tuple[Rows, Rows]]:
        """Return the rows that learn and those that are held out, for each fold that holds some out."""
        assert self.folds is not None
        return [(self.rows[self.folds != fold], self.rows[self.folds == fold]) for fold in np.unique(self.folds)]


def choice(problem: Problem) -> Choice | None:
    """Return at most 3,000 training rows by which probes choose; None where there are too few to hold any out.

    Rows of classes are stratified and held out in three folds; so are those with several labels; numbers are held out
    one by one unless they have groups.

    Example:
        >>> found = choice(Problem.of([0, 1] * 5, [0, 1]))
        >>> found.chosen_by, np.bincount(found.folds).tolist()
        ('3-fold cross-validation on 10 training rows', [4, 3, 3])
        >>> choice(Problem.of([0, 1], [0, 1])) is None
        True
    """
    count, whole = len(problem.train_y), problem.group_folds(FOLDS)
    if problem.task == "numbers":
        rows = np.random.default_rng(problem.seed).permutation(count)[:ROWS]
        return Choice(rows, None if whole is None else whole[rows]) if count >= 3 else None
    if problem.task == "labels":
        rows = np.sort(np.random.default_rng(problem.seed).permutation(count)[:ROWS])
        folds = np.random.default_rng(problem.seed).permutation(len(rows)) % FOLDS
        return Choice(rows, folds if whole is None else whole[rows])
    rows = stratified(problem.train_y, ROWS, seed=problem.seed)
    codes = problem.train_y[rows]
    rows = rows[np.bincount(codes)[codes] > 1]  # a class of one row cannot be learnt and held out
    codes = problem.train_y[rows]
    counts = np.unique(codes, return_counts=True)[1]
    if len(counts) < 2 or counts.max() < FOLDS:
        return None
    return Choice(rows, _folds(codes, problem.seed) if whole is None else whole[rows])


def _folds(codes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold that holds each row out, (n,), every class in equal parts as far as it goes."""
    from sklearn.model_selection import StratifiedKFold

    folds = np.empty(len(codes), dtype=np.int64)
    most = min(FOLDS, int(np.unique(codes, return_counts=True)[1].max()))
    rare = np.bincount(codes)[codes] < most
    order = np.random.default_rng(seed).permutation(len(codes))
    folds[order] = np.arange(len(codes)) % FOLDS
    if not rare.all():
        common = np.flatnonzero(~rare)
        divider = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        for number, (_, out) in enumerate(divider.split(common, codes[common])):
            folds[common[out]] = number
    return folds
