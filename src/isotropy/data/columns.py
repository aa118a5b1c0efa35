"""The values of one column of a table, as numbers or as names."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from isotropy.data.date_text import parse_dates, parse_durations, parse_times
from isotropy.data.number_text import NumberText
from isotropy.data.odd_values import refuse_odd_values
from isotropy.errors import UserError

Kind = Literal["numeric", "boolean", "datetime", "categorical"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"
# Beyond these a date in microseconds does not fit into 64 bits.
_MOST_SECONDS = (1 << 63) // 10**6
# Whole numbers of Python have any length, and a float holds none beyond.
_MOST_NUMBER = 10**308
TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


def as_numbers(column: "pd.Series[Any]", kind: Kind, reading: tuple[str, ...] = ()) -> NDArray[np.float64]:
    """Return a column as (N,) float64, NaN where missing: dates as seconds since 1970 (UTC), durations as seconds.

    With a `reading` (see `column_kinds.Found`) what cannot be read by it is NaN, too, as are dates among times.

    Raises:
        UserError: a value that is none of this kind, or infinite; column, row and value are named. What no column may
            hold (`odd_values`).
    """
    refuse_odd_values(column, f"column {column.name!r}")
    dtype = column.dtype
    if isinstance(dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if reading and (reading[0] == "exact numbers" or not _plain_type(dtype, kind)):
        numbers = _read_texts(column, reading)
    elif kind == "datetime":
        numbers = _spread(column, _seconds, "a date")
    elif kind == "boolean":
        numbers = _spread(column, _truth, "true or false")
    elif types.is_timedelta64_dtype(dtype):
        numbers = column.dt.total_seconds().to_numpy(np.float64)
    elif types.is_numeric_dtype(dtype):
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


def _plain_type(dtype: Any, kind: Kind) -> bool:
    if kind == "datetime":
        return types.is_datetime64_any_dtype(dtype) or types.is_numeric_dtype(dtype)
    return types.is_numeric_dtype(dtype) or types.is_timedelta64_dtype(dtype)


_PARSERS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "numbers": lambda texts, decimal, unit: NumberText(decimal, unit).parse(texts),
    "dates": parse_dates,
    "times": parse_times,
    "durations": parse_durations,
    "exact numbers": lambda texts, origin: np.array([_apart(text, int(origin)) for text in texts], dtype=np.float64),
}


def _apart(text: str, origin: int) -> float:
    try:
        return float(Fraction(text) - origin)
    except (ValueError, OverflowError):
        return np.nan


def _read_texts(column: "pd.Series[Any]", reading: tuple[str, ...]) -> NDArray[np.float64]:
    """Return texts by a reading, each different one once; what is a number or a date already is taken as it is."""
    places, values = pd.factorize(column.astype(object))
    texts = np.array([str(value) for value in values], dtype=object)
    numbers = _PARSERS[reading[0]](texts, *reading[1:])
    for place, value in enumerate(values):
        if isinstance(value, str) or hasattr(value, "hour") and not hasattr(value, "year"):
            continue
        if reading[0] == "dates" and hasattr(value, "year"):
            numbers[place] = _seconds(pd.Series([value])).iloc[0]
        elif reading[0] in ("numbers", "durations"):
            numbers[place] = _parsed(pd.Series([value])).iloc[0]
    return np.append(numbers, np.nan)[places]


def _spread(
    column: "pd.Series[Any]", parse: Callable[["pd.Series[Any]"], "pd.Series[Any]"], wanted: str
) -> NDArray[np.float64]:
    """Return what `parse` makes of the values that are there, NaN elsewhere; refuse the first that it does not know."""
    present = column.dropna()
    parsed = parse(present)
    wrong = parsed.isna().to_numpy()
    if wrong.any():
        raise UserError(
            f"{cell(present, int(wrong.argmax()))} is not {wanted}, as the column was in training: fix it, or name it "
            "as missing (na)"
        )
    numbers = np.full(len(column), np.nan)
    numbers[column.notna().to_numpy()] = parsed.to_numpy(np.float64)
    return numbers


def _parsed(present: "pd.Series[Any]") -> "pd.Series[Any]":
    if isinstance(present.dtype, pd.CategoricalDtype) or types.is_datetime64_any_dtype(present.dtype):
        present = present.astype(object)
    text = present.map(_parsable)
    if types.infer_dtype(text, skipna=True) in ("timedelta", "timedelta64"):
        text = pd.to_timedelta(text).dt.total_seconds()
    numbers = pd.to_numeric(text, errors="coerce").astype(np.float64)
    if numbers.isna().any() and types.infer_dtype(text, skipna=True) == "string":
        # As pandas writes durations to a file; "01:30" alone would not be a duration for sure.
        spans = text.where(text.str.match(r"-?\d+ days?"))
        return numbers.where(numbers.notna(), parse_durations(spans.to_numpy(dtype=object)))
    return numbers


def _parsable(value: Any) -> Any:
    """Return a cell as pandas may take it for a number: dates as text, whole numbers that no float holds as missing."""
    # A date would be parsed to nanoseconds: as text it is what it is here, no number.
    if hasattr(value, "year") or hasattr(value, "hour"):
        return str(value)
    return np.nan if type(value) is int and abs(value) > _MOST_NUMBER else value


def _seconds(present: "pd.Series[Any]") -> "pd.Series[Any]":
    if types.is_numeric_dtype(present.dtype) and len(present):
        raise UserError(f"{cell(present, 0)} is not a date, as the column was in training")
    text = types.infer_dtype(present, skipna=True) == "string"
    dates = pd.to_datetime(present, utc=True, errors="coerce", format="ISO8601" if text else None)
    if dates.isna().any():
        # To be refused; of values none of which is a date pandas forgets the time zone.
        return dates
    # In microseconds, which reach from before year 1 to after year 9999; what lies beyond is refused.
    there = dates.dt.tz_localize(None)
    if there.dt.unit in ("s", "ms"):
        there = there.where(there.dt.as_unit("s").astype(np.int64).abs() < _MOST_SECONDS)
        if there.isna().any():
            return there
    return there.dt.as_unit("us").astype(np.int64) / 1e6


def _truth(present: "pd.Series[Any]") -> "pd.Series[Any]":
    return present.astype(str).str.strip().str.lower().map(TRUTH).astype(np.float64)


def cell(column: "pd.Series[Any]", place: int) -> str:
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
