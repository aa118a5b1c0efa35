"""The door of the library: whatever a user has becomes `Data`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.data import Data
from isotropy.data.folder import ImageFolder, Size, max_bad_of, read_folder, shown
from isotropy.data.folder_targets import folder_data, folder_groups
from isotropy.data.frames import as_pandas
from isotropy.data.grouping import check_division, with_division
from isotropy.data.image_column import column_data, column_images
from isotropy.data.image_column import image_column as find_image_column
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.missing import mask_values
from isotropy.data.readers import Archive, columns_of, read_file
from isotropy.data.recordings.format import Format
from isotropy.data.recordings.read import Cutting, are_recordings, read_recordings
from isotropy.data.schema import as_frame, checked_kinds
from isotropy.data.target_columns import (
    SEVERAL,
    Target,
    as_label_sets,
    as_labels,
    counted_rows,
    is_split,
    joined,
    label_rows,
    pop_column,
    pop_target,
    several,
    with_more_labels,
    with_targets,
)
from isotropy.data.unequal import FIRST, LAST, as_values, holds_series
from isotropy.errors import UserError, nearest

TASKS = ("classes", "numbers", "labels")
_TEXTS = ("categorical", "text", "dmy", "mdy")  # kinds of columns whose texts lose by being read as numbers


def read(
    dataset: Any,
    *,
    modality: str | None = None,
    key: str | None = None,
    label: Any = None,
    label_key: str | None = None,
    na: Sequence[str] = (),
    split: Any = None,
    group: Any = None,
    time: Any = None,
    drop: Sequence[str] = (),
    kinds: Mapping[str, str] | Sequence[str] = (),
    text: Sequence[str] = (),
    test_key: str | None = None,
    test_label_key: str | None = None,
    image_column: str | None = None,
    size: Size = None,
    channels: int | str | None = None,
    fit: str | None = None,
    background: str | None = None,
    levels: Sequence[float] | None = None,
    scale: str | None = None,
    task: str | None = None,
    max_bad: float | str = 0,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    window: Any = None,
    hop: Any = None,
    id: str | None = None,
    rate: float | None = None,
    gap: Any = None,
    time_unit: str | None = None,
    like: Format | None = None,
) -> Data:
    """Return a data set with labels and parts kept apart from the values.

    Args:
        dataset: an array, a tensor, a frame (of pandas, pyarrow, polars or another library, see `frames.as_pandas`), or
            a path: of a file of one of `READERS`, or a folder of images; of recordings also a folder, a pattern such
            as "day*.csv", or several paths; series of unequal length as a list of arrays (channels, time), or as one
            array with NaN behind their ends.
        modality: "table", "series", "image" or "array" (any shape) where the array's shape says otherwise; see
            `infer_modality`.
        key: the array of a .npz to read. Without it the only one, X_train, X, data or x is taken. Of a table the column
            of lists that is taken as one array.
        label: a table's column of labels; "folder" for images in class folders; one value per row for what
            is in memory already; a list of columns for several labels. For a .npz it means `label_key`.
        label_key: the array of a .npz with the labels.
        na: texts that mean a missing value, such as "?".
        split: a table's column, or a .npz's array, that says "train" or "test" (or is true or false, and
            named after what true means); one value per row for what is in memory. A column or an array
            called "split" that holds nothing else is taken without being named.
        group: a table's column, a .npz's array, "folder" for images in folders, or one value per row: rows of one group
            (subject, machine, session) are on one side of the split. time: likewise; rows before a point in time train,
            and rows from then on test. Neither is ever an input.
        drop: a table's columns to leave out, an identifier for example.
        kinds: what columns of a table are where they are not recognised, {"zip": "categorical"} or ["zip=categorical"]:
            numeric, boolean, datetime, categorical, text (described by its letters), dmy or mdy (dates, day or month
            first).
        text: columns of a .csv that are read as text, whatever they look like.
        test_key, test_label_key: arrays of a .npz that become the test part, behind the rows of `key`.
        task: "classes" or "numbers", where the labels could be taken for the other; see `evaluation.task.task_of`.
            "labels": rows have several labels each: a column of lists, or of texts such as "a;b", an array (N, L) of 0
            and 1, or several columns of 0 and 1, which are then one label.
        scale: how floats are read in images of an array, where training has decided (`ImagePreprocess.scale`).
        image_column: a table's column of images, as paths beside the file or as bytes; a column of bytes, as
            Hugging Face's parquet files have one, is taken without being named.
        channels: how many channels images have where it is not 1 or 3: of an array, or of the pages of TIFF stacks;
            "last" for series that are (samples, time, channels), or a list of arrays (time, channels) ("first" is the
            default).
        size, fit, background, levels, max_bad, store, progress: for images in files; see `folder.read_images`. Of
            `max_bad` "5%" is a share.
        window, hop: recordings are cut into windows so long ("2s", or 128 samples), one every `hop` (by default a
            window), which cross no gap and no change of group, part, id or file. `time` is then the column of their
            clock, `label` what most steps of a window have, `group` a column, "file" or "folder".
        id: a table's column that tells recordings apart; without a window each is a row.
        rate: samples a second, of recordings that do not say it; others are resampled to it. gap: the longest step
            that is interpolated, such as "0.1s". time_unit: of times that are numbers (seconds): "ms", "us", ...
        like: how other recordings were cut, `Data.windows.format`: new ones are cut likewise.

    Raises:
        UserError: what is missing, damaged, empty or of no known form; the line says what to do.

    Example:
        >>> import numpy as np
        >>> read(np.zeros((10, 3, 50))).description
        'the array: series of 3 channels and 50 steps, 10 rows (float64)'
    """
    if isinstance(channels, str):
        modality = _of_series(channels, modality)
    if modality is not None:
        known_modality(modality)
    if task is not None:
        _check_task(task, labelled=label is not None or label_key is not None)
    if task == SEVERAL:
        label = label_rows(label)
    cutting = Cutting(window=window, hop=hop, id=id, rate=rate, gap=gap, time_unit=time_unit, like=like)
    if are_recordings(dataset, cutting):
        return read_recordings(
            dataset, cutting, modality=modality, key=key, label=label if label_key is None else label_key, na=na,
            split=split, group=group, time=time, drop=drop, task=task,
        )  # fmt: skip
    told = _kinds(kinds)
    content, name = _opened(dataset, na, [*text, *(column for column, kind in told.items() if kind in _TEXTS)])
    if key is not None and isinstance(content, pd.DataFrame) and key in content.columns:
        content = columns_of(content, name)
    whose = {"the frame": "a frame", "the array": "an array"}.get(name, name)
    more: dict[str, Any] = {}
    keys = {"key": key, "label_key": label_key, "test_key": test_key, "test_label_key": test_label_key}
    check_division({"label": label, "split": split, "group": group, "time": time, **keys})
    count = channels if isinstance(channels, int) else None
    files: dict[str, Any] = {
        "size": size, "channels": count, "fit": fit, "background": background, "levels": levels,
        "max_bad": max_bad_of(max_bad), "store": None if store is None else Path(store), "progress": progress,
    }  # fmt: skip
    images = None
    if isinstance(content, pd.DataFrame):
        image_column = find_image_column(content, image_column, modality)
        if image_column is not None:
            base = Path(dataset).expanduser().resolve().parent if isinstance(dataset, str | Path) else None
            images, content = column_images(content, image_column, name, base, **files)
    elif image_column is not None:
        raise UserError(f"image_column names a column of a table; {whose} has none")
    if not isinstance(content, Archive):
        _refuse(whose, "arrays of a .npz file", keys)
    if not isinstance(content, pd.DataFrame):
        _refuse(whose, "columns by name", {"drop": drop or None, "kind": told or None})
    if isinstance(content, pd.DataFrame):
        for column in [drop] if isinstance(drop, str) else drop:
            content, _ = pop_column(content, column, "to drop")
        label, others = several(label, [str(column) for column in content.columns], len(content))
        for column in others:
            content, more[column] = pop_column(content, column, "label")
        if task == SEVERAL and others:
            content, first = pop_column(content, label, "label")
            label, more = joined({label: first, **more}), {}
        content, groups = _pop_beside(content, group, "group")
        content, times = _pop_beside(content, time, "time")
        if images is None:
            data = _table(content, name, modality, label, na, split, channels)
        else:
            assert image_column is not None
            data = _pictures(images, content, name, image_column, label, na, split)
    elif isinstance(content, Archive):
        label, others = several(label if label_key is None else label_key, content.shapes)
        if others and test_key is not None:
            raise UserError("several labels with test_key: put both parts into one array, and name the split")
        more = {name: content[name] for name in others}
        if task == SEVERAL and others:
            label, more = joined({label: content[label], **more}), {}
        elif task == SEVERAL and isinstance(label, str) and test_key is None:
            label = label_rows(content[label])
        keys["label_key"] = label
        groups, times = (
            Target(content[given], given) if isinstance(given, str) else Target(given) for given in (group, time)
        )
        data = _archive(content, modality, keys, na, split, scale, channels)
    elif not isinstance(content, Path):
        groups, times = Target(group), Target(time)
        data = _array(content, name, modality, label, na, split, scale, channels)
        _refuse_names(name, group, time)
    elif modality in (None, "image"):
        images = read_folder(content, **files)
        data = folder_data(images, name, label, split)
        groups, times = folder_groups(images, label, group), Target(time)
    else:
        raise UserError(f"{content} is a folder, which is read as images, not as {modality}")
    if task == SEVERAL and data.labels is not None:
        data = replace(data, labels=as_label_sets(data.labels))
    if told and isinstance(data.values, pd.DataFrame):
        told = checked_kinds(told, data.values.columns)
    named = None if images is None else np.array(images.files, dtype=object)
    return replace(with_division(with_more_labels(data, more, na), groups, times), task=task, kinds=told, files=named)


def _kinds(kinds: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(kinds, Mapping):
        return dict(kinds)
    pairs = [one.rpartition("=") for one in ([kinds] if isinstance(kinds, str) else kinds)]
    for name, _, kind in pairs:
        if not name:
            raise UserError(f"kind {kind!r}: write NAME=KIND, as zip=categorical")
    return {name: kind for name, _, kind in pairs}


def _of_series(channels: str, modality: str | None) -> str:
    """Return the modality that the place of channels says; UserError for another."""
    if channels not in (FIRST, LAST):
        raise UserError(
            f"channels = {channels!r} is unknown: {LAST!r} says that series are (samples, time, channels), {FIRST!r} "
            "that they are (samples, channels, time)"
        )
    if modality not in (None, "series"):
        raise UserError(f"channels = {channels!r} is of series, and the modality is {modality}: leave one of them out")
    return "series"


def _check_task(task: str, *, labelled: bool) -> None:
    if task not in TASKS:
        raise UserError(f"task {task!r} is unknown{nearest(task, TASKS)}")
    if not labelled:
        raise UserError(f"task {task!r} says what a label is: name the label, too")


def _opened(dataset: Any, na: Sequence[str], text: Sequence[str]) -> tuple[Any, str]:
    """Return the content of a file, or a folder's path, or what is in memory already; and its name."""
    if not isinstance(dataset, (str, Path)):
        dataset = as_pandas(dataset)
        return dataset, "the frame" if isinstance(dataset, pd.DataFrame) else "the array"
    path = Path(dataset).expanduser()
    if str(path) != shown(str(path)):
        raise UserError(f"the name {shown(str(path))} is not UTF-8, and cannot be kept in a run: rename it, or link it")
    if path.exists():
        return path if path.is_dir() else read_file(path, na, text), path.name
    if not path.parent.is_dir():
        raise UserError(f"{path} does not exist (nor does the folder {path.parent})")
    hint = nearest(path.name, [other.name for other in path.parent.iterdir()])
    raise UserError(f"{path} does not exist{hint if 'did you mean' in hint else ''}")


def _refuse(name: str, what: str, options: dict[str, Any]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise UserError(f"{given[0]} names {what}; {name} has none")


def _table(
    frame: pd.DataFrame, name: str, modality: str | None, label: Any, na: Sequence[str], split: Any, channels: Any
) -> Data:
    rows = counted_rows(len(frame), name)
    label, split = (_named(given) for given in (label, split))
    if split is None and "split" in frame.columns and label != "split" and is_split(frame["split"]):
        split = "split"
    if isinstance(label, str) and isinstance(split, str) and label == split:
        raise UserError(f"column {label!r} cannot be both the label and the split")
    frame, labels = _pop_beside(frame, label, "label")
    frame, parts = pop_target(frame, split, "split")
    values: Any
    kind = modality or ("series" if holds_series(frame) else "table")
    if known_modality(kind).takes_frames:
        values = mask_values(as_frame(frame)[0], na)
        description = f"a table of {_columns(values)}"
    else:
        values, kind, description = infer_modality(as_values(mask_values(frame, na).to_numpy(), channels), kind)
    return with_targets(values, kind, f"{name}: {description}, {rows}", labels, parts, na)


def _pictures(
    images: ImageFolder, frame: pd.DataFrame, name: str, column: str, label: Any, na: Sequence[str], split: Any
) -> Data:
    """Return the images of a column; labels and parts are other columns, or given by value."""
    label, split = (_named(given) for given in (label, split))
    if split is None and "split" in frame.columns and label != "split" and is_split(frame["split"]):
        split = "split"
    frame, labels = _pop_beside(frame, label, "label")
    frame, parts = pop_target(frame, split, "split")
    if len(na) and labels.values is not None:
        labels = Target(as_labels(labels.values, len(images.values), na), labels.source)
    return column_data(images, name, column, labels, parts, frame.shape[1])


def _named(given: Any) -> Any:
    """Return a column's name: pandas counts columns without names, and their numbers are names, too."""
    return str(given) if isinstance(given, int) else given


def _pop_beside(frame: pd.DataFrame, given: Any, what: str) -> tuple[pd.DataFrame, Target]:
    """Return what `pop_target` does; a column that is given beside the frame may still stand in it."""
    if getattr(given, "name", None) is not None:
        frame = frame.drop(columns=[name for name in frame.columns if str(name) == str(given.name)])
    return pop_target(frame, _named(given), what)


def _columns(frame: pd.DataFrame) -> str:
    numbers = sum(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
    names = ", ".join(str(name) for name in frame.columns[:3]) + (", ..." if frame.shape[1] > 3 else "")
    return f"{frame.shape[1]} columns ({numbers} numeric, {frame.shape[1] - numbers} other: {names})"


def _array(
    dataset: Any, name: str, modality: str | None, label: Any, na: Sequence[str], split: Any, scale: str | None,
    channels: Any,
) -> Data:  # fmt: skip
    array = as_values(dataset, channels if isinstance(channels, str) else None)
    _refuse_names(name, label, split)
    values: Any
    values, kind, description = infer_modality(
        array, modality, scale=scale, channels=channels if isinstance(channels, int) else None
    )
    description = f"{name}: {description}, {counted_rows(len(values), name)} ({array.dtype})"
    if array.dtype.kind in "OSU":
        values = mask_values(as_frame(values)[0], na)
    return with_targets(values, kind, description, Target(label), Target(split), na)


def _refuse_names(name: str, *given: Any) -> None:
    for one in given:
        if isinstance(one, str):
            raise UserError(f"{name} has no column names, so no {one!r}: give one value per row instead")


def _archive(
    arrays: Archive, modality: str | None, keys: dict[str, Any], na: Sequence[str], split: Any, scale: str | None,
    channels: Any,
) -> Data:  # fmt: skip
    key, label_key, test_key, test_label_key = (keys[k] for k in ("key", "label_key", "test_key", "test_label_key"))
    key = arrays.choose() if key is None else key
    _check_keys(key, label_key, split, test_key, test_label_key)
    data = _array(arrays[key], f"{arrays.path.name}, {key}", modality, None, na, None, scale, channels)
    values, label = data.values, arrays[label_key] if isinstance(label_key, str) else label_key
    if test_key is not None:
        test = _array(arrays[test_key], f"{arrays.path.name}, {test_key}", modality, None, na, None, scale, channels)
        values = _joined(data, test)
        if label is not None:
            test_label = as_labels(arrays[test_label_key], len(test), na)
            parts_of_label = [as_labels(label, len(data), na), test_label]
            if len({part.dtype.kind in "biuf" for part in parts_of_label}) > 1:
                # numpy would turn numbers to text.
                parts_of_label = [part.astype(object) for part in parts_of_label]
            label = np.concatenate(parts_of_label)
        split = np.repeat(["train", "test"], [len(data), len(test)])
    elif split is None and "split" in arrays.shapes and "split" not in (key, label_key) and is_split(arrays["split"]):
        split = "split"
    labels = Target(label, " and ".join(k for k in (label_key, test_label_key) if isinstance(k, str)) or "given")
    parts = Target(arrays[split], split) if isinstance(split, str) else Target(split, test_key or "given")
    unread = key.replace("train", "test")
    unused = split is None and unread != key and unread in arrays.shapes
    notes = [f"{unread} is not read (test_key names a test part)"] if unused else []
    return with_targets(values, data.modality, data.description, labels, parts, na, notes)


def _check_keys(key: str, label_key: Any, split: Any, test_key: str | None, test_label_key: str | None) -> None:
    """Raise UserError unless every array is read as one thing, and a test part comes whole."""
    named = [name for name in (key, label_key, split, test_key, test_label_key) if isinstance(name, str)]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise UserError(f"array {twice[0]!r} cannot be read as two things: values, labels and parts are kept apart")
    if test_label_key is not None and (test_key is None or label_key is None):
        raise UserError("test_label_key needs test_key and label_key beside it")
    if test_key is not None and label_key is not None and test_label_key is None:
        raise UserError("test_key beside label_key needs test_label_key: the labels of the test part")
    if test_key is not None and split is not None:
        raise UserError("test_key and split both say what the test part is: give one of them")


def _joined(train: Data, test: Data) -> Any:
    last = -1 if known_modality(train.modality).lengths_vary else None
    if train.modality != test.modality or train.values.shape[1:last] != test.values.shape[1:last]:
        raise UserError(f"the parts differ in form: {train.description}; {test.description}")
    if isinstance(train.values, pd.DataFrame):
        return pd.concat([train.values, test.values])
    return known_modality(train.modality).concatenate(train.values, test.values)
