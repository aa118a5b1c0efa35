"""Recordings in a table: one row a step, columns of channels and what is known of each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.frames import as_frame
from isotropy.data.grouping import as_times, refuse_missing
from isotropy.data.recordings.recording import Recording
from isotropy.data.recordings.spans import UNITS, unit_seconds
from isotropy.data.target_columns import pop_column
from isotropy.errors import UserError, listed

FILE, FOLDER = "file", "folder"  # as a group or a label: of the file that a recording is in
# Whole times as large as that are counted from 1970, in the first of these units that makes a year of our time of them.
_EPOCHS = (("ns", 1e17), ("us", 1e14), ("ms", 1e11))


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What columns of a table are, by name, or by value (one per step): None where there is none.

    Attributes:
        label_values, label_name: of a label that is given by value.
        channel_column: of the channel of each row's one value, where a table is stacked.
        order: "last" where channels of arrays stand behind the steps, "first" before them.
        channels: those of a training, if it is known: other columns are not read.
        group_optional: whether a table may lack the columns of groups and ids: new data need not have them.
    """

    time: Any = None
    time_unit: str | None = None
    group: Any = None
    id: Any = None
    split: Any = None
    labels: tuple[str, ...] = ()
    label_values: Any = None
    label_name: str = "label"
    drop: Sequence[str] = ()
    channel_column: str | None = None
    order: str | None = None
    channels: tuple[str, ...] | None = None
    group_optional: bool = False


def frame_recordings(frame: pd.DataFrame, file: str, roles: Roles, folder: str = "") -> list[Recording]:
    """Return the recordings of a table: rows of one id, group and part that stand together, in time.

    Where no times are named, an index of dates or durations is taken for them.

    Raises:
        UserError: a column that is not there or not of numbers; times that are missing, text, repeated or not sorted.
    """
    frame, known = _taken(frame, file, roles, folder)
    channels = roles.channels or tuple(str(name) for name in frame.columns)
    values = _numbers(frame, channels, file, known=roles.channels is not None)
    try:
        seconds, starts, unit = _clock(known.times, roles.time, roles.time_unit, len(frame))
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    recordings: list[Recording] = []
    done = 0
    for here in known.stretches(len(frame)):
        if seconds is not None:
            _refuse_unsorted(seconds, here, known.times, roles.time, file)
        begin, before = int(here[0]), done
        done += len(here)
        if known.ids is not None and (not recordings or recordings[-1].name != str(known.ids.iloc[begin])):
            before, done = 0, len(here)
        recordings.append(
            Recording(
                file,
                channels,
                # Of steps that follow each other a view.
                values[:, begin : begin + len(here)] if here[-1] - begin == len(here) - 1 else values[:, here],
                name="" if known.ids is None else str(known.ids.iloc[begin]),
                seconds=None if seconds is None else seconds[here] - seconds[begin],
                start=float(before) if starts is None else starts[begin],
                unit=unit,
                labels={name: column.to_numpy()[here] for name, column in known.labels.items()},
                group=None if known.groups is None else known.groups.iloc[begin],
                part=None if known.parts is None else known.parts.iloc[begin],
            )
        )
    return recordings


@dataclass(frozen=True)
class _Known:
    """What is known of each step of a table, beside its channels: a column each, None where there is none."""

    labels: "dict[str, pd.Series[Any]]"
    ids: "pd.Series[Any] | None"
    groups: "pd.Series[Any] | None"
    parts: "pd.Series[Any] | None"
    times: "pd.Series[Any] | None"

    def stretches(self, rows: int) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of each recording, by id: those of one id, group and part that stand together."""
        order, codes = np.arange(rows), np.zeros(rows, dtype=np.int64)
        if self.ids is not None:
            codes = pd.factorize(self.ids)[0]
            order = np.argsort(codes, kind="stable")
        changes = np.zeros(rows, dtype=bool)
        for column in (codes, *(pd.factorize(one)[0] for one in (self.groups, self.parts) if one is not None)):
            changes[1:] |= column[order][1:] != column[order][:-1]
        yield from (here for here in np.split(order, np.flatnonzero(changes)) if len(here))


def _taken(frame: pd.DataFrame, file: str, roles: Roles, folder: str) -> tuple[pd.DataFrame, _Known]:
    """Return the columns of a table that are left for channels, and what is known of each step."""
    if roles.time is None and isinstance(frame.index, pd.DatetimeIndex | pd.TimedeltaIndex):
        roles = replace(roles, time=frame.index.to_series())
    frame, _ = as_frame(frame.reset_index() if isinstance(frame.index, pd.MultiIndex) else frame)
    if not len(frame):
        raise UserError(f"{file} has no rows")
    for name in roles.drop:
        if roles.channels is None or name in frame.columns:
            frame, _ = pop_column(frame, name, f"to drop from {file}")
    labels = {}
    for name in roles.labels:
        frame, labels[name] = _labelled(frame, name, file, folder)
    if roles.label_values is not None:
        labels[roles.label_name] = _given(roles.label_values, len(frame), "label")
    frame, ids = _beside(frame, roles.id, "id", file, folder, roles.group_optional)
    if isinstance(roles.group, str) and roles.group == roles.id:
        groups = ids
    else:
        frame, groups = _beside(frame, roles.group, "group", file, folder, roles.group_optional)
    frame, parts = _beside(frame, roles.split, "split", file, folder, False)
    frame, times = _beside(frame, roles.time, "time", file, folder, False)
    if ids is not None and ids.isna().any():
        raise UserError(f"{file}: id {roles.id!r} is missing in row {int(ids.isna().to_numpy().argmax())}")
    if groups is not None and not roles.group_optional:
        name = roles.group if isinstance(roles.group, str) else "given"
        refuse_missing(groups.isna().reset_index(drop=True), f"{file}: group {name!r}")
    return frame, _Known(labels, ids, groups, parts, times)


def place_of(what: Any, file: str, folder: str) -> str | None:
    """Return the name of the file or of its folder, where that is what a group or a label is called."""
    return {FILE: file, FOLDER: folder}.get(what) if isinstance(what, str) else None


def _labelled(frame: pd.DataFrame, name: str, file: str, folder: str) -> "tuple[pd.DataFrame, pd.Series[Any]]":
    found, column = _beside(frame, name, "label", file, folder, False)
    assert column is not None
    return found, column


def _beside(
    frame: pd.DataFrame, given: Any, what: str, file: str, folder: str, optional: bool
) -> "tuple[pd.DataFrame, pd.Series[Any] | None]":
    """Return the frame without a column, and the column; None where none is named, or it may be and is missing."""
    if given is None:
        return frame, None
    if not isinstance(given, str):
        return frame, _given(given, len(frame), what)
    if given in frame.columns or (place_of(given, file, folder) is None and not optional):
        return pop_column(frame, given, f"{what}, {file}")
    place = place_of(given, file, folder)
    return frame, None if place is None else pd.Series([place] * len(frame), dtype=object)


def _given(values: Any, rows: int, what: str) -> "pd.Series[Any]":
    column = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    if len(column) != rows:
        raise UserError(f"{what} has {len(column)} values for {rows} steps")
    return column.reset_index(drop=True)


def _numbers(frame: pd.DataFrame, channels: Sequence[str], file: str, *, known: bool) -> NDArray[Any]:
    """Return channels (C, T) of a table; UserError for one that is missing or no number."""
    if not channels:
        raise UserError(f"{file} has no column left that is a channel")
    names = [str(name) for name in frame.columns]
    if list(channels) == names and set(frame.dtypes) in ({np.dtype(np.float32)}, {np.dtype(np.float64)}):
        # One array as it is, which may be a file mapped to memory.
        return frame.to_numpy().T
    series = []
    for name in channels:
        if known and name not in frame.columns:
            raise UserError(f"{file} has no channel {name!r}, which the training had (it has {listed(names, 5)})")
        column = frame[name]
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise UserError(f"{file}: column {name!r} holds dates, and channels are numbers: is it the --time?")
        if not pd.api.types.is_numeric_dtype(column.dtype):
            numbers = pd.to_numeric(column, errors="coerce")
            wrong = (numbers.isna() & column.notna()).to_numpy()
            if wrong.any():
                place = int(wrong.argmax())
                raise UserError(
                    f"{file}: column {name!r} holds {column.iloc[place]!r} (row {place}), and channels are numbers: "
                    f"say what it is (--label, --group, --id, --time), or leave it out (--drop {name})"
                )
            column = numbers
        # What float32 holds exactly takes half the memory.
        kind = (
            np.float32 if isinstance(column.dtype, np.dtype) and np.can_cast(column.dtype, np.float32) else np.float64
        )
        series.append(column.to_numpy(dtype=kind, na_value=np.nan))
    return np.stack(series)


def _clock(
    times: "pd.Series[Any] | None", name: Any, unit: str | None, rows: int
) -> tuple[NDArray[np.float64] | None, NDArray[Any] | None, float]:
    """Return seconds (T,), the times as the user has them (numbers or dates), and the seconds of 1 in them."""
    if times is None:
        return None, None, 1.0
    sortable = as_times(times, rows, name if isinstance(name, str) else "time")
    if _are_dates(times):
        return (sortable - sortable.min()) * 1e-9, sortable.astype("datetime64[ns]"), 1.0
    if pd.api.types.is_timedelta64_dtype(times.dtype):
        return (sortable - sortable.min()) * 1e-9, sortable * 1e-9, 1.0
    numbers = sortable.astype(np.float64)
    one = UNITS["s"] if unit is None else unit_seconds(unit)
    if unit is None:
        one = next((UNITS[epoch] for epoch, least in _EPOCHS if np.min(sortable) > least), one)
    return (sortable - sortable.min()).astype(np.float64) * one, numbers, one


def _are_dates(times: "pd.Series[Any]") -> bool:
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        return True
    if pd.api.types.is_numeric_dtype(times.dtype) or pd.api.types.is_timedelta64_dtype(times.dtype):
        return False
    return bool(pd.to_numeric(times.astype(str), errors="coerce").isna().any())


def _refuse_unsorted(
    seconds: NDArray[np.float64], rows: NDArray[np.int64], times: "pd.Series[Any] | None", name: Any, file: str
) -> None:
    """Raise UserError where times repeat or go back."""
    steps = np.diff(seconds[rows])
    if not len(steps) or steps.min() > 0:
        return
    assert times is not None
    place = int((steps <= 0).argmax())
    before, after = rows[place], rows[place + 1]
    what = "repeats" if steps[place] == 0 else "is not sorted"
    raise UserError(
        f"{file}: time {name if isinstance(name, str) else 'given'!r} {what}: {times.iloc[after]} in row {after} after "
        f"{times.iloc[before]} in row {before}: sort the rows, or, if they are of several recordings, name these (--id)"
    )
