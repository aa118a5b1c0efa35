"""One column of a table: what kind it is, and its values as numbers or as names."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from isotropy.errors import UserError

Kind = Literal["numeric", "boolean", "datetime", "categorical"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Above this fraction of values that are no numbers a column of text is taken to be meant as text.
STRAY = 0.05
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"
TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
# What pandas calls the values of a column of objects.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "timedelta", "timedelta64", "empty")
DATES = ("datetime", "datetime64", "date")


def kind_of(column: "pd.Series[Any]") -> Kind:
    """Return the kind of a training column: by its type and, for text and objects, by its values.

    Text that is a number in every row is numeric, an ISO date in every row a date, and all else categorical.

    Raises:
        UserError: a few values are text where all others are numbers; the cells hold lists or other objects.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "categorical"
    if types.is_bool_dtype(column.dtype):
        return "boolean"
    if types.is_datetime64_any_dtype(column.dtype):
        return "datetime"
    if types.is_complex_dtype(column.dtype):
        raise UserError(f"column {column.name!r} holds complex numbers: split it into two real columns")
    if types.is_numeric_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return "numeric"
    return _kind_of_objects(column)


def _kind_of_objects(column: "pd.Series[Any]") -> Kind:
    present = column.dropna()
    inferred = types.infer_dtype(present, skipna=True)
    if inferred == "boolean":
        return "boolean"
    if inferred in NUMBERS + DATES:
        return "numeric" if inferred in NUMBERS else "datetime"
    if inferred != "string":
        _refuse_containers(present)
    text = present.astype(str).str.strip()
    stray = pd.to_numeric(text, errors="coerce").isna().to_numpy()
    if not stray.any():
        return "numeric"
    if len(text) >= 5 and stray.sum() <= max(1, STRAY * len(text)):
        raise UserError(
            f"{_cell(present, int(stray.argmax()))} is not a number, but {len(text) - int(stray.sum())} other values "
            "are: fix it, or name it as missing (na)"
        )
    return "datetime" if text.str.fullmatch(ISO_DATE).all() else "categorical"


def _refuse_containers(present: "pd.Series[Any]") -> None:
    for row, value in present.items():
        if not (isinstance(value, str) or np.isscalar(value) or hasattr(value, "isoformat")):
            raise UserError(
                f"column {present.name!r}, row {row}: a cell holds {type(value).__name__}, not a number or text: "
                "spread it over columns of its own, or take the column out"
            )
        if isinstance(value, bytes):
            raise UserError(f"column {present.name!r} holds raw bytes: decode them, or take the column out")


def as_numbers(column: "pd.Series[Any]", kind: Kind) -> NDArray[np.float64]:
    """Return a column as (N,) float64, NaN where missing: dates as seconds since 1970 (UTC), durations as seconds.

    Raises:
        UserError: a value that is none of this kind, or is infinite; column, row and value are named.
    """
    dtype = column.dtype
    if kind == "datetime":
        numbers = _spread(column, _seconds, "a date")
    elif kind == "boolean":
        numbers = _spread(column, _truth, "true or false")
    elif types.is_timedelta64_dtype(dtype):
        numbers = column.dt.total_seconds().to_numpy(np.float64)
    elif types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        numbers = column.to_numpy(np.float64, na_value=np.nan)
    else:
        numbers = _spread(column, _parsed, "a number")
    infinite = np.isinf(numbers)
    if infinite.any():
        raise UserError(
            f"column {column.name!r}, row {column.index[int(infinite.argmax())]}: infinite value "
            f"({int(infinite.sum())} in the column): replace it by a number or leave the cell empty"
        )
    return numbers


def _spread(
    column: "pd.Series[Any]", parse: Callable[["pd.Series[Any]"], "pd.Series[Any]"], wanted: str
) -> NDArray[np.float64]:
    """Return what `parse` makes of the values that are there, NaN elsewhere; refuse the first that it does not know."""
    present = column.dropna()
    parsed = parse(present)
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        raise UserError(
            f"{_cell(present, int(wrong.argmax()))} is not {wanted}, as the column was in training: fix it, or name it "
            "as missing (na)"
        )
    numbers = np.full(len(column), np.nan)
    numbers[column.notna().to_numpy()] = parsed.to_numpy(np.float64)
    return numbers


def _parsed(present: "pd.Series[Any]") -> "pd.Series[Any]":
    if isinstance(present.dtype, pd.CategoricalDtype) or types.is_datetime64_any_dtype(present.dtype):
        present = present.astype(object)
    # A date would be parsed to nanoseconds: as text it is what it is here, no number.
    text = present.map(lambda value: str(value) if hasattr(value, "isoformat") else value)
    if types.infer_dtype(text, skipna=True) in ("timedelta", "timedelta64"):
        text = pd.to_timedelta(text).dt.total_seconds()
    return pd.to_numeric(text, errors="coerce").astype(np.float64)


def _seconds(present: "pd.Series[Any]") -> "pd.Series[Any]":
    if types.is_numeric_dtype(present.dtype) and len(present):
        raise UserError(f"{_cell(present, 0)} is not a date, as the column was in training")
    text = types.infer_dtype(present, skipna=True) == "string"
    dates = pd.to_datetime(present, utc=True, errors="coerce", format="ISO8601" if text else None)
    if dates.isna().any():
        # To be refused; of values none of which is a date pandas forgets the time zone.
        return dates
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)


def _truth(present: "pd.Series[Any]") -> "pd.Series[Any]":
    return present.astype(str).str.strip().str.lower().map(TRUTH).astype(np.float64)


def _cell(column: "pd.Series[Any]", place: int) -> str:
    """Return where a cell is and what the user wrote there: numpy's own numbers print their type."""
    value = column.iloc[place]
    shown = value.item() if isinstance(value, np.generic) else value
    return f"column {column.name!r}, row {column.index[place]}: {shown!r}"


def as_names(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], list[str]]:
    """Return a categorical column as places (N,) in a list of names, -1 where a value is missing, and the list.

    A whole number has one name whether it came as 1, 1.0 or "1" (a missing value turns integers to floats),
    so a name may stand in the list twice. UserError where a cell holds a list or the like.
    """
    # Text and categories are looked up as they are stored, four times as fast as as objects.
    known = isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype))
    try:
        places, values = pd.factorize(column if known else column.astype(object))
    except TypeError as error:
        raise UserError(f"column {column.name!r} holds cells that are neither numbers nor text: {error}") from error
    return places, [_name(value) for value in values]


def _name(value: Any) -> str:
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value) if whole else value)
