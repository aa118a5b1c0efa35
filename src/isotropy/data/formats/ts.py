"""Series of the UEA and UCR archives, .ts: a header, then one case a line, its dimensions between colons."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.recordings.recording import Signals
from isotropy.errors import UserError

# A time and a value; a date has colons of its own, which divide no dimensions.
_PAIR = re.compile(r"\(\s*([^(),]+?)\s*,\s*([^(),]*?)\s*\)")


def read(path: Path) -> list[Signals]:
    """Return one record a line of data, with its class as it is written; "?" is a missing value, times are kept.

    Raises:
        UserError: no data, a value that is no number, a class that the header does not name, or dimensions that differ.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    begin = next((n for n, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if begin is None:
        raise UserError(f"{path} has no line @data: is it a .ts file of series?")
    header = _header(lines[:begin])
    timed = header.get("timestamps", "false").lower() == "true"
    kind = "classlabel" if "classlabel" in header else "targetlabel"
    declared = header.get(kind, "false").split()
    labelled = bool(declared) and declared[0].lower() == "true"
    classes = declared[1:] if kind == "classlabel" else []
    found: list[Signals] = []
    for number, line in enumerate(lines[begin + 1 :], begin + 2):
        text = line.strip()
        if text and not text.startswith(("#", "%")):
            found.append(_case(text, f"{path.name}, line {number}", len(found), timed, labelled, classes))
    if not found:
        raise UserError(f"{path} has no series behind @data")
    dimensions = len(found[0].names)
    for one in found:
        if len(one.names) != dimensions:
            raise UserError(f"{path}: case {one.name} has {len(one.names)} dimensions and case 0 has {dimensions}")
    if kind == "targetlabel" and labelled:
        numbers = pd.to_numeric(pd.Series([one.label for one in found]), errors="coerce").tolist()
        found = [_with_label(one, number) for one, number in zip(found, numbers)]
    return found


def _header(lines: list[str]) -> dict[str, str]:
    """Return what the header says, by names in lower case; values keep their case."""
    found = {}
    for line in lines:
        name, _, value = line.strip().partition(" ")
        if name.startswith("@"):
            found[name[1:].lower()] = value.strip()
    return found


def _with_label(one: Signals, label: float) -> Signals:
    return Signals(one.names, one.values, one.rates, one.name, label, one.start, one.times)


def _case(text: str, where: str, place: int, timed: bool, labelled: bool, classes: list[str]) -> Signals:
    label = None
    if labelled:
        text, colon, label = text.rpartition(":")
        label = label.strip()
        if not colon:
            raise UserError(f"{where}: has no class behind its series, and the header says that there is one")
        if classes and label not in classes and label != "?":
            raise UserError(
                f"{where}: the class {label!r} is not one of those in the header ({', '.join(classes[:5])})"
            )
        label = None if label == "?" else label
    # A colon inside of brackets is of a time of day.
    dimensions = [part.strip() for part in re.split(r":(?![^(]*\))", text)]
    pairs = [part.startswith("(") for part in dimensions if part]
    if any(pairs) and not timed and not all(pairs):
        raise UserError(f"{where}: some dimensions have times and others have none")
    if not (timed or any(pairs)):
        values = [_numbers(part.split(","), where) for part in dimensions]
        return Signals(_names(values), values, [None] * len(values), str(place), label)
    values, times, starts = [], [], []
    for part in dimensions:
        found = _PAIR.findall(part)
        if _PAIR.sub("", part).strip(", "):
            raise UserError(f"{where}: {_PAIR.sub('', part).strip(', ')[:30]!r} is no pair (time,value)")
        values.append(_numbers([value for _, value in found], where))
        own, start = _seconds([time for time, _ in found], where)
        times.append(own)
        starts.append(start)
    first = min((start for start in starts if start is not None), default=None)
    if first is not None:
        times = [own + (start - first) / np.timedelta64(1, "s") for own, start in zip(times, starts)]
    return Signals(_names(values), values, [None] * len(values), str(place), label, start=first, times=times)


def _names(values: list[NDArray[np.float64]]) -> list[str]:
    return [f"dim_{place}" for place in range(len(values))]


def _numbers(texts: list[str], where: str) -> NDArray[np.float64]:
    cleaned = [text.strip() for text in texts]
    try:
        return np.array([np.nan if text in ("?", "") or text.lower() == "nan" else float(text) for text in cleaned])
    except ValueError as error:
        raise UserError(
            f"{where}: {str(error).rpartition(': ')[2]} is no number (a missing value is written ?)"
        ) from None


def _seconds(texts: list[str], where: str) -> tuple[NDArray[np.float64], np.datetime64 | None]:
    """Return times in seconds, and the first date where they are dates; numbers are taken for seconds."""
    try:
        seconds, start = np.array([float(text) for text in texts]), None
    except ValueError:
        dates = pd.to_datetime(pd.Series(texts), errors="coerce", format="ISO8601")
        if dates.isna().any():
            raise UserError(f"{where}: {texts[int(dates.isna().argmax())]!r} is no time") from None
        exact = dates.to_numpy().astype("datetime64[ns]")
        start = exact[0]
        seconds = (exact - start) / np.timedelta64(1, "s")
    if len(seconds) > 1 and np.diff(seconds).min() <= 0:
        place = int((np.diff(seconds) <= 0).argmax())
        raise UserError(f"{where}: times repeat or are not sorted ({texts[place]}, then {texts[place + 1]})")
    return seconds, start
