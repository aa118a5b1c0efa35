"""Which rows train and which test, and what each label is: decided once for a run, before anything is learnt."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data import Data
from isotropy.data.grouping import time_text
from isotropy.data.label_sets import as_label_sets
from isotropy.errors import UserError, listed
from isotropy.evaluation import leaks
from isotropy.evaluation.notes import unseen_labels, unseen_notes
from isotropy.evaluation.splits import split
from isotropy.evaluation.task import (
    Task,
    decided,
    encode,
    encode_sets,
    has_label,
    refuse_constant,
    refuse_one_class,
    refuse_unasked,
    refuse_unknown,
    task_note,
)
from isotropy.evaluation.windows import Overlaps, overlaps

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
        groups: (N,) what whole groups of rows are on one side by, or None.
    """

    train: Rows
    test: Rows
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    groups: NDArray[Any] | None = None

    def notes_on(self, label: Label) -> list[str]:
        """Return the notes without those that are about another label."""
        others = tuple(f"label {one.name}:" for one in self.labels if one.name != label.name)
        return [note for note in self.notes if not note.startswith(others)]


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
    windows = _overlaps(data) if labels else None
    groups = data.groups
    if data.split is not None:
        held_out = np.asarray(data.split) == "test"
        train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    elif labels:
        first = labels[0]
        if groups is None and data.times is None:
            if windows is not None:
                groups = windows.blocks()
            elif data.windows is not None and data.windows.linked.any():
                groups = Overlaps.of_file(data.windows.linked, 0).blocks()
        train, test = split(
            first.values, test=_TEST_FRACTION, seed=seed, task=first.task, groups=groups, times=data.times
        )
    else:
        return Division(np.arange(len(data)), np.arange(0))
    train, notes = _apart(data, train, test, windows) if windows is not None else (train, [])
    if data.times is not None:
        notes = [*_time_notes(data.times, test), *notes]
    for label in labels:
        try:
            refuse_unprobeable(label.values[train], label.values[test], label.task)
        except UserError as error:
            raise UserError(f"{label.name}: {error}" if len(labels) > 1 else str(error)) from None
    notes += [note for label in labels for note in _unseen_notes(label, train, test)]
    return Division(
        train, test, labels, (*_task_notes(data, labels), *notes, *_block_notes(data, labels, test)), groups
    )


def refuse_unprobeable(train: NDArray[Any], test: NDArray[Any], task: Task) -> None:
    """Raise UserError for labels that no probe can learn or be scored on: before hours of training, not after."""
    for part, labels in (("training", train), ("test", test)):
        if not has_label(labels).any():
            raise UserError(f"no row of the {part} part has a label: a probe needs some")
    train, test = train[has_label(train)], test[has_label(test)]
    if task == "classes":
        codes = encode(train, test)[1]
        refuse_unknown(codes, test)
        refuse_one_class(codes, test)
    elif task == "labels":
        _, asked, names = encode_sets(train, test)
        refuse_unasked(asked, names)
    else:
        refuse_constant(train, "training")
        refuse_constant(test, "test")


def _labels(data: Data, names: Sequence[str]) -> tuple[Label, ...]:
    if data.labels is None:
        return ()
    task = cast(Task | None, data.task)
    name = names[0] if data.more_labels or task != "labels" else ", ".join(names)
    values = {name: data.labels, **data.more_labels}
    return tuple(Label(name, labels, decided(labels, task, name)) for name, labels in values.items())


def _task_notes(data: Data, labels: Sequence[Label]) -> list[str]:
    if data.task is not None:
        return []
    notes = [task_note(label.values, label.task, label.name) or _sets_note(label) for label in labels]
    return [note for note in notes if note]


def _sets_note(label: Label) -> str:
    """Return a line where texts that were taken as classes are put together from parts of which others have most."""
    texts = [one for one in pd.unique(label.values[has_label(label.values)]) if isinstance(one, str)]
    if label.task != "classes" or not texts:
        return ""
    parts = as_label_sets(texts)
    uses = Counter(name for own in parts for name in own)
    several = [text for text, own in zip(texts, parts, strict=True) if len(own) > 1]
    # Of places as "Rome, IT" only the country is in other texts; of labels a rare one may be in one text alone.
    shared = [uses[name] > 1 for name in {name for own in parts if len(own) > 1 for name in own}]
    if 2 * sum(shared) <= len(shared):
        return ""
    return f"label {label.name}: {several[0]!r} is taken as one class; --task labels where it is several labels"


def _unseen_notes(label: Label, train: Rows, test: Rows) -> list[str]:
    """Return a line where classes, or some of several labels a row, are in the test part alone."""
    known, asked = (part[has_label(part)] for part in (label.values[train], label.values[test]))
    if label.task == "labels":
        return unseen_labels(known, asked, label.name)
    if label.task != "classes":
        return []
    return unseen_notes(asked, encode(known, asked)[1], label.name)


def _time_notes(times: NDArray[Any], test: Rows) -> list[str]:
    """Return a line where rows do not stand in the order of their times (N,), or share them: what divides them then."""
    said = []
    if (times[1:] < times[:-1]).any():
        said.append("rows do not stand in the order of their times: the times divide them, not their places")
    if len(np.unique(times)) < len(times):
        said.append("times repeat: equal ones are on one side of the split")
    cut = f"rows from {time_text(times[test].min())} on test ({len(test):,} of {len(times):,})"
    return ["; ".join([*said, cut])] if said else []


def _overlaps(data: Data) -> Overlaps | None:
    """Return which rows overlap, None where they are no overlapping windows."""
    if data.windows is not None:
        hop = (data.windows.format.hop or 0) if data.windows.overlap else 0
        return Overlaps.of_file(data.windows.linked, hop) if hop else None
    if data.modality != "series" or not isinstance(data.values, np.ndarray):
        return None
    found = overlaps(data.values)
    return found if found.hop else None


def _apart(data: Data, train: Rows, test: Rows, windows: Overlaps) -> tuple[Rows, list[str]]:
    """Return the training rows without those that overlap test rows, where the split is ours to make, and a note."""
    steps = data.values.shape[-1]
    held_out = np.zeros(len(data), dtype=bool)
    held_out[test] = True
    overlapping = windows.across(held_out, reach=-(-steps // windows.hop) - 1)
    what = f"rows are overlapping windows, {windows.hop} steps apart and {steps} long"
    if windows.shuffled:
        what += ", and do not stand in their order"
    if data.split is not None:
        count = int((overlapping & held_out).sum())
        return train, [f"{what}: {count:,} of {len(test):,} test rows overlap training rows"] if count else []
    left_out = train[overlapping[train]]
    said = f" ({len(left_out):,} training rows that overlap test rows are left out)" if len(left_out) else ""
    if data.times is not None:
        return np.setdiff1d(train, left_out), [f"{what}: earlier rows train and later ones test{said}"]
    kept = "blocks of them" if data.groups is None else "whole groups"
    return np.setdiff1d(train, left_out), [f"{what}: {kept} are kept on one side of the split{said}"]


def _block_notes(data: Data, labels: Sequence[Label], test: Rows) -> list[str]:
    """Return a line where columns look like subjects or sessions and are on both sides of the split."""
    if not labels or data.groups is not None or data.times is not None or not isinstance(data.values, pd.DataFrame):
        return []
    first = labels[0]
    kinds = _tenths(first.values) if first.task == "numbers" else first.values
    held_out = np.zeros(len(data), dtype=bool)
    held_out[test] = True
    found = []
    for name in leaks.blocked_columns(data.values, kinds):
        column = data.values[next(one for one in data.values.columns if str(one) == name)]
        if column[held_out].isin(column[~held_out]).any():
            found.append(name)
    if not found:
        return []
    what = f"column {found[0]!r} stands" if len(found) == 1 else f"columns {listed(found, 3)} stand"
    return [
        f"{what} in long blocks of rows, as subjects, files or sessions do, with each on both sides of the split: "
        f"--group {found[0]} keeps them apart"
    ]


def _tenths(numbers: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(pd.qcut(pd.to_numeric(pd.Series(numbers)), 10, labels=False, duplicates="drop"))
