"""The training rows on which readers are tried, and the folds that hold them out: the same for all of them."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from isotropy.evaluation.problem import Problem, Rows
from isotropy.evaluation.splits import stratified

FOLDS = 3
CHOICE_ROWS = 3000  # training rows on which form and strength are chosen, and one reader rather than another


def held_out_folds(problem: Problem) -> tuple[Rows, Rows | None] | None:
    """Return at most 3,000 training rows (n,) and the fold of three that holds each of them out (n,).

    Classes are in equal parts in every fold, as far as it goes; rows of a class that has no other row are left out.
    Where rows have groups, whole groups are held out. Numbers without groups have no folds, None: each row is held out
    by itself. None alone where no class has three rows.

    Example:
        >>> rows, folds = held_out_folds(Problem.of([0, 1] * 6, [0, 1]))
        >>> rows.tolist(), np.bincount(folds).tolist()
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [4, 4, 4])
    """
    labels, count, whole = problem.train_y, len(problem.train_y), problem.group_folds(FOLDS)
    if problem.task != "classes":
        rows = np.random.default_rng(problem.seed).permutation(count)[:CHOICE_ROWS]
        if problem.task == "numbers":
            return rows, None if whole is None else whole[rows]
        rows = np.sort(rows)
        own = np.random.default_rng(problem.seed).permutation(len(rows)) % FOLDS
        return rows, own if whole is None else whole[rows]
    rows = stratified(labels, CHOICE_ROWS, seed=problem.seed)
    rows = rows[np.bincount(labels[rows])[labels[rows]] > 1]  # a class of one row cannot be learnt and held out
    counts = np.unique(labels[rows], return_counts=True)[1]
    if len(counts) < 2 or counts.max() < FOLDS:
        return None
    return rows, _folds(labels[rows], problem.seed) if whole is None else whole[rows]


def _folds(codes: NDArray[np.int64], seed: int) -> Rows:
    """Return the fold that holds each row out, (n,), every class in equal parts as far as it goes."""
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
