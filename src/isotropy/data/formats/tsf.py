"""Series of the Monash archive, .tsf: attributes, then one series a line, behind its attributes and colons."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from isotropy.data.recordings.recording import Signals
from isotropy.data.recordings.spans import UNITS
from isotropy.errors import UserError

# What the archive calls a spacing, in seconds; months and years have none that is even.
_FREQUENCIES = {
    "secondly": 1, "minutely": 60, "half_hourly": 1800, "hourly": 3600, "daily": 86400, "weekly": 604800,
}  # fmt: skip
_UNITS = {"second": "s", "minute": "min", "hour": "h", "day": "d"}


def read(path: Path) -> list[Signals]:
    """Return one record a line, with its name, start and rate as the file says them; "?" is a missing value.

    Raises:
        UserError: no data, a line of another number of attributes, or a value that is no number.
    """
    text = path.read_bytes()
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = text.decode("cp1252").splitlines()
    begin = next((n for n, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if begin is None:
        raise UserError(f"{path} has no line @data: is it a .tsf file of series?")
    attributes = [line.split()[1:3] for line in lines[:begin] if line.lower().startswith("@attribute ")]
    said = {line.split()[0].lower(): line.split()[1] for line in lines[:begin] if len(line.split()) == 2}
    rate = _rate(said.get("@frequency", ""))
    found: list[Signals] = []
    for number, line in enumerate(lines[begin + 1 :], begin + 2):
        if not line.strip() or line.startswith("#"):
            continue
        *given, values = line.strip().split(":")
        if len(given) != len(attributes):
            raise UserError(
                f"{path.name}, line {number}: {len(given)} attributes, and the header names {len(attributes)}"
            )
        about = {name: value for (name, _), value in zip(attributes, given)}
        dates = [value for (_, kind), value in zip(attributes, given) if kind == "date"]
        start = pd.to_datetime(dates[0], format="%Y-%m-%d %H-%M-%S", errors="coerce") if dates else pd.NaT
        try:
            series = np.array([np.nan if one.strip() == "?" else float(one) for one in values.split(",")])
        except ValueError as error:
            raise UserError(f"{path.name}, line {number}: {str(error).rpartition(': ')[2]} is no number") from None
        name = about.get("series_name", str(len(found)))
        begun = None if pd.isna(start) else start.to_datetime64()
        found.append(Signals(["value"], [series], [rate], name, start=begun))
    if not found:
        raise UserError(f"{path} has no series behind @data")
    return found


def _rate(frequency: str) -> float | None:
    if frequency in _FREQUENCIES:
        return 1 / _FREQUENCIES[frequency]
    found = re.fullmatch(r"(\d+)_(second|minute|hour|day)s?", frequency)
    return 1 / (int(found[1]) * UNITS[_UNITS[found[2]]]) if found else None
