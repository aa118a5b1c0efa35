"""Frames of any library as pandas' with columns of plain types, and what is asked of their names and cells."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow.interchange import from_dataframe
from torch import Tensor

from isotropy.data.column_names import column_name, numbered
from isotropy.data.odd_values import naming_half_letters, refuse_odd_values
from isotropy.data.sparse import is_sparse
from isotropy.data.tensors import as_array
from isotropy.errors import UserError

Table = pd.DataFrame | NDArray[Any] | Tensor

_LISTS = (list, tuple, np.ndarray)
# Lists of more cells than this are rather a series than columns of a table.
_WIDEST = 4096


def as_pandas(values: Any) -> Any:
    """Return a frame of any library as a pandas frame of plain columns, and anything else as it came.

    Taken are frames of pandas, tables of pyarrow, and what hands over its columns by the Arrow C stream or the
    dataframe protocol: polars (a lazy frame is collected), DuckDB, cuDF and others; arrays of records,
    lists of dictionaries and dictionaries of columns (N,). Levels of column names become one
    name, `pay_q1`, and columns of one name are numbered, `pay (1)`; Arrow's types become numpy's.

    Raises:
        UserError: a dictionary of anything but columns.

    Example:
        >>> as_pandas(pa.table({"a": [1, 2], "b": [True, None]})).columns.tolist()
        ['a', 'b']
    """
    with naming_half_letters("the table"):
        frame = _pandas(values)
    if not isinstance(frame, pd.DataFrame):
        return values
    frame = frame.set_axis(names_of(frame), axis=1)
    names = frame.columns
    arrow = {name: _from_arrow(frame[name]) for name in names if isinstance(frame[name].dtype, pd.ArrowDtype)}
    return frame.assign(**arrow) if arrow else frame


def names_of(frame: pd.DataFrame) -> list[str]:
    """Return what the columns of a frame of pandas are called: each a text, and no two of one name."""
    names = [column_name(name) for name in frame.columns]
    refuse_odd_values(names, "the name of a column")
    return numbered(names)


def arrow_names(schema: pa.Schema) -> dict[str, str]:
    """Return what each column of a file is called in it, by its name as one of a frame, in their order.

    They differ where pandas wrote levels of names, and where columns have one name; what it wrote as an index is none.

    Example:
        >>> arrow_names(pa.schema([("a", pa.int8()), ("b", pa.int8())]))
        {'a': 'a', 'b': 'b'}
    """
    about = (schema.pandas_metadata or {}).get("index_columns", [])
    names = names_of(arrow_to_pandas(schema.empty_table()))
    return dict(zip(names, (one for one in schema.names if one not in about), strict=True))


def read_arrow(
    read: Callable[[list[str] | None], pa.Table], names: Sequence[str], called: Mapping[str, str]
) -> pd.DataFrame:
    """Return columns of a file by their names as those of a frame, all of them where none is named.

    Args:
        read: returns all columns that have one of these names in the file, or all there are. called: see `arrow_names`.
    """
    table = read(list(dict.fromkeys(called[name] for name in names)) or None)
    frame: pd.DataFrame = as_pandas(arrow_to_pandas(table, ours=True))
    return frame[list(names)] if names else frame


def arrow_to_pandas(table: pa.Table, *, ours: bool = False) -> pd.DataFrame:
    """Return a table of pyarrow as a pandas frame; one that is `ours` alone is freed column by column, and unusable.

    Extension types are what they store, whether or not their library is imported; the names of a Hugging Face
    `ClassLabel`, which stand in the file's metadata, are categories. Columns of one name are numbered.
    """
    names = numbered(table.column_names)
    if names != table.column_names:
        table = table.rename_columns(names).replace_schema_metadata(table.schema.metadata)
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            column = table.column(place)
            stored = pa.chunked_array([chunk.storage for chunk in column.chunks], field.type.storage_type)
            table = table.set_column(place, field.name, stored)
        if pa.types.is_run_end_encoded(field.type):
            plain = pa.chunked_array([pc.run_end_decode(chunk) for chunk in table.column(place).chunks])
            table = table.set_column(place, field.name, plain)
    classes = _class_names(table.schema.metadata or {})
    frame = table.to_pandas(split_blocks=True, self_destruct=ours)
    for name, names in classes.items():
        if name in frame.columns and pd.api.types.is_numeric_dtype(frame[name].dtype):
            codes = frame[name].fillna(-1).to_numpy(np.int64)
            known = np.where((codes >= 0) & (codes < len(names)), codes, -1)
            frame[name] = pd.Series(pd.Categorical.from_codes(known, pd.Index(names)), index=frame.index)
    return frame


def _pandas(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.dtype.names and values.ndim == 1:
        return pd.DataFrame({name: values[name] for name in values.dtype.names})
    if isinstance(values, Mapping) and type(values).__module__.startswith("datasets."):
        held = (
            f"holds {', '.join(map(str, values))}: give one, as data[{next(iter(values))!r}]" if values else "is empty"
        )
        raise UserError(f"a {type(values).__name__} {held}")
    if isinstance(values, Mapping) and not is_sparse(values) and values:  # scipy's dictionaries of keys are mappings
        return _of_columns(values)
    if isinstance(values, list) and values and all(isinstance(row, Mapping) for row in values):
        return pd.DataFrame(values)
    if isinstance(values, pd.DataFrame | pd.Series | np.ndarray):
        return values
    if isinstance(values, pa.Table):
        return arrow_to_pandas(values)
    if callable(getattr(values, "collect", None)) and hasattr(values, "collect_schema"):
        return _pandas(values.collect())  # a lazy frame of polars
    if type(values).__module__.startswith("datasets.") and hasattr(values, "with_format"):
        return _pandas(values.with_format("arrow")[:])  # of the Hugging Face library: its rows as they are picked
    if hasattr(values, "__arrow_c_stream__") or isinstance(values, pa.RecordBatch):
        try:
            return arrow_to_pandas(pa.table(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
            return values  # one column and no frame
    if hasattr(values, "__dataframe__"):
        return arrow_to_pandas(from_dataframe(values))
    return values


def _of_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame({name: list(x) if isinstance(x, tuple) else x for name, x in columns.items()})
    except UnicodeEncodeError:
        raise  # a ValueError, too
    except ValueError as error:
        raise UserError(f"a dictionary is read as columns (N,) by name, and these are none: {error}") from error


def _from_arrow(column: "pd.Series[Any]") -> "pd.Series[Any]":
    array = pa.array(column.array)
    chunks = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    return arrow_to_pandas(pa.table({"x": chunks}))["x"].set_axis(column.index)


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of classes that the Hugging Face library left in a file's metadata, by column."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            name: [str(one) for one in about["names"]]
            for name, about in features.items()
            if about.get("_type") == "ClassLabel" and len(set(about["names"])) == len(about["names"])
        }
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return {}


def spread(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with columns `x[0]`, `x[1]`, ... at its end for each column x of lists of numbers of one length.

    Raises:
        UserError: lists that are rather series than columns.

    Example:
        >>> spread(pd.DataFrame({"a": [1, 2], "b": [[0.5, 1.0], [2.0, 3.0]]})).columns.tolist()
        ['a', 'b[0]', 'b[1]']
    """
    parts: list[pd.DataFrame] = []
    for name in frame.columns:
        column = frame[name]
        array = stacked(column) if column.dtype == object else None
        if array is None:
            continue
        flat = array.reshape(len(array), -1)
        if flat.shape[1] > _WIDEST:
            raise UserError(
                f"column {name!r} holds lists of {flat.shape[1]:,} values: take them as one array with key={name!r} "
                f"(--key {name}), or take the column out"
            )
        places = [f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(array.shape[1:])]
        parts.append(pd.DataFrame(flat, columns=places, index=frame.index))
        frame = frame.drop(columns=name)
    return pd.concat([frame, *parts], axis=1) if parts else frame


def spread_as(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return a frame that `spread` was called on with the columns `names` of lists that it could not spread.

    Those are missing where all lists are, as in a piece of a file.

    Raises:
        UserError: a list of another length, named by its row.

    Example:
        >>> spread_as(pd.DataFrame({"b": [None, None]}), ["b[0]", "b[1]"]).columns.tolist()
        ['b[0]', 'b[1]']
    """
    lists: dict[str, list[str]] = {}
    for name in names:
        source, _, place = name.rpartition("[")
        if place.endswith("]") and name not in frame.columns and source in frame.columns:
            lists.setdefault(source, []).append(name)
    for source, places in lists.items():
        column = frame[source]
        for row, cell in enumerate(column):
            if isinstance(cell, _LISTS) and (found := np.size(_nested(cell))) != len(places):
                raise UserError(
                    f"column {source!r}: row {column.index[row]} has {found} values, and in training rows had "
                    f"{len(places)}"
                )
        if column.notna().any():
            continue  # of another kind: named by whoever needs it
        nothing = pd.DataFrame(np.nan, index=frame.index, columns=places)
        frame = pd.concat([frame.drop(columns=source), nothing], axis=1)
    return frame


def stacked(column: "pd.Series[Any]") -> NDArray[Any] | None:
    """Return a column of lists of numbers (nested, too) of one length as (N, ...), NaN where missing; else None.

    Example:
        >>> stacked(pd.Series([[1, 2], None])), stacked(pd.Series([[1], [1, 2]]))
        (array([[ 1.,  2.],
               [nan, nan]]), None)
    """
    there = column.notna().to_numpy()
    if not there.any() or not isinstance(column.iloc[int(there.argmax())], _LISTS):
        return None
    cells = [_nested(cell) for cell in column[there]]
    if len({np.shape(cell) for cell in cells}) != 1 or not np.size(cells[0]):
        return None
    array = np.stack([np.asarray(cell) for cell in cells])
    if array.dtype == object and all(one is None or isinstance(one, int | float) for one in array.flat):
        array = array.astype(np.float64)
    if array.dtype.kind not in "biuf":
        return None
    if there.all():
        return array
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    out: NDArray[Any] = np.full((len(column), *array.shape[1:]), np.nan, dtype=array.dtype)
    out[there] = array
    return out


def _nested(cell: Any) -> Any:
    """Return a cell of lists of lists as an array; one of unequal lists as an array of objects."""
    if isinstance(cell, np.ndarray) and cell.dtype != object:
        return cell
    parts = [_nested(part) if isinstance(part, _LISTS) else part for part in cell]
    if len({np.shape(part) for part in parts}) > 1:
        return np.empty(len(parts), dtype=object)
    return np.asarray(parts)


def as_frame(values: Any) -> tuple[pd.DataFrame, bool]:
    """Return a table (N, D) as a frame with text names (an array's: x0, x1, ...), and whether these are the user's.

    Frames of other libraries are taken as `as_pandas` does, and columns of lists as `spread`.
    """
    values = as_pandas(values)
    if isinstance(values, pd.DataFrame):
        return spread(values), True
    array = as_array(values)
    if array.ndim != 2:
        raise UserError(f"a table has two dimensions (rows, columns); this array has shape {array.shape}")
    with naming_half_letters("the array"):
        frame = pd.DataFrame(array, columns=[f"x{place}" for place in range(array.shape[1])])
        return (frame.infer_objects() if array.dtype == object else frame), False
