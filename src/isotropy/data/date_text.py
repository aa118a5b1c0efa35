"""Dates, times of day and durations as people write them: "31/12/2024", "Dec 31, 2024", "13:45", "36:15:00"."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Texts = NDArray[np.object_]
ORDERS = ("dmy", "mdy", "ymd")
_DAY = 86_400.0
_CLOCK = (
    r"(?:[ T](?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_NUMERIC = rf"(?P<a>\d{{1,4}})(?P<mark>[/.\-])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{4}}|\d{{1,2}}){_CLOCK}"
_NAMED = rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\.?[ \-](?P<name>[A-Za-z]{{3,9}})\.?,?[ \-](?P<year>\d{{4}}){_CLOCK}"
_NAME_FIRST = rf"(?P<name>[A-Za-z]{{3,9}})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}}){_CLOCK}"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:\.\d+)?))?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
_SPAN = (
    r"(?:(?P<days>\d+) ?d(?:ays?)?,? )?"
    r"(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d(?:\.\d+)?))?"
)
_MONTHS = {
    name: place
    for place, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}


def find_order(texts: Texts, counts: NDArray[np.int64]) -> tuple[str, float, bool]:
    """Return in which order most dates stand, the fraction of values that are dates in it, and whether it is sure.

    Args:
        texts: different values (U,). counts: how often each occurs (U,).

    Example:
        >>> find_order(np.array(["31/12/2024", "01/02/2024"], dtype=object), np.array([1, 1]))
        ('dmy', 1.0, True)
    """
    shares = {order: float(counts[~np.isnan(parse_dates(texts, order))].sum() / counts.sum()) for order in ORDERS[:2]}
    order = "mdy" if shares["mdy"] > shares["dmy"] else "dmy"
    if shares["dmy"] != shares["mdy"]:
        return order, shares[order], True
    numeric = pd.Series(texts, dtype=object).str.fullmatch(_NUMERIC).to_numpy(dtype=bool)
    year_first = pd.Series(texts, dtype=object).str.match(r"\d{4}").to_numpy(dtype=bool)
    return order, shares[order], not (numeric & ~year_first).any()


def iso_dates(texts: Texts, counts: NDArray[np.int64]) -> Texts:
    """Return dates of digits (U,) in the order of ISO 8601, what is behind the day as it was; other texts as they are.

    Args:
        texts: different values (U,). counts: how often each occurs (U,), by which the order is found; where no date
            tells days from months, texts stay as they are.

    Example:
        >>> iso_dates(np.array(["31.12.2024 09:30:00,5", "2.1.2025"], dtype=object), np.array([1, 1])).tolist()
        ['2024-12-31 09:30:00.5', '2025-01-02']
    """
    order, share, sure = find_order(texts, counts)
    if not sure or share < 1:
        return texts
    day, month = (1, 3) if order == "dmy" else (3, 1)
    text = pd.Series(texts, dtype=object).str.strip()

    def of_four(match: re.Match[str]) -> str:
        return f"{match[4]}-{int(match[month]):02}-{int(match[day]):02}"

    text = text.str.replace(r"^(\d{1,2})([/.\-])(\d{1,2})\2(\d{4})(?!\d)", of_four, regex=True)
    text = text.str.replace(r"^(\d{4})[/.](\d{2})[/.](\d{2})(?!\d)", r"\1-\2-\3", regex=True)
    return np.asarray(text.str.replace(r"(:\d{2}),(\d+)$", r"\1.\2", regex=True), dtype=object)


def parse_dates(texts: Texts, order: str) -> NDArray[np.float64]:
    """Return dates (U,) as seconds since 1970, NaN for what is none; `order` is "dmy" or "mdy" where no year is first.

    A year of two digits is from 1969 to 2068, and is one only among parts of two digits.

    Example:
        >>> dates = np.array(["2/1/1970", "1970-01-02 00:00", "Jan 2, 1970", "30/2/1970"], dtype=object)
        >>> parse_dates(dates, "dmy").tolist()
        [86400.0, 86400.0, 86400.0, nan]
    """
    text = pd.Series(texts, dtype=object).str.strip()
    found = text.str.extract(rf"^{_NUMERIC}$")
    numbers = found[["a", "b", "c"]].apply(pd.to_numeric, errors="coerce")
    width = found["a"].str.len()
    year_first = (width == 4) & (found["c"].str.len() < 3)
    short = ~year_first & (found["c"].str.len() < 3)
    whole = ~short | ((width == 2) & (found["b"].str.len() == 2) & (found["c"].str.len() == 2))
    year = numbers["c"].where(~short, numbers["c"] + np.where(numbers["c"] < 69, 2000, 1900))
    day, month = (numbers["a"], numbers["b"]) if order == "dmy" else (numbers["b"], numbers["a"])
    year, month, day = (
        own.where(~year_first, first)
        for own, first in ((year, numbers["a"]), (month, numbers["b"]), (day, numbers["c"]))
    )
    # A day of three or four digits is none, and falls out below.
    seconds = _seconds(year.where(whole), month, day, found)
    for pattern in (_NAMED, _NAME_FIRST):
        if not np.isnan(seconds).any():
            break
        found = text.where(np.isnan(seconds)).str.extract(rf"^{pattern}$")
        month = found["name"].str.lower().str[:3].map(_MONTHS)
        named = _seconds(pd.to_numeric(found["year"]), month, pd.to_numeric(found["day"]), found)
        seconds = np.where(np.isnan(seconds), named, seconds)
    return seconds


def parse_times(texts: Texts) -> NDArray[np.float64]:
    """Return times of day (U,) as seconds since midnight, NaN for what is none.

    Example:
        >>> parse_times(np.array(["01:00", "1:00 PM", "00:00:30", "25:00"], dtype=object)).tolist()
        [3600.0, 46800.0, 30.0, nan]
    """
    found = pd.Series(texts, dtype=object).str.strip().str.extract(rf"^{_TIME}$")
    return np.asarray(_clock(found).where(found["hour"].notna()), dtype=np.float64)


def parse_durations(texts: Texts) -> NDArray[np.float64]:
    """Return durations (U,) as seconds, NaN for what is none: "36:15:00", "2 days 03:00", "PT1H30M".

    Example:
        >>> parse_durations(np.array(["36:00:00", "1 day, 01:00:00", "PT90S", "soon"], dtype=object)).tolist()
        [129600.0, 90000.0, 90.0, nan]
    """
    text = pd.Series(texts, dtype=object).str.strip()
    found = text.str.extract(rf"^{_SPAN}$").apply(pd.to_numeric, errors="coerce")
    seconds = (
        found["hours"] * 3600 + found["minutes"] * 60 + found["seconds"].fillna(0) + found["days"].fillna(0) * _DAY
    )
    iso = text.where(text.str.match(r"-?P[\dT]"))
    spans = pd.to_timedelta(iso, errors="coerce").dt.total_seconds()
    return np.asarray(seconds.where(seconds.notna(), spans), dtype=np.float64)


def _clock(found: pd.DataFrame) -> "pd.Series[Any]":
    """Return seconds since midnight, NaN where the hour is none."""
    hour = pd.to_numeric(found["hour"]).fillna(0)
    half = found["half"].str.lower()
    hour = hour.where(half.isna(), hour % 12 + 12.0 * (half == "p"))
    seconds = hour * 3600 + pd.to_numeric(found["minute"]).fillna(0) * 60 + pd.to_numeric(found["second"]).fillna(0)
    return seconds.where((hour < 24) & (pd.to_numeric(found["minute"]).fillna(0) < 60))


def _seconds(year: Any, month: Any, day: Any, found: pd.DataFrame) -> NDArray[np.float64]:
    parts = pd.DataFrame({"year": year, "month": month, "day": day})
    there = parts.notna().all(axis=1) & parts["month"].between(1, 12) & parts["day"].between(1, 31)
    there &= parts["year"].between(1678, 2261)
    dates = pd.to_datetime(parts.where(there), errors="coerce")
    return np.asarray((dates - pd.Timestamp(0)) / pd.Timedelta(seconds=1) + _clock(found), dtype=np.float64)
