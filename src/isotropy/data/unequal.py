"""Series of unequal length: from lists of arrays to one array that NaN fills up, and how long each of its rows is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import lengths
from isotropy.data.tensors import Pieces, as_array, pieces
from isotropy.errors import UserError, listed, nearest

FIRST, LAST = "first", "last"  # where channels stand: before the steps, or behind them
_TRANSPOSED = "give channels='last' (--channels last)"


def as_values(values: Any, channels: Any = None) -> NDArray[Any]:
    """Return what `as_array` does; series of unequal length as one array (N, C, T) with NaN behind their ends.

    Args:
        values: an array or a tensor, or series of unequal length: a list, a column or an array of objects whose
            elements are arrays (channels, time), or (time,) of one channel; a table (N, C) of such columns.
        channels: "last" where series are (samples, time, channels), or a list's elements (time, channels). Where it is
            not said, the first axis of a list's elements is time if they differ in it alone.

    Raises: UserError for elements that are no series, or differ in their channels; each is named by its place.

    Example:
        >>> as_values([[1.0, 2.0, 3.0], [4.0]]).tolist()
        [[[1.0, 2.0, 3.0]], [[4.0, nan, nan]]]
    """
    if isinstance(values, Tensor) and values.is_nested:
        values = list(values.unbind())
    gathered = gather(values, channels)
    array = as_array(gathered)
    if channels != LAST or gathered is not values:
        return array
    if array.ndim != 3:
        raise UserError(
            f"channels = 'last' is of series (samples, time, channels), and this array has the shape {array.shape}"
        )
    return array.transpose(0, 2, 1)


def gather(values: Any, channels: Any = None) -> Any:
    """Return series of unequal length as `as_values` does, and anything else as it is; raises what it raises."""
    return padded(_elements(values), channels) if _are_series(values) else values


def holds_series(frame: pd.DataFrame) -> bool:
    """Return whether a table has columns of arrays of several lengths, which are the channels of one series a row.

    Raises: UserError where columns of numbers stand beside them: which of the two is meant cannot be seen.
    """
    held = [name for name in _held(frame) if len({_shape(one) for one in frame[name]} - {()}) > 1]
    if not held:
        return False
    if numbers := [str(name) for name in frame.columns if frame[name].dtype.kind in "biufcmM"]:
        dropped = " ".join(f"--drop {name}" for name in held)
        raise UserError(
            f"column {held[0]!r} holds series of several lengths, and {listed(numbers, 3)} numbers: --modality series "
            f"reads the series alone, {dropped} leaves them out"
        )
    return True


def series_columns(frame: pd.DataFrame, wanted: Sequence[str] | None = None) -> list[str]:
    """Return the columns of a table that hold the channels of each row's series: those wanted, or all of arrays.

    Raises: UserError for one that is wanted and missing.

    Example:
        >>> series_columns(pd.DataFrame({"x": [[1.0], [2.0, 3.0]], "who": ["a", "b"]}))
        ['x']
    """
    for name in wanted or ():
        if name not in frame.columns:
            raise UserError(f"the data have no column {name!r} of series{nearest(name, map(str, frame.columns))}")
    return list(wanted or _held(frame))


def _held(frame: pd.DataFrame) -> list[str]:
    objects = {name: frame[name].dropna() for name in frame.columns if frame[name].dtype == object}
    return [
        name
        for name, there in objects.items()
        if len(there) and _shape(there.iloc[0]) != () and not _are_of_texts(there)
    ]


def _are_of_texts(lists: "pd.Series[Any]") -> bool:
    """Return whether lists are of texts, as tags: the first that holds something says it."""
    first = next((one for one in lists if _shape(one) not in ((), (0,))), [0.0])
    return isinstance(first[0], str)


def padded(series: Sequence[Any], channels: Any = None) -> NDArray[Any]:
    """Return series (C, T_i) or (T_i,) as one array (N, C, longest) of floats with NaN behind each one's end.

    float32 where all are of at most 16 bits or float32, else float64. See `as_values`.
    """
    arrays = [_numbers(one, place) for place, one in enumerate(series)]
    if channels == LAST or (channels is None and _differ(arrays, 0) and not _differ(arrays, 1)):
        arrays = [one.T for one in arrays]
    first = len(arrays[0])
    for place, one in enumerate(arrays):
        if len(one) != first:
            hint = "" if channels == LAST else f" (of (time, channels) arrays {_TRANSPOSED})"
            raise UserError(
                f"series 0 has {first} channels and series {place} has {len(one)}: give arrays (channels, time) of "
                f"the same channels{hint}"
            )
        if one.shape[1] == 0:
            raise UserError(f"series {place} has no steps: leave it out")
    small = all(one.dtype.itemsize <= (4 if one.dtype.kind == "f" else 2) for one in arrays)
    out = np.full(
        (len(arrays), first, max(one.shape[1] for one in arrays)), np.nan, dtype=np.float32 if small else np.float64
    )
    for row, one in zip(out, arrays, strict=True):
        row[:, : one.shape[1]] = one
    return out


def ends(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many steps each series of (N, C, T) has, (N,): behind them NaN stands in all channels.

    A series without any value is as long as the array.

    Example:
        >>> ends(np.array([[[1.0, np.nan, 2.0]], [[3.0, np.nan, np.nan]]])).tolist()
        [3, 1]
    """
    if isinstance(array, Pieces):
        return np.concatenate([ends(one) for one in array.read()])
    out = np.full(len(array), array.shape[2], dtype=np.int64)
    if array.dtype.kind != "f" or array.shape[2] == 0:
        return out
    early = np.flatnonzero(np.isnan(array[:, :, -1]).all(axis=1))
    for part, piece in pieces(array, early):
        steps = lengths(torch.from_numpy(~np.isnan(piece))).numpy()
        out[early[part]] = np.where(steps > 0, steps, array.shape[2])
    return out


def _are_series(values: Any) -> bool:
    """Return whether values are a collection of arrays, and no array that numpy makes of them as it is."""
    if isinstance(values, Tensor):
        return False
    if isinstance(values, list | tuple):
        shapes = {_shape(one) for one in values}
        if () in shapes and len(shapes) > 1:
            place = next(n for n, one in enumerate(values) if _shape(one) == ())
            raise UserError(
                f"element {place} of the list is {values[place]!r:.40}, and others are arrays: leave it out"
            )
        return len(shapes) > 1
    if not hasattr(values, "__array__") and not isinstance(values, np.ndarray):
        return False
    array = np.asarray(values)
    return array.dtype == object and array.size > 0 and array.ndim in (1, 2) and _shape(array.flat[0]) != ()


def _shape(one: Any) -> tuple[int, ...]:
    """Return the shape of an element of a list, () where it is none."""
    if isinstance(one, list | tuple | np.ndarray) and not (isinstance(one, np.ndarray) and one.ndim == 0):
        inner = _shape(one[0]) if len(one) and (isinstance(one, list | tuple) or one.dtype == object) else ()
        return one.shape if isinstance(one, np.ndarray) and one.dtype != object else (len(one), *inner)
    return tuple(getattr(one, "shape", ()))


def _elements(values: Any) -> list[Any]:
    """Return the series of a collection; of columns (N, C) each row's together."""
    if isinstance(values, list | tuple):
        return list(values)
    array = np.asanyarray(values)
    if array.ndim == 1:
        return list(array)
    for place, row in enumerate(array):
        if len(lengths := {_shape(one) for one in row}) > 1:
            steps = ", ".join(str(shape[0] if shape else 0) for shape in sorted(lengths))
            raise UserError(f"series {place}: its columns have {steps} steps: give each row's columns the same length")
    return [[*row] for row in array]


def _numbers(one: Any, place: int) -> NDArray[Any]:
    """Return one series as an array (C, T) of numbers."""
    if one is None:
        raise UserError(f"series {place} is missing: leave it out")
    if isinstance(one, np.ndarray) and one.dtype == object:
        one = list(one)
    try:
        nested = isinstance(one, list) and len(one) and _shape(one[0]) != ()
        array = np.stack([as_array(row) for row in one]) if nested else as_array(one)
    except ValueError as error:
        raise UserError(f"series {place}: its channels differ in length: fill the shorter ones up with NaN") from error
    if isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    if array.dtype.kind not in "biuf":
        raise UserError(f"series {place} is of type {array.dtype}: give arrays of numbers")
    if array.ndim not in (1, 2):
        images = " (images of several sizes: bring them to one, or give a folder of files)" if array.ndim == 3 else ""
        raise UserError(f"series {place} has the shape {array.shape}: give arrays (channels, time), or (time,){images}")
    return array[None] if array.ndim == 1 else array


def _differ(arrays: Sequence[NDArray[Any]], axis: int) -> bool:
    return len({one.shape[axis] for one in arrays}) > 1
