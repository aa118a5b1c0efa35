"""Rows as they come, one by one or several together, gathered into pieces that go through the encoder together."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from isotropy.data.frames import as_pandas
from isotropy.errors import UserError


def gathered(items: Iterable[Any], shape: tuple[int, ...], most: int) -> Iterator[Any]:
    """Yield what `Representation.transform` takes: single rows together, at most `most`, and pieces as they come.

    Args:
        items: rows (a mapping of columns to values, or an array of one dimension less than several), pieces (frames,
            arrays, tensors), or batches of a DataLoader, of which the first part is taken.
        shape: of a row as it is stored, (columns,), (channels, time) or (channels, height, width).

    Example:
        >>> rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4}, pd.DataFrame({"a": [5], "b": [6]})]
        >>> [piece["a"].tolist() for piece in gathered(rows, (2,), 100)]
        [[1, 3], [5]]
    """
    if not isinstance(items, Iterable):
        raise UserError(f"encode: {type(items).__name__} is no iterable of rows, no data and no path")
    waiting: list[Any] = []
    for item in items:
        one = _first_part(item)
        if _is_row(one, shape):
            waiting.append(one)
        if waiting and (len(waiting) == most or waiting[-1] is not one):
            yield _together(waiting)
            waiting = []
        if not _is_row(one, shape) and len(one):
            yield one
    if waiting:
        yield _together(waiting)


def _first_part(item: Any) -> Any:
    """Return a row or a piece as a mapping, a frame, or an array."""
    if isinstance(item, str | bytes):
        raise UserError(f"encode: {item!r} is a text: give rows or pieces of them, or one path by itself")
    if isinstance(item, list | tuple) and item and isinstance(item[0], Tensor | np.ndarray) and item[0].ndim:
        item = item[0]
    if isinstance(item, pd.Series):
        item = item.to_dict()
    item = item if isinstance(item, Mapping) else as_pandas(item)
    if isinstance(item, Mapping | pd.DataFrame | Tensor | np.ndarray):
        return item
    array = np.asarray(item)
    if not array.ndim:
        raise UserError(
            f"encode: {type(item).__name__} is neither a row nor a piece of rows: mappings, arrays and frames are"
        )
    return array


def _is_row(item: Any, shape: tuple[int, ...]) -> bool:
    if isinstance(item, pd.DataFrame):
        return False
    if isinstance(item, Mapping) or item.ndim < len(shape):
        return True
    # Of one channel (N, T) are several series and (1, T) is one, whichever is meant.
    return item.ndim == len(shape) and (len(shape) == 1 or shape[0] > 1 or len(item) == 1)


def _together(rows: list[Any]) -> Any:
    if isinstance(rows[0], Mapping):
        return pd.DataFrame.from_records(rows)
    arrays = [row.numpy(force=True) if isinstance(row, Tensor) else row for row in rows]
    # Series of unequal length stay a list, which is padded as elsewhere.
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays
