"""Recordings as rows: read, brought to one rate, cut into windows, with labels, groups and times beside them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.data import Data
from isotropy.data.readers import READERS, find_reader, suffix_of
from isotropy.data.recordings.format import Format
from isotropy.data.recordings.frames import Roles, place_of
from isotropy.data.recordings.paths import files_of, holds_recordings, is_pattern, named_by_path
from isotropy.data.recordings.recording import Recording, refuse_other_channels, warn_of_marks
from isotropy.data.recordings.rows import new_rows_of, rows_of
from isotropy.data.recordings.slices import Slice, sliced
from isotropy.data.recordings.sources import recordings_of
from isotropy.data.recordings.spacing import common_rate, without_gaps
from isotropy.data.recordings.spans import Span, unit_seconds
from isotropy.data.recordings.windows import cut
from isotropy.data.unequal import LAST
from isotropy.errors import UserError, counted

# Of files of these kinds, each a recording, it is said that they could be one table.
_TABLES, _AS_ONE = (".csv", ".tsv", ".parquet", ".feather", ".arrow"), "--stream (stream=True in Python)"


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How recordings are asked to be cut: the arguments of `isotropy.read` that are of recordings alone."""

    window: Any = None
    hop: Any = None
    id: str | None = None
    rate: float | None = None
    gap: Any = None
    time_unit: str | None = None
    channel_column: str | None = None
    like: Format | None = None

    @property
    def given(self) -> bool:
        """Whether any of them is."""
        return any(value is not None for value in vars(self).values())


def are_recordings(dataset: Any, cutting: Cutting) -> bool:
    """Return whether data are recordings: they are to be cut, or several files, or of a format that holds some."""
    if cutting.given:
        return True
    if not named_by_path(dataset):
        return False
    if not isinstance(dataset, str | Path) or is_pattern(dataset):
        return True
    path = Path(dataset).expanduser()
    if path.is_dir():
        return holds_recordings(path)
    reader = READERS.get(suffix_of(path))
    return path.is_file() and reader is not None and reader.recordings(path)


def read_recordings(
    dataset: Any,
    cutting: Cutting,
    *,
    modality: str | None = None,
    key: str | None = None,
    label: Any = None,
    na: Sequence[str] = (),
    split: Any = None,
    group: Any = None,
    time: Any = None,
    drop: Sequence[str] = (),
    order: str | None = None,
    task: str | None = None,
    top: Path | None = None,
    divides: bool = True,
) -> Data:
    """Return windows of recordings, or, without a window, one row a recording; arguments as of `isotropy.read`.

    `top` is the folder that files are named from, where they are read one by one; by default their deepest common one.
    `divides` is whether anything tests on a part of the rows, as nothing does of rows to be embedded.

    Raises:
        UserError: what cannot be cut so; the line says what was measured and what to do.
    """
    like = cutting.like
    window, hop, gap = _spans(dataset, cutting, modality)
    if split is not None and group is not None:
        raise UserError("split and group both say what the test part is: give one of them")
    roles = _roles(cutting, label, split, group, time, drop, order)
    rate = like.rate if like else cutting.rate
    found, name, notes = _found(dataset, cutting, roles, rate=rate, key=key, na=na, top=top)
    refuse_other_channels(found)
    found = [_in_order(one, found[0].channels) for one in found]
    if like is None:
        warn_of_marks(found)
    pieces, rate, said = _even(found, cutting, gap)
    notes += said
    format = like or Format(
        window=None if window is None else window.at(rate, "window"), hop=None, rate=rate,
        channels=found[0].channels, time=_name(time), time_unit=cutting.time_unit, id=cutting.id,
        channel_column=cutting.channel_column,
        group=_name(group), gap=None if gap is None else gap.text,
    )  # fmt: skip
    format = replace(format, hop=hop.at(rate, "hop") if hop else format.hop or format.window)
    made = cut(pieces, format, _averaged(pieces, task))
    if isinstance(dataset, Slice):
        made = replace(made, windows=replace(made.windows, first=made.windows.first + dataset.begin))
    if divides:
        data = rows_of(made, found, name, _train_and_test(dataset), group, time, label, na, task, notes)
    else:
        data = new_rows_of(made, found, name, notes)
    return replace(data, form={"channels": LAST} if order == LAST else {})


def _spans(dataset: Any, cutting: Cutting, modality: str | None) -> tuple[Span | None, Span | None, Span | None]:
    """Return window, hop and gap as they are asked for; UserError for what cannot be meant."""
    if modality not in (None, "series"):
        if not cutting.given and named_by_path(dataset) and len(files_of(dataset)) > 1:
            raise UserError(f"several files are read as series, not {modality}: stream them (stream=True; --stream)")
        raise UserError(f"recordings are series, not {modality}: leave out window, hop, id, rate and gap")
    window, hop, gap = (
        None if given is None else Span.read(given, what)
        for what, given in (("window", cutting.window), ("hop", cutting.hop), ("gap", cutting.gap))
    )
    if hop is not None and window is None and cutting.like is None:
        raise UserError("a hop needs a window: --window 2s --hop 1s")
    if cutting.rate is not None and not (cutting.rate > 0 and np.isfinite(cutting.rate)):
        raise UserError(f"rate {cutting.rate:g} must be a number of samples a second above 0")
    return window, hop, gap


def _found(
    dataset: Any, cutting: Cutting, roles: Roles, *, rate: float | None, key: str | None, na: Sequence[str],
    top: Path | None,
) -> tuple[list[Recording], str, list[str]]:  # fmt: skip
    """Return the recordings, what they are called, and notes; of files that could be one table it is said how."""
    tables = not cutting.given and _are_tables(dataset)
    try:
        found, name, notes = recordings_of(dataset, roles, rate=rate, key=key, na=na, top=top)
    except UserError as error:
        if tables:
            raise UserError(f"{error}; where the files are one table: {_AS_ONE}") from error
        raise
    return found, name, notes + ([f"their rows are one table with {_AS_ONE}"] if tables else [])


def _are_tables(dataset: Any) -> bool:
    """Return whether data are several files of a kind that mostly holds the rows of a table."""
    files = files_of(dataset) if named_by_path(dataset) else []
    return len(files) > 1 and {suffix_of(path) for path in files} <= set(_TABLES)


def slices_of(
    path: Path,
    cutting: Cutting,
    *,
    key: str | None = None,
    group: Any = None,
    time: Any = None,
    order: str | None = None,
) -> list[Slice] | None:
    """Return a long recording's slices, each as `read_recordings` takes it; None where it has to be read whole.

    It has where rows are whole recordings, samples have times or another rate than the training's, where columns or
    other arrays say something of them, where its format does not let steps be read apart, or where it is no longer
    than a slice.
    """
    like = cutting.like
    if like is None or like.window is None or not path.is_file():
        return None
    asked = (time, cutting.rate, cutting.gap, cutting.id, cutting.channel_column)
    if any(one is not None for one in (*asked, like.time, like.id, like.channel_column)):
        return None
    group = like.group if group is None else group
    if group is not None and place_of(group, path.name, path.parent.name) is None:
        return None
    if cutting.hop is not None:
        like = replace(like, hop=Span.read(cutting.hop, "hop").at(like.rate, "hop"))
    return sliced(path, find_reader(path).steps(path, key, order), like)


def _roles(
    cutting: Cutting, label: Any, split: Any, group: Any, time: Any, drop: Sequence[str], order: str | None
) -> Roles:
    like = cutting.like
    names = (label,) if isinstance(label, str) else ()
    if isinstance(label, list | tuple) and label and all(isinstance(one, str) for one in label):
        names = tuple(label)
    roles = {"channel_column": cutting.channel_column, "time": time, "group": group, "id": cutting.id, "split": split}
    named = [(one, "label") for one in names] + [(one, what) for what, one in roles.items() if isinstance(one, str)]
    for place, (one, what) in enumerate(named):
        for other, before in named[:place]:
            if one == other and what == before:
                raise UserError(f"{what} {one!r} is given twice")
            if one == other and {what, before} != {"group", "id"}:
                raise UserError(f"{one!r} cannot be both the {before} and the {what}")
    if cutting.time_unit is not None:
        unit_seconds(cutting.time_unit)
    return Roles(
        time=time if time is not None or like is None else like.time,
        time_unit=cutting.time_unit if cutting.time_unit is not None or like is None else like.time_unit,
        group=group if group is not None or like is None else like.group,
        id=cutting.id if cutting.id is not None or like is None else like.id,
        split=split,
        labels=names,
        label_values=None if names else label,
        drop=drop,
        channel_column=cutting.channel_column or (None if like is None else like.channel_column),
        order=order,
        channels=None if like is None else like.channels,
        group_optional=like is not None and group is None and cutting.id is None,
    )


def _in_order(one: Recording, channels: tuple[str, ...]) -> Recording:
    if one.channels == channels:
        return one
    return replace(one, channels=channels, values=one.values[[one.channels.index(name) for name in channels]])


def _even(
    found: Sequence[Recording], cutting: Cutting, gap: Span | None
) -> tuple[list[Recording], float | None, list[str]]:
    """Return the pieces of recordings between gaps at one rate, the rate, and what has to be said of it."""
    like = cutting.like
    if gap is None and like is not None and like.gap is not None:
        gap = Span.read(like.gap, "gap")
    timed = any(one.seconds is not None or one.rate is not None for one in found)
    wanted = like.rate if like is not None else cutting.rate
    if cutting.rate is not None:
        # Of what has no clock the rate says how fast it was recorded.
        found = [
            one if one.seconds is not None or one.rate is not None else replace(one, rate=cutting.rate) for one in found
        ]
    elif like is not None and not timed:
        found = [replace(one, rate=like.rate) for one in found]
    rate = common_rate(found, wanted)
    longest = None if gap is None else gap.seconds if gap.seconds is not None else (gap.steps or 0) / (rate or 1.0)
    pieces: list[Recording] = []
    gaps, changes = 0, Counter[str]()
    for one in found:
        if one.seconds is None and one.rate is not None and not isinstance(one.start, np.datetime64):
            one = replace(one, start=float(one.start) / one.rate)
        without, count, changed = without_gaps(one, rate, longest)
        pieces += without
        gaps += count
        changes[changed] += 1
    notes = [f"{counted(gaps, 'gap')} that no window crosses"] if gaps else []
    notes += [f"{count} of {len(found)} recordings {how}" for how, count in changes.items() if how]
    return pieces, rate, notes


def _name(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _averaged(pieces: Sequence[Recording], task: str | None) -> list[str]:
    """Return the labels of which windows have the mean: numbers with a fraction, or all where the task is numbers."""
    found = []
    for name in pieces[0].labels:
        column = pd.Series(np.concatenate([one.labels[name] for one in pieces]))
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            there = column.dropna()
            if task == "numbers" or (task is None and not (there == there.round()).all()):
                found.append(name)
    return found


def _train_and_test(dataset: Any) -> bool:
    """Return whether files are the parts NAME_TRAIN and NAME_TEST of one set, as the archives of series have them."""
    if not named_by_path(dataset):
        return False
    stems = [path.stem.rpartition("_")[2].lower() for path in files_of(dataset)]
    return sorted(stems) == ["test", "train"]
