"""What rows belong together and when they were recorded: columns that divide rows and are never an input."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.columns import ISO_DATE
from isotropy.data.data import Data
from isotropy.data.date_text import iso_dates
from isotropy.data.target_columns import Target, one_per_row
from isotropy.data.written_labels import numbers_of_texts
from isotropy.errors import UserError, counted, plain

_WHOLE = r"^(-?\d+)\.0*$"
_AS_DATE = 10**16


def check_division(names: dict[str, Any]) -> None:
    """Raise UserError where two options say what the parts are, or one column is two things.

    Args:
        names: what is given for each of these options; None where nothing is.
    """
    given = [name for name in ("split", "test_key", "group", "time") if names[name] is not None]
    if len(given) > 1 and given != ["split", "test_key"]:
        raise UserError(f"{given[0]} and {given[1]} both say what the test part is: give one of them")
    label, split = names["label"], names["split"]
    if isinstance(label, list | tuple) and isinstance(split, str) and split in label:
        raise UserError(f"{split!r} cannot be both the label and the split")
    for option in ("group", "time"):
        column = names[option]
        for other, given_there in (("label", names["label"]), ("label", names["label_key"]), ("values", names["key"])):
            several = given_there if isinstance(given_there, list | tuple) else [given_there]
            if isinstance(column, str) and any(isinstance(one, str) and one == column for one in several):
                raise UserError(f"{column!r} cannot be both the {other} and the {option}")


def with_division(data: Data, group: Target, time: Target) -> Data:
    """Return the data with its groups or times; the parts that it was found with are then not taken.

    Raises:
        UserError: not one value per row, one value only, or times that are neither numbers nor dates.
    """
    if group.values is None and time.values is None:
        return data
    said = [data.description]
    if data.split is not None:
        said.append(f"those parts are not taken, but {'groups' if time.values is None else 'times'}")
    if group.values is not None:
        groups = as_groups(group.values, len(data), group.source)
        said.append(f"groups from {group.source} ({len(pd.unique(groups)):,})")
        data = replace(data, groups=groups)
    else:
        data = replace(data, times=as_times(time.values, len(data), time.source))
        said.append(f"times from {time.source}")
    return replace(data, split=None, description="; ".join(said))


def as_groups(values: Any, rows: int, name: str = "given") -> NDArray[Any]:
    """Return one group per row, (N,) texts or numbers.

    Raises:
        UserError: not one value per row, one group only, or a row without one.

    Example:
        >>> as_groups(["anna", "ben", "anna"], 3).tolist()
        ['anna', 'ben', 'anna']
    """
    column = one_per_row(values, rows, f"group {name!r}")
    distinct = column.nunique(dropna=False)
    if distinct < 2:
        only = "no value" if column.isna().all() else f"{plain(column.iloc[0])!r}"
        raise UserError(f"group {name!r} holds {only} in every row: a split needs at least two groups")
    refuse_missing(column.isna(), f"group {name!r}")
    return column.to_numpy(dtype=object)


def refuse_missing(missing: "pd.Series[bool]", what: str) -> None:
    """Raise UserError where a row has no group, by the index: it may be of any, and so of one across the split."""
    if missing.any():
        count = counted(int(missing.sum()), "row")
        raise UserError(
            f"{what} is missing in {count}, first in row {missing.idxmax()}: such rows could be of a group on the "
            "other side of the split; fill it, or drop them"
        )


def group_names(groups: Any, na: Collection[str] = ()) -> NDArray[np.object_]:
    """Return groups (N,) as texts that depend on no other row, so that parts of a column can be compared.

    Where a value is missing, pandas reads the whole numbers beside it as 1.0: they are texts without a fraction here.

    Args:
        groups: as `as_groups` takes them. na: texts that mean a missing value, which is the text "".

    Example:
        >>> group_names(pd.Series([7.0, None])).tolist(), group_names(pd.Series(["7", "07", "?"]), ["?"]).tolist()
        (['7', ''], ['7', '07', ''])
    """
    codes, distinct = pd.factorize(pd.Series(groups))
    texts = pd.Series([str(one) for one in distinct], dtype=object).str.replace(_WHOLE, r"\1", regex=True)
    names = texts.mask(texts.isin(list(na)), "").to_numpy(dtype=object)
    return np.append(names, "")[codes]  # of a missing value the code is -1


def as_times(values: Any, rows: int, name: str = "given") -> NDArray[Any]:
    """Return when each row was recorded, (N,) numbers that sort: numbers as they are, dates in nanoseconds.

    Example:
        >>> np.argsort(as_times(["2024-03-01", "2023-12-31", "2024-01-01"], 3)).tolist()
        [1, 2, 0]
    """
    column = one_per_row(values, rows, f"time {name!r}")
    times = sortable(column, name)
    if not (times != times[0]).any():
        raise UserError(f"time {name!r} is {column.iloc[0]} in every row: no row is before another")
    return times


def sortable(column: "pd.Series[Any]", name: str) -> NDArray[Any]:
    """Return the times of a column as numbers, as `as_times` does, which may all be the same; UserError names a row."""
    if column.isna().any():
        place = int(column.isna().to_numpy().argmax())
        raise UserError(f"time {name!r} is missing in row {column.index[place]}: fill it, or drop the row")
    if pd.api.types.is_bool_dtype(column.dtype):
        raise UserError(f"time {name!r} holds true and false, which are no times: use it as a split")
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column.to_numpy().astype("timedelta64[ns]").astype(np.int64)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _nanoseconds(column)
    text = column.astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    if not numbers.isna().any():
        return numbers.to_numpy()
    written = numbers_of_texts(text.to_numpy(dtype=object))
    if written.dtype.kind == "f":
        return written
    if not text.str.fullmatch(ISO_DATE).all():
        places, texts = pd.factorize(text)
        text = pd.Series(iso_dates(np.asarray(texts, dtype=object), np.bincount(places))[places], index=text.index)
    dates = pd.to_datetime(text.where(text.str.fullmatch(ISO_DATE)), errors="coerce", utc=True, format="ISO8601")
    wrong = dates.isna().to_numpy()
    if wrong.any():
        # Where the others are numbers or dates, it is the stray one that has to be found.
        stray = wrong & numbers.isna().to_numpy()
        place = int(stray.argmax() if stray.any() else wrong.argmax())
        raise UserError(
            f"time {name!r} cannot be sorted: {column.iloc[place]!r} (row {column.index[place]}) is no number "
            "and no date written as 2024-01-31 or 2024-01-31T12:00, or as 31.01.2024 where some day is above 12"
        )
    return _nanoseconds(dates)


def time_text(time: Any) -> str:
    """Return one of the times of `as_times` as people read it; whole numbers from 10^16 on are nanoseconds since 1970.

    Example:
        >>> time_text(as_times(["2024-03-01", "2024-03-02"], 2)[0]), time_text(0.5), time_text(1704067200.0)
        ('2024-03-01', '0.5', '1704067200')
    """
    if isinstance(time, int | np.integer) and abs(int(time)) >= _AS_DATE:
        return str(pd.Timestamp(int(time))).removesuffix(" 00:00:00")
    return str(time).removesuffix(".0")


def _nanoseconds(dates: "pd.Series[Any]") -> NDArray[np.int64]:
    """Return dates as nanoseconds since 1970; those without a zone are taken for UTC."""
    return np.asarray(pd.DatetimeIndex(pd.to_datetime(dates, utc=True)).as_unit("ns").asi8)
