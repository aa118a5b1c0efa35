"""Recordings out of whatever holds them: files of every format, frames, arrays, records with channels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.archive import Archive
from isotropy.data.missing import mask_values
from isotropy.data.opening import opening
from isotropy.data.readers import find_reader
from isotropy.data.recordings.frames import Roles, frame_recordings, place_of
from isotropy.data.recordings.paths import common_folder, files_of, named_by_path
from isotropy.data.recordings.recording import Recording, Signals, labels_of, unique_names
from isotropy.data.recordings.resample import change_rate, even_out, same_rate
from isotropy.data.recordings.slices import Slice
from isotropy.data.recordings.spacing import Spacing
from isotropy.data.recordings.spans import duration
from isotropy.data.recordings.stacked import unstacked
from isotropy.data.tensors import as_array
from isotropy.data.unequal import FIRST, LAST
from isotropy.errors import UserError, counted, listed, nearest


def recordings_of(
    dataset: Any,
    roles: Roles,
    *,
    rate: float | None = None,
    key: str | None = None,
    na: Sequence[str] = (),
    top: Path | None = None,
) -> tuple[list[Recording], str, list[str]]:
    """Return the recordings of a data set, its name, and what has to be said of how they were read.

    Args:
        dataset: a path, several, a pattern, a folder, a slice of a file, a frame, or an array (steps, channels) or
            (N, channels, T).
        roles: of columns, or of arrays beside `key`. rate: in Hz, to which channels of several rates are brought.
        top: the folder that files are named from; by default their deepest common one.
    """
    if isinstance(dataset, Slice):
        path, folder = dataset.path, common_folder([dataset.path]) if top is None else top
        name = str(path.relative_to(folder))
        with opening(path):
            signals = dataset.signals()
        found, notes = _content([signals], name, path.parent.name, roles, rate, key, na)
        return [dataset.moved(one) for one in found], path.name, notes
    if not named_by_path(dataset):
        name = "the frame" if isinstance(dataset, pd.DataFrame) else "the array"
        found, notes = _content(dataset, name, "", roles, rate, key, na)
        return found, name, notes
    files = files_of(dataset)
    for path in files:
        if not path.exists():
            raise UserError(_missing(path))
    top = common_folder(files) if top is None else top
    recordings, said = [], []
    for path in files:
        content = find_reader(path).read(path, na)
        found, notes = _content(content, str(path.relative_to(top)), path.parent.name, roles, rate, key, na)
        recordings += found
        said += [note for note in notes if note not in said]
    name = files[0].name if len(files) == 1 else f"{len(files)} files of {top.resolve().name or top}"
    return recordings, name, said


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path} does not exist (nor does the folder {path.parent})"
    hint = nearest(path.name, [other.name for other in path.parent.iterdir()])
    return f"{path} does not exist{hint if 'did you mean' in hint else ''}"


def _content(
    content: Any, file: str, folder: str, roles: Roles, rate: float | None, key: str | None, na: Sequence[str]
) -> tuple[list[Recording], list[str]]:
    if isinstance(content, pd.DataFrame):
        frame, roles, said = unstacked(mask_values(content, na), file, roles)
        return frame_recordings(frame, file, roles, folder), said
    if isinstance(content, Archive):
        return _archive(content, file, roles, key, folder)
    if isinstance(content, list) and content and isinstance(content[0], Signals):
        found: list[Recording] = []
        notes: list[str] = []
        for signals in content:
            one, said = _aligned(signals, file, folder, roles, rate)
            found.append(one)
            notes += [note for note in said if note not in notes]
        return found, notes
    return _arrays(as_array(content), file, roles, folder)


def _archive(
    arrays: Archive, file: str, roles: Roles, key: str | None, folder: str
) -> tuple[list[Recording], list[str]]:
    """Return the recordings of an array, whose labels and the like are other arrays of the file, by name."""
    values = arrays[arrays.choose() if key is None else key]

    def beside(given: Any) -> Any:
        named = isinstance(given, str) and (given in arrays.shapes or place_of(given, file, folder) is None)
        return arrays[given].reshape(-1) if named else given

    named = {name: beside(getattr(roles, name)) for name in ("time", "group", "id", "split")}
    label = beside(roles.labels[0]) if roles.labels else roles.label_values
    if len(roles.labels) > 1:
        raise UserError(f"recordings of {file} have one label: give one of {listed(roles.labels, 3)}")
    if isinstance(label, str):
        return _arrays(values, file, replace(roles, **named), folder)
    called = roles.labels[0] if roles.labels else roles.label_name
    return _arrays(values, file, replace(roles, labels=(), label_values=label, label_name=called, **named), folder)


def _arrays(array: NDArray[Any], file: str, roles: Roles, folder: str) -> tuple[list[Recording], list[str]]:
    """Return one recording (steps, channels), or each of (N, channels, T) as one."""
    if array.dtype.kind not in "biuf":
        raise UserError(f"{file}: an array of type {array.dtype} holds no recording: give numbers")
    if array.ndim == 3:
        return _several(array.transpose(0, 2, 1) if roles.order == LAST else array, file, roles, folder), []
    if array.ndim not in (1, 2) or not array.size:
        raise UserError(f"{file}: a recording has the shape (steps, channels); this array has {array.shape}")
    notes = []
    if array.ndim == 1:
        array = array[:, None]
    elif roles.order == FIRST:
        array = array.T
    elif array.shape[1] > array.shape[0] and roles.order is None:
        array = array.T
        notes.append(
            f"{file} is read as {len(array)} steps of {array.shape[1]} channels, its longer side as time (channels)"
        )
    _check_count(array.shape[1], file, roles)
    names = roles.channels or [f"c{place}" for place in range(array.shape[1])]
    frame = pd.DataFrame(array, columns=names, copy=False)
    return frame_recordings(frame, file, roles, folder), notes


def _check_count(count: int, file: str, roles: Roles) -> None:
    if roles.channels is not None and len(roles.channels) != count:
        raise UserError(f"{file} has {counted(count, 'channel')}, and the training had {len(roles.channels)}")


def _several(array: NDArray[Any], file: str, roles: Roles, folder: str) -> list[Recording]:
    _check_count(array.shape[1], file, roles)
    channels = roles.channels or tuple(f"c{place}" for place in range(array.shape[1]))
    beside: dict[str, Any] = {}
    for what, given in {"group": roles.group, "split": roles.split, "label": roles.label_values}.items():
        place = place_of(given, file, folder)
        if isinstance(given, str) and place is None:
            raise UserError(f"{file} has no column names, so no {given!r}: give one value per recording instead")
        values = [place] * len(array) if given is None or isinstance(given, str) else list(np.asarray(given))
        if len(values) != len(array):
            raise UserError(f"{what} has {len(values)} values for {len(array)} recordings")
        beside[what] = values
    if roles.time is not None:
        raise UserError(f"{file}: --time names a column of a table; of recordings (N, channels, T) give the --rate")
    labelled = roles.label_values is not None
    steps = array.shape[2]
    return [
        Recording(
            file, channels, values, name=str(place), group=beside["group"][place], part=beside["split"][place],
            labels={roles.label_name: np.array([beside["label"][place]] * steps)} if labelled else {},
        )
        for place, values in enumerate(array)
    ]  # fmt: skip


def _aligned(signals: Signals, file: str, folder: str, roles: Roles, rate: float | None) -> tuple[Recording, list[str]]:
    """Return channels with rates of their own as a recording with one; see `isotropy.read` for what is refused."""
    title = f"{file}, {signals.name}" if signals.name else file
    names = unique_names(signals.names)
    kept = _kept(names, roles, title)
    if isinstance(roles.split, str) or (isinstance(roles.time, str) and roles.channels is None):
        given = roles.split or roles.time
        raise UserError(f"{title} has no columns, so no {given!r}: its format says when samples were taken")
    group = place_of(roles.group, file, folder)
    if roles.group is not None and group is None and not roles.group_optional:
        raise UserError(f"{title} has no group {roles.group!r}: --group file or --group folder, or a table of steps")
    begun: dict[str, Any] = {} if signals.start is None else {"start": signals.start}
    known: dict[str, Any] = {"name": signals.name, "group": group, **begun}
    channels = tuple(names[place] for place in kept)
    series = [np.asarray(signals.values[place]) for place in kept]
    notes: list[str] = []
    if signals.times is not None:
        times = [signals.times[place] for place in kept]
        if any(not np.array_equal(one, times[0]) for one in times):
            series, times = _on_one_clock(series, times, title, rate)
            notes.append("channels with times of their own are interpolated linearly on one clock")
        labels = _whole_labels(signals, roles, title, file, folder, times[0])
        return Recording(file, channels, np.stack(series), seconds=times[0], labels=labels, **known), notes
    series, own, notes = _at_one_rate(series, channels, [signals.rates[place] for place in kept], title, rate)
    length = min(map(len, series))
    if max(map(len, series)) - length > 1:
        raise UserError(f"{title}: channels have {length} to {max(map(len, series))} samples at one rate")
    values = np.stack([one[:length] for one in series])
    labels = _whole_labels(signals, roles, title, file, folder, np.arange(length) / (own or 1.0))
    return Recording(file, channels, values, rate=own, labels=labels, **known), notes


def _kept(names: Sequence[str], roles: Roles, title: str) -> list[int]:
    """Return the places of the channels that are read: those of the training, or all that are not dropped."""
    dropped = [name for name in roles.drop if name not in names]
    if dropped and roles.channels is None:
        raise UserError(f"{title} has no channel {dropped[0]!r} (to drop){nearest(dropped[0], names)}")
    lacking = [name for name in roles.channels or () if name not in names]
    if lacking:
        raise UserError(f"{title} has no channel {lacking[0]!r}, which the training had (it has {listed(names, 5)})")
    if roles.channels is not None:
        kept = [names.index(name) for name in roles.channels]
    else:
        kept = [place for place, name in enumerate(names) if name not in roles.drop]
    if not kept:
        raise UserError(f"{title} has no channel left")
    return kept


def _at_one_rate(
    series: list[NDArray[Any]],
    channels: Sequence[str],
    rates: Sequence[float | None],
    title: str,
    wanted: float | None,
) -> tuple[list[NDArray[Any]], float | None, list[str]]:
    """Return channels at the rate that is wanted where they have several, their rate, and what is said of it."""
    distinct = sorted({one for one in rates if one is not None})
    if len(distinct) < 2 or same_rate(distinct[0], distinct[-1]):
        return series, rates[0], []
    if wanted is None:
        slowest, fastest = channels[rates.index(distinct[0])], channels[rates.index(distinct[-1])]
        raise UserError(
            f"{title}: channels have rates of their own ({slowest} {distinct[0]:g} Hz, {fastest} "
            f"{distinct[-1]:g} Hz): --rate {distinct[-1]:g} brings all to one rate, or leave some out (--drop)"
        )
    found: list[NDArray[Any]] = [_at(values, own, wanted) for values, own in zip(series, rates)]
    return found, wanted, [f"channels of {', '.join(f'{one:g}' for one in distinct)} Hz brought to {wanted:g} Hz"]


def _at(values: NDArray[Any], own: float | None, rate: float) -> NDArray[np.float64]:
    """Return a channel at another rate; its last sample is held for as long as it stood for."""
    assert own is not None
    if same_rate(own, rate):
        return values.astype(np.float64)
    found = change_rate(values[None], own, rate)[0][0]
    return np.pad(found, (0, max(0, round(len(values) * rate / own) - len(found))), mode="edge")


def _whole_labels(
    signals: Signals, roles: Roles, title: str, file: str, folder: str, seconds: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return the label of each step at `seconds` of a record: its annotation, or what all of the record is."""
    found: dict[str, NDArray[Any]] = {}
    for name in roles.labels:
        value = place_of(name, file, folder)
        if value is None and name in signals.marks:
            found[name] = labels_of(signals.marks[name](), seconds)
            continue
        value = signals.label if value is None and name in ("class", "label", "target") else value
        if value is None:
            hints = ["--label folder takes the folder's name"]
            hints += [] if signals.label is None else ["--label class the label in the file"]
            hints += [f"--label {one} its annotations" for one in list(signals.marks)[:2]]
            raise UserError(f"{title} has no label {name!r}: {', '.join(hints)}")
        found[name] = np.array([value] * len(seconds))
    return found


def _on_one_clock(
    series: Sequence[NDArray[Any]], times: Sequence[NDArray[np.float64]], title: str, rate: float | None
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return channels with times of their own, interpolated where all of them were measured, and their times."""
    if rate is None:
        step = Spacing.of(times[0]) if len(times[0]) > 1 else None
        said = "" if step is None else f" (the first has a step of {duration(step.step)})"
        raise UserError(f"{title}: channels have times of their own{said}: --rate brings them to one clock, linearly")
    begin, end = max(one[0] for one in times), min(one[-1] for one in times)
    if not begin < end:
        raise UserError(f"{title}: the channels were not measured at the same time")
    found = []
    for values, own in zip(series, times):
        inside = (own >= begin) & (own <= end)
        edges = np.interp([begin, end], own, values)
        exact = np.concatenate([[edges[0]], values[inside], [edges[1]]])
        at = np.concatenate([[begin], own[inside], [end]])
        keep = np.concatenate([[True], np.diff(at) > 0])
        found.append(even_out(exact[keep][None], at[keep], rate)[0][0])
    length = min(map(len, found))
    clock = np.arange(length) / rate
    return [one[:length] for one in found], [clock] * len(found)
