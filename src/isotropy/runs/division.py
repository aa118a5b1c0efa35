"""Which rows train and which test, and what each label is: decided once for a run, before anything is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data import Data
from isotropy.data.schema import listed
from isotropy.errors import UserError
from isotropy.evaluation.splits import split
from isotropy.evaluation.task import Task, decided, encode, has_label, task_note

Rows = NDArray[np.int64]
_TEST_FRACTION = 0.2


@dataclass(frozen=True)
class Label:
    """A label of all rows: its name, its values (N,), and its task."""

    name: str
    values: NDArray[Any]
    task: Task


@dataclass(frozen=True)
class Division:
    """The rows of a run.

    Attributes:
        train, test: sorted row numbers; `test` is empty where nothing is held out.
        labels: to be probed, the one that the split is stratified by first.
        notes: what a reader of the scores has to know of them, one line each.
    """

    train: Rows
    test: Rows
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()


def divide(data: Data, seed: int, names: Sequence[str] = ("label",)) -> Division:
    """Return the parts that the data names or makes; nothing is held out where there is neither a label nor parts.

    Without named parts a fifth is held out: of the groups where the data has groups, the last rows where it has times,
    else of the rows, in each class of the first label.

    Args:
        data: as `isotropy.read` gave it. seed: of the draw. names: what the labels are called.

    Raises:
        UserError: labels that no probe can learn or be scored on.
    """
    labels = _labels(data, names)
    if data.split is not None:
        held_out = np.asarray(data.split) == "test"
        train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    elif labels:
        first = labels[0]
        train, test = split(
            first.values, test=_TEST_FRACTION, seed=seed, task=first.task, groups=data.groups, times=data.times
        )
    else:
        return Division(np.arange(len(data)), np.arange(0))
    for label in labels:
        refuse_unprobeable(label.values[train], label.values[test], label.task)
    notes = [*_task_notes(data, labels), *(note for label in labels for note in _unseen_notes(label, train, test))]
    return Division(train, test, labels, tuple(notes))


def refuse_unprobeable(train: NDArray[Any], test: NDArray[Any], task: Task) -> None:
    """Raise UserError for labels that no probe can learn or be scored on: before hours of training, not after."""
    for part, labels in (("training", train), ("test", test)):
        if not has_label(labels).any():
            raise UserError(f"no row of the {part} part has a label: a probe needs some")
    train, test = train[has_label(train)], test[has_label(test)]
    if task == "classes":
        encode(train, test)
    elif not np.ptp(test.astype(np.float64)) > 0:
        raise UserError(f"the label is {float(test[0]):g} in every test row: R2 needs labels that vary")


def _labels(data: Data, names: Sequence[str]) -> tuple[Label, ...]:
    if data.labels is None:
        return ()
    return (Label(names[0], data.labels, decided(data.labels, data.task, names[0])),)


def _task_notes(data: Data, labels: Sequence[Label]) -> list[str]:
    if data.task is not None:
        return []
    notes = [task_note(label.values, label.task, label.name) for label in labels]
    return [note for note in notes if note]


def _unseen_notes(label: Label, train: Rows, test: Rows) -> list[str]:
    """Return a line where classes are in the test part alone."""
    if label.task == "numbers":
        return []
    known, asked = (pd.Series(label.values[part]).dropna() for part in (train, test))
    alone = asked[~asked.isin(known)].value_counts()
    if not len(alone):
        return []
    names = listed(alone.index.tolist(), 3)
    return [f"label {label.name}: in the test part alone: {names} ({alone.sum():,} rows), which no probe can learn"]
