"""Data of another kind than a representation was trained on: one line that says what came and what training had."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.archive import Archive
from isotropy.data.blocks.formats import FORMATS
from isotropy.data.frames import as_pandas
from isotropy.data.image_column import paths_column
from isotropy.data.infer import infer_modality
from isotropy.data.options import Options
from isotropy.data.preprocess import Preprocess
from isotropy.data.readers import is_one_file, read_file
from isotropy.data.recordings.paths import files_of, named_by_path
from isotropy.data.recordings.read import are_recordings
from isotropy.data.unequal import as_values, series_columns
from isotropy.errors import UserError


@contextmanager
def as_trained_on(preprocess: Preprocess, values: Any, key: str | None = None) -> Iterator[None]:
    """Say of data of another kind what came and what training had, instead of what reading them as that kind says.

    A file is read once more, and only after an error.

    Args:
        preprocess: learnt in training. values: what is read inside, as `isotropy.read` takes it. key: its array.

    Example:
        >>> from isotropy.data.table import TablePreprocess
        >>> with as_trained_on(TablePreprocess.learn(np.eye(3)), np.zeros((1, 2, 100))):
        ...     raise UserError("flatten it")
        Traceback (most recent call last):
        isotropy.errors.UserError: an array (1, 2, 100); the run was trained on a table of 3 columns
    """
    try:
        yield
    except UserError as error:
        try:
            came = _other_kind(preprocess, values, key)
        except (UserError, ValueError, TypeError):
            came = None  # what cannot be opened has said so already
        if came is None:
            raise
        raise UserError(f"{came}; the run was trained on {preprocess.trained_on}") from error


def _other_kind(preprocess: Preprocess, values: Any, key: str | None) -> str | None:
    """Return what values are, after the name of their file, or None where training had the same kind."""
    if preprocess.read_options(folder=False).get("like") is not None:
        return None  # recordings come as tables, as arrays and as files of their own
    named = named_by_path(values)
    place = Path(values).expanduser() if isinstance(values, str | Path) else None
    name = "" if place is None else f"{place.name}: "
    if named and are_recordings(values, Options.of().cutting):
        if preprocess.modality == "series":
            return None
        shards = {path.suffix.lower() for path in files_of(values)} <= FORMATS.keys()
        several = "several files, one data set to encode and isotropy embed alone: give a single one"
        return f"{name}{several if shards else 'recordings'}"
    if place is not None and not is_one_file(place):
        if preprocess.modality == "image" or not place.exists():
            return None
        return f"{name}{'a folder of images' if place.is_dir() else 'an image'}"
    content = as_pandas(values) if place is None else read_file(place)
    if isinstance(content, Archive):
        key = content.choose() if key is None else key
        content, name = content[key], f"{name[:-2]}, {key}: "
    if isinstance(content, pd.DataFrame):
        return f"{name}a table" if _is_other_table(preprocess, content) else None
    array = as_values(content)
    try:
        infer_modality(array, preprocess.modality, scale=preprocess.read_options(folder=False).get("scale"))
    except UserError:
        return f"{name}an array {array.shape}" + (" of texts" if array.dtype.kind in "OSU" else "")
    return None


def _is_other_table(preprocess: Preprocess, frame: pd.DataFrame) -> bool:
    """Return whether a table holds no rows that training could have had: no images, no series, no numbers of one."""
    if preprocess.takes_frames:
        return False
    if preprocess.modality == "image":
        held = any(isinstance(one, bytes | dict | np.ndarray | list) for one in frame.iloc[:1].to_numpy().flat)
        return not held and paths_column(frame) is None
    return not series_columns(frame) and not all(dtype.kind in "biuf" for dtype in frame.dtypes)
