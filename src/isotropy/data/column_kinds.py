"""What kind a column of a table is, and how its texts are read: by its type, or by its values."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from isotropy.data.columns import ISO_DATE, KINDS, Kind, cell
from isotropy.data.date_text import find_order, parse_dates, parse_durations, parse_times
from isotropy.data.number_text import SAMPLE, NumberText
from isotropy.data.odd_values import refuse_odd_values
from isotropy.errors import UserError

# What a user may say that a column is: a kind, free text, or dates of an order.
WANTED = (*KINDS, "text", "dmy", "mdy")
# Above this fraction of values that are no numbers a column of text is taken to be meant as text.
STRAY = 0.05
# What pandas calls the values of a column of objects.
NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "timedelta", "timedelta64", "empty")
DATES = ("datetime", "datetime64", "date")
_EXACT = 1 << 53  # the largest whole number up to which a float holds all

# Numbers that name places: their size means nothing.
_POSTAL = re.compile(r"(?i)(?:^|[^a-z])(?:zip|plz|cep|zip_?code|postal_?code|post_?code|postleitzahl)(?:$|[^a-z])")
_ORDERS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}


@dataclass(frozen=True)
class Found:
    """What a training column is.

    Attributes:
        kind: one of `KINDS`, or "text" for texts that are described by their letters.
        reading: how its texts are read where that is not plain: ("numbers", decimal mark, unit), ("dates", order),
            ("times",) or ("durations",); ("exact numbers", origin) where some are too long for a float: the origin, a
            whole number, is taken off before they become floats.
        why: words for a line that says so, "" where there is no doubt.
    """

    kind: Kind | Literal["text"]
    reading: tuple[str, ...] = ()
    why: str = ""


def kind_of(column: "pd.Series[Any]", wanted: str | None = None) -> Found:
    """Return what a training column is: by its type and, for text and objects, by its values.

    Text is numeric where every row is a number, or at least 95% are in the convention of the column ("1.234,50 EUR",
    see `NumberText`); dates, times of day and durations likewise. Digits with leading zeros and whole numbers in a
    column called zip, postcode or the like are categorical, as is all else.

    Args:
        column: training values. wanted: one of `WANTED` where the user says what the column is.

    Raises:
        UserError: a few values are text where all others are plain numbers; the cells hold lists, complex numbers,
            half a letter or other objects; the column cannot be what is wanted.
    """
    refuse_odd_values(column, f"column {column.name!r}")
    if wanted is not None:
        return _as_wanted(column, wanted)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return Found("categorical")
    if types.is_bool_dtype(column.dtype):
        return Found("boolean")
    if types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return Found("datetime")
    if types.is_timedelta64_dtype(column.dtype):
        return Found("numeric")
    if types.is_numeric_dtype(column.dtype):
        return _of_places(column) or _of_long(column) or Found("numeric")
    return _kind_of_objects(column)


def _kind_of_objects(column: "pd.Series[Any]") -> Found:
    present = column.dropna()
    inferred = types.infer_dtype(present, skipna=True)
    if inferred == "boolean":
        return Found("boolean")
    if inferred == "time":
        return Found("datetime", ("times",))
    if inferred in ("integer", "decimal") and (long := _of_long(present)) is not None:
        return long
    if inferred in (*NUMBERS, *DATES, "period"):
        return Found("numeric" if inferred in NUMBERS else "datetime")
    if inferred != "string":
        _refuse_containers(present)
    text = present.astype(str).str.strip()
    stray = pd.to_numeric(text, errors="coerce").isna().to_numpy()
    if not stray.any():
        return _of_digits(text) or _of_long(text) or Found("numeric")
    found = _of_convention(text, stray)
    if found is not None:
        return found
    if len(text) >= 5 and stray.sum() <= max(1, STRAY * len(text)):
        raise UserError(
            f"{cell(present, int(stray.argmax()))} is not a number, but {len(text) - int(stray.sum())} other values "
            "are: fix it, or name it as missing (na)"
        )
    return Found("categorical")


def _of_places(column: "pd.Series[Any]") -> Found | None:
    if not _POSTAL.search(str(column.name)):
        return None
    present = column.dropna().to_numpy(np.float64)
    if len(present) and (present == np.round(present)).all() and present.min() >= 0 and present.max() >= 100:
        return Found("categorical", why="its name is that of a code of places, whose size means nothing")
    return None


def _of_long(column: "pd.Series[Any]") -> Found | None:
    """Return exact numbers where some are too long for a float, such as account numbers of 64 bits."""
    if types.is_float_dtype(column.dtype):
        return None
    present = column.dropna()
    try:
        numbers = pd.to_numeric(present, errors="coerce").to_numpy(np.float64)
    except OverflowError:
        return None  # Python's own whole numbers, of hundreds of digits
    if not len(present) or not np.isfinite(numbers).all() or np.abs(numbers).max() <= _EXACT:
        return None
    return Found("numeric", ("exact numbers", str(int(Fraction(str(present.iloc[0]))))))


def _of_digits(text: "pd.Series[Any]") -> Found | None:
    """Return categories for whole numbers of which some have leading zeros, which no number has."""
    padded = text.str.match(r"0\d")
    if padded.any() and text.str.fullmatch(r"\d+").all():
        return Found("categorical", why=f"digits with leading zeros, {text[padded].iloc[0]!r}")
    return _of_places(pd.to_numeric(text))


def _of_convention(text: "pd.Series[Any]", stray: NDArray[np.bool_]) -> Found | None:
    """Return the kind of a column whose texts are numbers, dates, times or durations in one way of writing them."""
    if text.str.fullmatch(ISO_DATE).all():
        return Found("datetime")
    texts, counts = _different(text)
    # All of these have digits: names of categories, which most columns of text hold, need not be tried as each.
    with_digits = pd.Series(texts, dtype=object).str.contains(r"\d").to_numpy(dtype=bool)
    if counts[with_digits].sum() < (1 - STRAY) * len(text):
        return None
    some = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), SAMPLE)).astype(np.int64))
    example = str(text[stray].iloc[0])

    def parsed(parse: Callable[[Any], NDArray[np.float64]]) -> bool:
        if counts[some][~np.isnan(parse(texts[some]))].sum() < 0.8 * counts[some].sum():
            return False
        return bool(counts[~np.isnan(parse(texts))].sum() >= (1 - STRAY) * len(text))

    numbers = NumberText.find(texts, counts)
    if numbers is not None and parsed(numbers.parse):
        plain = pd.to_numeric(pd.Series(texts), errors="coerce").isna().to_numpy()
        if (plain & ~np.isnan(numbers.parse(texts))).any():
            about = "; ".join(part for part in (str(numbers), f"as {example!r}") if part)
            return Found("numeric", ("numbers", numbers.decimal, numbers.unit), f"numbers ({about})")
    if parsed(parse_times):
        return Found("datetime", ("times",), f"times of day (as {example!r})")
    if parsed(parse_durations):
        return Found("numeric", ("durations",), f"durations (as {example!r})")
    order, _, sure = find_order(texts[some], counts[some])
    if parsed(lambda some: parse_dates(some, order)):
        guess = _ORDERS[order] if sure else f"{_ORDERS[order]}, a guess: --kind {text.name}=mdy for month first"
        return Found("datetime", ("dates", order), f"dates ({guess}; as {example!r})")
    return None


def _as_wanted(column: "pd.Series[Any]", wanted: str) -> Found:
    text = _is_text(column)
    strings = column.dropna().astype(str).str.strip() if text else None
    if wanted in ("categorical", "text", "boolean"):
        return Found(wanted)  # type: ignore[arg-type]
    if wanted == "numeric":
        if strings is None or pd.to_numeric(strings, errors="coerce").notna().all():
            return Found("numeric")
        with_digits = strings[strings.str.contains(r"\d")]
        numbers = (NumberText.find(*_different(with_digits)) if len(with_digits) else None) or NumberText()
        return Found("numeric", ("numbers", numbers.decimal, numbers.unit))
    if strings is None:
        return Found("datetime")
    order = wanted if wanted in _ORDERS else find_order(*_different(strings))[0]
    return Found("datetime", ("dates", order))


def _different(text: "pd.Series[Any]") -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the different texts (U,) in order of appearance, and how often each occurs (U,)."""
    places, values = pd.factorize(text)
    return np.asarray(values, dtype=object), np.bincount(places).astype(np.int64)


def _is_text(column: "pd.Series[Any]") -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _is_text(pd.Series(column.cat.categories))
    if types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
        return False
    return types.infer_dtype(column.dropna(), skipna=True) in ("string", "mixed", "mixed-integer")


def _refuse_containers(present: "pd.Series[Any]") -> None:
    for row, value in present.items():
        if not (isinstance(value, str) or np.isscalar(value) or hasattr(value, "isoformat")):
            held = "list" if isinstance(value, np.ndarray) else type(value).__name__  # of a parquet file
            raise UserError(
                f"column {present.name!r}, row {row}: a cell holds {held}, not a number or text: "
                f"spread it over columns of its own, or leave the column out (--drop {present.name})"
            )
        if isinstance(value, bytes):
            raise UserError(
                f"column {present.name!r} holds raw bytes: decode them, or leave the column out (--drop {present.name})"
            )
