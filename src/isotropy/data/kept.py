"""What stands beside the rows and is kept with their embeddings: an identifier, a label, a file's name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.archive import Archive
from isotropy.data.data import Data
from isotropy.data.readers import find_reader, is_one_file, read_columns
from isotropy.errors import UserError, nearest


def kept_columns(
    place: Path, names: Sequence[str], na: Sequence[str] = (), data: Data | None = None
) -> dict[str, NDArray[Any]]:
    """Return columns of what is at `place`, (N,) each, in the order of its rows: numbers, dates, booleans or texts.

    Args:
        names: columns of a table, arrays of an .npz, or "file" and "folder" of a folder of images.
        na: texts that mean a missing value. data: the rows, where they were read whole.

    Raises:
        UserError: an unknown name with the nearest, or a column of another length than the rows.
    """
    names = list(dict.fromkeys(names))
    if not names:
        return {}
    if not is_one_file(place):
        assert data is not None and data.files is not None
        folders = np.array([name.rpartition("/")[0] or None for name in data.files], dtype=object)
        found: Any = {"file": data.files, "folder": folders}
    elif find_reader(place).pieces is not None:
        found = read_columns(place, names, na)
    else:
        content = find_reader(place).read(place, na)
        if not isinstance(content, Archive | pd.DataFrame):
            raise UserError(f"{place.name} has no columns to keep: tables, .npz files and folders of images have")
        found = content if isinstance(content, pd.DataFrame) else {name: content[name] for name in names}
    for name in names:
        if name not in found:
            raise UserError(f"{place.name} has no {name!r} to keep{nearest(name, list(found))}")
    kept = {name: plain_values(found[name]) for name in names}
    for name, column in kept.items():
        if data is not None and column.shape != (len(data),):
            raise UserError(
                f"{name!r} of {place.name} has the shape {column.shape}, and there are {len(data)} rows to keep it with"
            )
    return kept


def plain_values(column: Any, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Return numbers, booleans and dates as they are, and anything else as texts, None where missing.

    Args:
        column: (N,). dtype: of the values; by default their own.
    """
    values: NDArray[Any] = column.to_numpy() if isinstance(column, pd.Series) else np.asarray(column)
    wanted = dtype or (values.dtype if values.dtype.kind in "biufM" else np.dtype(object))
    if wanted.kind != "O":
        return values.astype(wanted, copy=False)
    cells = pd.Series(values).astype(object) if values.dtype.kind == "M" else values  # dates as one writes them
    return np.array([None if np.ndim(one) == 0 and pd.isna(one) else str(one) for one in cells], dtype=object)
