"""What windows are as rows: labels, parts, groups and times beside them, and one line that says it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.data import Data
from isotropy.data.label_sets import missing_labels
from isotropy.data.recordings.recording import Recording
from isotropy.data.recordings.spans import duration, pace
from isotropy.data.recordings.windows import Cut
from isotropy.data.target_columns import as_labels, as_split, counted_rows
from isotropy.data.unequal import ends
from isotropy.errors import UserError, counted

# Below that fraction of its steps a window's label is said to be of a minority.
_CLEAR = 0.8


def rows_of(
    made: Cut,
    found: Sequence[Recording],
    name: str,
    by_file: bool,
    group: Any,
    time: Any,
    label: Any,
    na: Sequence[str],
    task: str | None,
    notes: Sequence[str],
) -> Data:
    """Return windows as data.

    Args:
        made: the windows. found: the recordings that they were cut from. name: of the data set.
        by_file: whether the files' names say which part they are. notes: what is said of the reading.
    """
    windows, rows = made.windows, len(made.values)
    said = [_described(made, found, name, rows), *notes]
    na = missing_labels(na, task)
    labels = {one: as_labels(values, rows, na, one) for one, values in made.labels.items()}
    for one, values in labels.items():
        said.append(_label_note(one, values, windows.shares.get(one), windowed=windows.format.window is not None))
    parts = made.parts
    if parts is None and by_file and windows.groups is None:
        parts = np.array([Path(file).stem.rpartition("_")[2].lower() for file in windows.files])
        said.append("parts from the files' names")
    split = None if parts is None else as_split(list(parts), rows)
    groups, times = None, None
    if split is not None:
        said.append(f"parts: {(split == 'train').sum()} train, {(split == 'test').sum()} test")
    else:
        groups, times, note = _divided(made, found, labels, group, time)
        said += [note] if note else []
    first = next(iter(labels), None)
    main = labels.pop(first) if first else None
    return Data(
        made.values, "series", main, split, "; ".join(said), task, labels, groups, times, windows=windows,
    )  # fmt: skip


def new_rows_of(made: Cut, found: Sequence[Recording], name: str, notes: Sequence[str]) -> Data:
    """Return windows as rows of which no part tests; arguments as of `rows_of`."""
    description = "; ".join([_described(made, found, name, len(made.values)), *notes])
    return Data(made.values, "series", description=description, windows=made.windows)


def _described(made: Cut, found: Sequence[Recording], name: str, rows: int) -> str:
    format, channels = made.windows.format, made.windows.format.channels
    names = ", ".join(channels[:3]) + (", ..." if len(channels) > 3 else "")
    count = f"{counted(len(channels), 'channel')} ({names})"
    of = "" if len(found) == 1 else f" of {len(found):,} recordings"
    rate = "" if format.rate is None else f" at {pace(format.rate)}"
    if format.window is None:
        low, high = int(ends(made.values).min(initial=made.values.shape[2])), made.values.shape[2]
        steps = str(high) if low == high else f"{low} to {high}"
        said = f"{name}: series of {count} and {steps} steps{rate}, {counted_rows(rows, name)}"
        return said + (", one a recording" if len(found) > 1 else "")
    length = f"{format.window} steps" + ("" if format.rate is None else f" ({duration(format.window / format.rate)})")
    said = f"{name}: {rows:,} windows{of} of {length}{rate}, one every {format.hop} steps, {count}"
    return said + (f"; {made.unused:,} steps at ends and in short pieces are in no window" if made.unused else "")


def _label_note(name: str, values: NDArray[Any], shares: NDArray[np.float64] | None, *, windowed: bool) -> str:
    missing = int(pd.isna(values).sum())
    said = f"labels from {name}" + (f" ({missing} missing)" if missing else "")
    if shares is None and windowed:
        return f"{said}, the mean of a window's steps"
    if shares is None or shares.min() == 1:
        return said
    return (
        f"{said}, what most of a window's steps have ({shares.mean():.0%} of them on average, below {_CLEAR:.0%} in "
        f"{(shares < _CLEAR).sum():,} windows)"
    )


def _divided(
    made: Cut, found: Sequence[Recording], labels: dict[str, NDArray[Any]], group: Any, time: Any
) -> tuple[NDArray[Any] | None, NDArray[Any] | None, str]:
    """Return groups, or times, that divide the windows, and what is said of them; neither where nothing does."""
    windows = made.windows
    if windows.groups is not None:
        distinct = len(pd.unique(windows.groups))
        if distinct < 2 and windows.format.group is not None and group is not None:
            raise UserError(
                f"group {windows.format.group!r} is {windows.groups[0]} in every window: a split needs at least "
                "two groups"
            )
        if distinct > 1:
            return windows.groups, None, f"groups from {windows.format.group or 'given'} ({distinct:,})"
        return None, None, ""
    if windows.format.window is None:
        return None, None, ""
    names = pd.Series(list(zip(windows.files, windows.ids))).map(lambda pair: " ".join(filter(None, pair)))
    if names.nunique() > 1:
        first = next(iter(labels.values()), None)
        alone = None if first is None else _only_in_one(pd.Series(first), names)
        if alone is None:
            what = "files" if (windows.ids == "").all() else "recordings"
            return (
                names.to_numpy(dtype=object),
                None,
                f"groups are the {what} ({names.nunique():,}; --group divides otherwise)",
            )
        return None, None, f"blocks of windows divide, not recordings: label {alone} is in one recording alone"
    if time is not None:
        starts = windows.starts
        numbers = starts.astype("datetime64[ns]").astype(np.int64) if starts.dtype.kind == "M" else starts
        return None, numbers, "later windows test (--group divides otherwise)"
    return None, None, ""


def _only_in_one(labels: "pd.Series[Any]", names: "pd.Series[Any]") -> Any:
    """Return a class that all its windows of one recording have, or None; numbers are no classes."""
    if pd.api.types.is_float_dtype(labels.dtype) and not (labels.dropna() == labels.dropna().round()).all():
        return None
    counts = names.groupby(labels, observed=True).nunique()
    alone = counts[counts < 2]
    return None if alone.empty else alone.index[0]
