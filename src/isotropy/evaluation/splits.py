"""Training and test rows, drawn once from a seed."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError
from isotropy.evaluation.task import Task, task_of

Index = NDArray[np.int64]
_MOST_BALANCED = 2000  # groups; a random draw of more is balanced enough, and balancing them takes long


def split(
    labels_or_n: ArrayLike | int,
    *,
    test: float = 0.2,
    seed: int = 0,
    groups: ArrayLike | None = None,
    times: ArrayLike | None = None,
    task: Task | None = None,
) -> tuple[Index, Index]:
    """Return sorted row numbers of the training and the test part, the same ones for the same seed.

    With labels that are classes every class is divided in the same proportion (a class with one member stays in
    the training part; missing labels are divided like a class). With `groups` (subjects, machines) whole groups
    go to one side, so that no group is on both: of at most 2,000 groups so that classes have about the same shares on
    both sides (a `test` of 1 / k, rounded), else a fraction `test` of the groups at random.
    With `times` the rows before a point in time train and those from then on test; equal times stay together.

    Args:
        labels_or_n: labels (N,), or the number of rows.
        test: the fraction of the rows to test on, in (0, 1).
        seed: of the draw.
        groups: one group per row, (N,). times: one per row, (N,), numbers that sort.
        task: of the labels; by default what `task_of` says.

    Raises:
        UserError: where there is nothing to divide (one row, one group, one time) or the share is not in (0, 1).

    Example:
        >>> train, held_out = split(10, test=0.3, seed=0)
        >>> len(train), len(held_out), sorted([*train, *held_out]) == list(range(10))
        (7, 3, True)
    """
    labels = None if isinstance(labels_or_n, int | np.integer) else np.asarray(labels_or_n)
    count = int(labels_or_n) if isinstance(labels_or_n, int | np.integer) else len(np.asarray(labels_or_n))
    if not 0 < test < 1:
        raise UserError(f"the fraction of test rows is {test}: it must lie between 0 and 1, as 0.2 does")
    if count < 2:
        raise UserError(f"{count} row cannot be divided into a training and a test part: at least 2 are needed")
    rng = np.random.default_rng(seed)
    if groups is not None:
        by_class = labels is not None and (task or task_of(labels)) == "classes"
        chosen = _whole_groups(np.asarray(groups), count, test, seed, labels if by_class else None)
    elif times is not None:
        chosen = _latest(np.asarray(times), count, test)
    elif labels is not None and (task or task_of(labels)) == "classes":
        chosen = stratified(labels, max(1, round(test * count)), seed=seed, leave=1)
    else:
        chosen = np.sort(rng.permutation(count)[: min(max(1, round(test * count)), count - 1)])
    if not len(chosen):  # every class has one member only
        chosen = rng.permutation(count)[: min(max(1, round(test * count)), count - 1)]
    held_out = np.zeros(count, dtype=bool)
    held_out[chosen] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def stratified(labels: ArrayLike, count: int, *, seed: int = 0, leave: int = 0) -> Index:
    """Return `count` sorted rows in which every class has its share (largest remainders), to within one row.

    At least `leave` rows of every class are left out, even if fewer than `count` rows remain then.

    Example:
        >>> labels = np.array(["a"] * 6 + ["b"] * 3)
        >>> labels[stratified(labels, 3)].tolist()
        ['a', 'a', 'b']
    """
    codes = pd.factorize(np.asarray(labels), use_na_sentinel=False)[0]
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(codes == code)) for code in range(codes.max() + 1)]
    sizes = np.array([len(rows) for rows in members])
    exact = sizes * min(count, len(codes)) / len(codes)
    take = np.floor(exact).astype(int)
    # Ties among the remainders are broken at random, or small classes in front would always win.
    order = np.lexsort((rng.random(len(take)), -(exact - take)))
    take[order[: min(count, len(codes)) - take.sum()]] += 1
    take = np.minimum(take, np.maximum(sizes - leave, 0))
    return np.sort(np.concatenate([rows[:n] for rows, n in zip(members, take)])).astype(np.int64)


def _whole_groups(groups: NDArray[Any], count: int, test: float, seed: int, classes: NDArray[Any] | None) -> Index:
    from sklearn.model_selection import GroupShuffleSplit

    if len(groups) != count:
        raise UserError(f"there are {len(groups)} groups for {count} rows: give one group per row")
    codes = pd.factorize(groups, use_na_sentinel=False)[0]
    number = int(codes.max()) + 1
    if number < 2:
        raise UserError("all rows belong to one group: a split by groups needs at least two groups")
    size = min(max(1, round(test * number)), number - 1)
    if classes is not None and number <= _MOST_BALANCED:
        chosen = _balanced_groups(codes, pd.factorize(classes, use_na_sentinel=False)[0], test, seed)
        if 0 < len(chosen) < count:
            return chosen
    divider = GroupShuffleSplit(1, test_size=size, random_state=seed)
    return np.sort(next(divider.split(codes, groups=codes))[1])


def _balanced_groups(groups: Index, classes: Index, test: float, seed: int) -> Index:
    """Return the rows of whole groups in which classes have about their shares; none where that is not possible."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = round(1 / min(test, 1 - test))
    if folds > min(int(groups.max()) + 1, np.bincount(classes).max()):
        return np.empty(0, dtype=np.int64)
    divider = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class with fewer rows than folds
        train, held_out = next(divider.split(groups, classes, groups))
    return np.asarray(held_out if test <= 0.5 else train)


def _latest(times: NDArray[Any], count: int, test: float) -> Index:
    """Return the rows from a point in time on that leaves nearest to `test` of the rows after it."""
    if len(times) != count:
        raise UserError(f"there are {len(times)} times for {count} rows: give one time per row")
    distinct, counts = np.unique(times, return_counts=True)
    if len(distinct) < 2:
        raise UserError("all rows have one time: a split in time needs at least two")
    before = np.cumsum(counts)[:-1]
    cut = distinct[1 + int(np.abs(before - (1 - test) * count).argmin())]
    return np.flatnonzero(times >= cut)
