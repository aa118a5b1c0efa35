"""Recordings as rows: read, brought to one rate, cut into windows, with labels, groups and times beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.data import Data
from isotropy.data.readers import READERS
from isotropy.data.recordings.frames import Roles
from isotropy.data.recordings.paths import first_path, holds_recordings, is_pattern, named_by_path
from isotropy.data.recordings.recording import Recording, refuse_other_channels
from isotropy.data.recordings.resample import same_rate
from isotropy.data.recordings.sources import recordings_of
from isotropy.data.recordings.spacing import common_rate, without_gaps
from isotropy.data.recordings.spans import Span, duration, unit_seconds
from isotropy.data.recordings.windows import Cut, Format, cut
from isotropy.data.schema import listed
from isotropy.data.target_columns import as_labels, as_split, counted_rows
from isotropy.errors import UserError

# Below that fraction of its steps a window's label is said to be of a minority.
_CLEAR = 0.8


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How recordings are asked to be cut: the arguments of `isotropy.read` that are of recordings alone."""

    window: Any = None
    hop: Any = None
    id: str | None = None
    rate: float | None = None
    gap: Any = None
    time_unit: str | None = None
    like: Format | None = None

    @property
    def given(self) -> bool:
        """Whether any of them is."""
        return any(value is not None for value in vars(self).values())


def are_recordings(dataset: Any, cutting: Cutting) -> bool:
    """Return whether data are to be read as recordings: they are asked to be cut, several files, or of such a format."""
    if cutting.given:
        return True
    if not named_by_path(dataset):
        return False
    if not isinstance(dataset, str | Path) or is_pattern(dataset):
        return True
    path = Path(dataset).expanduser()
    if path.is_dir():
        return holds_recordings(path)
    reader = READERS.get(path.suffix.lower())
    return path.is_file() and reader is not None and reader.recordings


def read_recordings(
    dataset: Any,
    cutting: Cutting,
    *,
    key: str | None = None,
    label: Any = None,
    na: Sequence[str] = (),
    split: Any = None,
    group: Any = None,
    time: Any = None,
    drop: Sequence[str] = (),
    task: str | None = None,
) -> Data:
    """Return windows of recordings, or, without a window, one row a recording; arguments as of `isotropy.read`.

    Raises:
        UserError: what cannot be cut as asked; the line says what was measured and what to do.
    """
    like = cutting.like
    window, hop, gap = (
        None if given is None else Span.read(given, what)
        for what, given in (("window", cutting.window), ("hop", cutting.hop), ("gap", cutting.gap))
    )
    if hop is not None and window is None and like is None:
        raise UserError("a hop needs a window: --window 2s --hop 1s")
    if cutting.rate is not None and not (cutting.rate > 0 and np.isfinite(cutting.rate)):
        raise UserError(f"rate {cutting.rate:g} must be a number of samples a second above 0")
    if split is not None and group is not None:
        raise UserError("split and group both say what the test part is: give one of them")
    roles = _roles(cutting, label, split, group, time, drop)
    found, name, notes = recordings_of(dataset, roles, rate=like.rate if like else cutting.rate, key=key, na=na)
    refuse_other_channels(found)
    found = [_in_order(one, found[0].channels) for one in found]
    pieces, rate, said = _even(found, cutting, gap)
    notes += said
    steps = like.window if like else window and window.at(rate, "window")
    jump = hop.at(rate, "hop") if hop else (like.hop if like else steps)
    gap_text = None if gap is None else gap.text
    format = like and replace(like, hop=jump) or Format(
        window=steps, hop=jump, rate=rate, channels=found[0].channels, time=_name(time), time_unit=cutting.time_unit,
        id=cutting.id, group=_name(group), gap=gap_text,
    )  # fmt: skip
    made = cut(pieces, format, _averaged(pieces, task))
    return _data(made, found, name, _TRAIN_AND_TEST.get(_suffixes(dataset)), group, time, label, na, task, notes)


def _roles(cutting: Cutting, label: Any, split: Any, group: Any, time: Any, drop: Sequence[str]) -> Roles:
    like = cutting.like
    names = (label,) if isinstance(label, str) else ()
    if isinstance(label, list | tuple) and label and all(isinstance(one, str) for one in label):
        names = tuple(label)
    roles = {"time": time, "group": group, "id": cutting.id, "split": split}
    named = [(one, "label") for one in names] + [(one, what) for what, one in roles.items() if isinstance(one, str)]
    for place, (one, what) in enumerate(named):
        for other, before in named[:place]:
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
        drop=[drop] if isinstance(drop, str) else drop,
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
    own = sorted({round(one.rate, 6) for one in found if one.rate is not None and one.seconds is None})
    pieces, gaps, changed = [], 0, 0
    for one in found:
        if one.seconds is None and one.rate is not None and not isinstance(one.start, np.datetime64):
            one = replace(one, start=float(one.start) / one.rate)
        without, count, resampled = without_gaps(one, rate, longest)
        pieces += without
        gaps += count
        changed += resampled
    notes = [f"{gaps:,} gap{'s' * (gaps != 1)} that no window crosses"] if gaps else []
    if changed and rate is not None:
        of = f" of {len(found)}" if len(found) > 1 else ""
        from_ = f" from {', '.join(f'{one:g}' for one in own)} Hz" if own and not same_rate(own[0], rate) else ""
        notes.append(
            f"{changed}{of} recording{'s' * (len(found) > 1)} resampled{from_} to {rate:g} Hz (uneven times and short "
            "gaps linearly, even ones by a polyphase filter)"
        )
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


# Of archives of series: NAME_TRAIN and NAME_TEST are the parts of one set.
_TRAIN_AND_TEST = {("train", "test"): True}


def _suffixes(dataset: Any) -> tuple[str, ...]:
    if not named_by_path(dataset) or isinstance(dataset, str | Path):
        return ()
    return tuple(
        sorted({first_path(one).rpartition(".")[0].rpartition("_")[2].lower() for one in dataset}, reverse=True)
    )


def _data(
    made: Cut,
    found: Sequence[Recording],
    name: str,
    by_file: bool | None,
    group: Any,
    time: Any,
    label: Any,
    na: Sequence[str],
    task: str | None,
    notes: Sequence[str],
) -> Data:
    windows, rows = made.windows, len(made.values)
    said = [_described(made, found, name, rows), *notes]
    labels = {one: as_labels(values, rows, na) for one, values in made.labels.items()}
    for one, values in labels.items():
        said.append(_label_note(one, values, windows.shares.get(one)))
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
    return Data(
        made.values, "series", labels.pop(first) if first else None, split, "; ".join(said), task, labels, groups, times,
        windows,
    )  # fmt: skip


def _described(made: Cut, found: Sequence[Recording], name: str, rows: int) -> str:
    format, channels = made.windows.format, made.windows.format.channels
    count = f"{len(channels)} channel{'s' * (len(channels) != 1)} ({listed(list(channels), 3)})"
    of = "" if len(found) == 1 else f" of {len(found):,} recordings"
    rate = "" if format.rate is None else f" at {format.rate:g} Hz"
    if format.window is None:
        said = f"{name}: series of {count} and {made.values.shape[2]} steps{rate}, {counted_rows(rows, name)}"
        return said + (", one a recording" if len(found) > 1 else "")
    length = f"{format.window} steps" + ("" if format.rate is None else f" ({duration(format.window / format.rate)})")
    said = f"{name}: {rows:,} windows{of} of {length}{rate}, one every {format.hop} steps, {count}"
    return said + (f"; {made.unused:,} steps at ends and in short pieces are in no window" if made.unused else "")


def _label_note(name: str, values: NDArray[Any], shares: NDArray[np.float64] | None) -> str:
    missing = int(pd.isna(values).sum())
    said = f"labels from {name}" + (f" ({missing} missing)" if missing else "")
    if shares is None:
        return f"{said}, the mean of a window's steps"
    if not len(shares) or shares.min() == 1:
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
                f"group {windows.format.group!r} holds {windows.groups[0]!r} in every window: a split needs at least "
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
