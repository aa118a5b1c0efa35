"""The door of the library: whatever a user has becomes `Data`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.data import Data
from isotropy.data.folder import ImageFolder, read_folder
from isotropy.data.infer import infer_modality, known_modality
from isotropy.data.readers import READERS, Archive, Reader
from isotropy.data.readers.npz import check_keys
from isotropy.data.schema import as_frame, listed
from isotropy.data.target_columns import TargetColumns, as_labels, is_split, pop_column
from isotropy.data.tensors import as_array
from isotropy.errors import UserError, nearest
from isotropy.registry import find

# What the test part of an image set is called where its folders are its parts.
TEST_FOLDERS = ("test", "val", "valid", "validation")


def read(
    dataset: Any,
    *,
    modality: str | None = None,
    key: str | None = None,
    label: Any = None,
    label_key: str | None = None,
    na: Sequence[str] = (),
    split: Any = None,
    drop: Sequence[str] = (),
    test_key: str | None = None,
    test_label_key: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    scale: str | None = None,
    max_bad: int = 0,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Data:
    """Return the data behind `source`, with labels and parts kept apart from the values.

    Args:
        source: an array, a tensor, a DataFrame, or a path: .npy, .npz, .csv, .parquet, or a folder of images.
        modality: "table", "series" or "image" where the array's shape says otherwise; see `arrays.taken`.
        key: the array of a .npz to read. Without it the only one, X_train, X, data or x is taken.
        label: a table's column of labels; "folder" for images in class folders; one value per row for what
            is in memory already. For a .npz it means `label_key`.
        label_key: the array of a .npz with the labels.
        na: texts that mean a missing value, such as "?".
        split: a table's column, or a .npz's array, that says "train" or "test" (or is true or false, and
            named after what true means); one value per row for what is in memory. A column or an array
            called "split" that holds nothing else is taken without being named.
        drop: a table's columns to leave out, an identifier for example.
        test_key, test_label_key: arrays of a .npz that become the test part, behind the rows of `key`.
        scale: how floats are read in images of an array, where training has decided (`ImagePreprocess.scale`).
        size, channels, max_bad, store, progress: for folders of images; see `folder.read_folder`.

    Raises:
        UserError: what is missing, damaged, empty or of no known form; the line says what to do.

    Example:
        >>> import numpy as np
        >>> read(np.zeros((10, 3, 50))).description
        'the array: series of 3 channels and 50 steps, 10 rows (float64)'
    """
    if modality is not None:
        known_modality(modality)
    keys = {"key": key, "label_key": label_key, "test_key": test_key, "test_label_key": test_label_key}
    content, name = dataset, "the frame" if isinstance(dataset, pd.DataFrame) else "the array"
    path = Path(dataset).expanduser() if isinstance(dataset, (str, Path)) else None
    if path is not None:
        if not path.exists():
            raise UserError(f"{path} does not exist{_similar_name(path)}")
        name = path.name
        content = None if path.is_dir() else find_reader(path).read(path, na)
    if not isinstance(content, Archive):
        whose = {"the frame": "a frame", "the array": "an array"}.get(name, name)
        _refuse(whose, "arrays of a .npz file", keys)
    if isinstance(content, pd.DataFrame):
        return _table(_without_dropped(content, drop), name, modality, label, na, split)
    _refuse("an array" if path is None else name, "columns by name", {"drop": drop or None})
    if isinstance(content, Archive):
        keys["label_key"] = label_key if label_key is not None else label
        return _archive(content, modality, keys, na, split, scale)
    if path is None or not path.is_dir():
        return _array(content, name, modality, label, na, split, scale)
    if modality not in (None, "image"):
        raise UserError(f"{path} is a folder, which is read as images, not as {modality}")
    where = None if store is None else Path(store)
    images = read_folder(path, size=size, channels=channels, max_bad=max_bad, store=where, progress=progress)
    return _folder(images, path.name, label, split)


def find_reader(path: Path) -> Reader:
    """Return the reader of a file by its suffix.

    Raises:
        UserError: no reader of this suffix is registered or installed.
    """
    reader = find(READERS, path.suffix.lower(), "reader")
    if reader is None:
        raise UserError(
            f"{path.name} cannot be read: {', '.join(READERS)} files and folders of images are (of one image give the "
            "folder)"
        )
    return reader


def _refuse(name: str, what: str, options: dict[str, Any]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise UserError(f"{given[0]} names {what}; {name} has none")


def _similar_name(path: Path) -> str:
    """Return a hint at the most similar name in the same folder."""
    if not path.parent.is_dir():
        return f" (nor does the folder {path.parent})"
    hint = nearest(path.name, [other.name for other in path.parent.iterdir()])
    return hint if "did you mean" in hint else ""


def _without_dropped(frame: pd.DataFrame, drop: Sequence[str]) -> pd.DataFrame:
    """Return the frame without the columns that the user leaves out."""
    for name in [drop] if isinstance(drop, str) else drop:
        frame, _ = pop_column(frame, name, "to drop")
    return frame


def _data(values: Any, modality: str, name: str, what: str, targets: TargetColumns) -> Data:
    description = "; ".join([f"{name}: {what}", *targets.notes])
    return Data(values, modality, targets.labels, targets.split, description)


def _rows(count: int, name: str) -> str:
    if count == 0:
        raise UserError(f"{name} has no rows")
    return f"{count} rows" if count > 1 else "1 row"


def _table(frame: pd.DataFrame, name: str, modality: str | None, label: Any, na: Sequence[str], split: Any) -> Data:
    rows = _rows(len(frame), name)
    frame, _ = as_frame(frame)
    targets = TargetColumns(len(frame), na)
    # Pandas counts columns without names: their numbers are names, too.
    label, split = (str(given) if isinstance(given, int) else given for given in (label, split))
    if split is None and "split" in frame.columns and label != "split" and is_split(frame["split"]):
        split = "split"
    if isinstance(label, str) and isinstance(split, str) and label == split:
        raise UserError(f"column {label!r} cannot be both the label and the split")
    if isinstance(label, str):
        frame, column = pop_column(frame, label, "label")
        targets.label(column, label)
    elif label is not None:
        targets.label(label)
        # A label that was given beside the frame may still stand in it.
        frame = frame.drop(columns=str(getattr(label, "name", "")), errors="ignore")
    if isinstance(split, str):
        frame, column = pop_column(frame, split, "split")
        targets.part(column, split)
    elif split is not None:
        targets.part(split)
    frame = mask_values(frame, na)
    if modality is not None and not known_modality(modality).takes_frames:
        values, kind, description = infer_modality(frame.to_numpy(), modality)
        return _data(values, kind, name, f"{description}, {rows}", targets)
    return _data(frame, modality or "table", name, f"a table of {_columns(frame)}, {rows}", targets)


def mask_values(frame: pd.DataFrame, na: Sequence[str]) -> pd.DataFrame:
    """Return the frame with the texts `na` turned to missing values."""
    if isinstance(na, str):
        raise UserError(f"na is a list of texts, such as [{na!r}]")
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    missing = frame[texts].isin(list(na))
    return frame.assign(**{name: frame[name].mask(missing[name]) for name in texts if missing[name].any()})


def _columns(frame: pd.DataFrame) -> str:
    numbers = sum(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)
    names = ", ".join(str(name) for name in frame.columns[:3]) + (", ..." if frame.shape[1] > 3 else "")
    return f"{frame.shape[1]} columns ({numbers} numeric, {frame.shape[1] - numbers} other: {names})"


def _array(
    dataset: Any, name: str, modality: str | None, label: Any, na: Sequence[str], split: Any, scale: str | None
) -> Data:
    array = as_array(dataset)
    for given in (label, split):
        if isinstance(given, str):
            raise UserError(f"{name} has no column names, so no {given!r}: give one value per row instead")
    values: Any
    values, kind, description = infer_modality(array, modality, scale=scale)
    description = f"{description}, {_rows(len(values), name)} ({array.dtype})"
    targets = TargetColumns(len(values), na)
    if label is not None:
        targets.label(label)
    if split is not None:
        targets.part(split)
    if array.dtype.kind in "OSU":
        values = mask_values(as_frame(values)[0], na)
    return _data(values, kind, name, description, targets)


def _archive(
    arrays: Archive, modality: str | None, keys: dict[str, Any], na: Sequence[str], split: Any, scale: str | None
) -> Data:
    key = keys["key"] if keys["key"] is not None else arrays.choose()
    label_key, test_key, test_label_key = keys["label_key"], keys["test_key"], keys["test_label_key"]
    check_keys(key, label_key, split, test_key, test_label_key)
    data = _array(arrays[key], f"{arrays.path.name}, {key}", modality, None, na, None, scale)
    rows, values, description, label = len(data), data.values, data.description, label_key
    if label_key is not None:
        label = as_labels(arrays[label_key] if isinstance(label_key, str) else label_key, rows, na)
    if test_key is not None:
        test = _array(arrays[test_key], f"{arrays.path.name}, {test_key}", modality, None, na, None, scale)
        if data.modality != test.modality or data.values.shape[1:] != test.values.shape[1:]:
            raise UserError(f"the parts differ in form: {data.description}; {test.description}")
        if label is not None:
            label = np.concatenate([label, as_labels(arrays[test_label_key], len(test), na)])
        frames = isinstance(values, pd.DataFrame)
        parts = (values, test.values)
        values = pd.concat(parts) if frames else known_modality(data.modality).concatenate(*parts)
        split = np.repeat(["train", "test"], [rows, len(test)])
    elif split is None and "split" in arrays.shapes and "split" not in (key, label_key) and is_split(arrays["split"]):
        split = "split"
    targets = TargetColumns(len(values), na)
    if label is not None:
        names = [name for name in (label_key, test_label_key) if isinstance(name, str)]
        targets.label(label, " and ".join(names) or "given")
    if split is not None:
        name = split if isinstance(split, str) else test_key or "given"
        targets.part(arrays[split] if isinstance(split, str) else split, name)
    elif "train" in key and key.replace("train", "test") in arrays.shapes:
        targets.notes.append(f"{key.replace('train', 'test')} is not read (test_key names a test part)")
    return Data(values, data.modality, targets.labels, targets.split, "; ".join([description, *targets.notes]))


def _folder(images: ImageFolder, name: str, label: Any, split: Any) -> Data:
    targets = TargetColumns(len(images.values))
    folders = [file.split("/")[:-1] for file in images.files]
    tops = {path[0] if path else "" for path in folders}
    if isinstance(split, str):
        raise UserError("the parts of a folder are its folders train and test, or one value per image")
    if split is not None:
        targets.part(split)
    elif len(tops) == 2 and "train" in tops and tops & set(TEST_FOLDERS):
        parts = np.array(["train" if path[0] == "train" else "test" for path in folders])
        targets.part(parts, " and ".join(sorted(tops, key=lambda top: top != "train")))
        folders = [path[1:] for path in folders]
    if isinstance(label, str):
        if label != "folder":
            raise UserError(f"a folder of images has no label {label!r}: label='folder' takes the folders' names")
        classes = pd.Series([path[0] if path else None for path in folders], dtype=object)
        if classes.isna().all():
            raise UserError(f"{name} has no class folders to take labels from")
        targets.label(classes, "the folders' names")
    elif label is not None:
        targets.label(label)
    if images.bad:
        targets.notes.append(f"{len(images.bad)} unreadable left out: {listed([bad for bad, _ in images.bad], 5)}")
    if images.ignored:
        targets.notes.append(f"{images.ignored} other files ignored")
    count, height, width = images.values.shape[1:]
    description = f"{'RGB' if count == 3 else 'grey'} images brought to {height}x{width}, {_rows(targets.rows, name)}"
    return _data(images.values, "image", name, description, targets)
