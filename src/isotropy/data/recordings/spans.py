"""How long a window, a hop or a gap is: in samples, or in a unit of time."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from isotropy.errors import UserError, nearest

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Span:
    """A length: of `steps` samples, or of `seconds`; the other is None. `text` is as the user wrote it."""

    text: str
    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, given: Any, what: str) -> "Span":
        """Return the length that `given` means: 128 or "128" are samples, "2s", "500ms", "5min" or a timedelta are
        times.

        Raises:
            UserError: nothing of this form, an unknown unit, or no length at all.

        Example:
            >>> Span.read("500ms", "window").seconds, Span.read(128, "window").steps
            (0.5, 128)
        """
        if isinstance(given, timedelta | np.timedelta64):
            given = f"{pd.Timedelta(given).total_seconds()}s"
        text = str(given).strip()
        found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zA-Zµ]*)", text)
        if found is None or isinstance(given, bool):
            raise UserError(f"{what} {text!r} is no length: give samples, such as 128, or a time, such as 2s")
        number, unit = float(found[1]), found[2].replace("µ", "u")
        if unit and unit not in UNITS:
            raise UserError(f"{what} {text!r}: the unit {unit!r} is unknown{nearest(unit, UNITS)}")
        if not (number > 0 and np.isfinite(number)):
            raise UserError(f"{what} {text!r} must be above 0")
        if unit:
            return cls(text, seconds=number * UNITS[unit])
        if number != int(number):
            raise UserError(f"{what} {text!r} is no whole number of samples: for a time name its unit, as {text}s")
        return cls(str(int(number)), steps=int(number))

    def at(self, rate: float | None, what: str) -> int:
        """Return the length in samples at a rate in Hz, rounded; UserError where it is less than one sample."""
        if self.steps is not None:
            return self.steps
        assert self.seconds is not None
        if rate is None:
            raise UserError(
                f"{what} {self.text} is a time, and nothing says how many samples a second has: name the column of "
                f"times (--time), or the rate (--rate 50), or give the {what} in samples"
            )
        steps = round(self.seconds * rate)
        if steps < 1:
            raise UserError(
                f"{what} {self.text} is shorter than one step of {duration(1 / rate)}: if the times are not in "
                "seconds, name their unit (--time-unit ms)"
            )
        return steps


def unit_seconds(name: str) -> float:
    """Return the seconds of a unit of times; UserError for an unknown one."""
    if name not in UNITS:
        raise UserError(f"time unit {name!r} is unknown{nearest(name, UNITS)}")
    return UNITS[name]


def duration(seconds: float) -> str:
    """Return a short text of a time, as it is read back by `Span.read`.

    Example:
        >>> duration(0.02), duration(2.0), duration(86400 * 3)
        ('20ms', '2s', '3d')
    """
    unit = next((name for name in ("d", "h", "min", "s", "ms", "us") if seconds >= 0.9999 * UNITS[name]), "ns")
    return f"{seconds / UNITS[unit]:.4g}{unit}"


def pace(rate: float) -> str:
    """Return a short text of a rate in Hz, or of the step where it is slow.

    Example:
        >>> pace(50.0), pace(1 / 1800)
        ('50 Hz', 'one step every 30min')
    """
    return f"{rate:.6g} Hz" if rate >= 0.1 else f"one step every {duration(1 / rate)}"
