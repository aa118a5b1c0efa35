"""What is cut: series of measurements, as a file has them and with a clock."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.errors import UserError

Floats = NDArray[np.float64]
_CLOSE = 1e-9  # seconds by which a time may be rounded
_RISING, _SELDOM = 16, 100  # steps of a rise; steps for one change


@dataclass(frozen=True)
class Mark:
    """An annotation: its seconds from the begin of the record, for how many, None where it is not said, and a text."""

    at: float
    seconds: float | None
    text: str


@dataclass(frozen=True, eq=False)
class Signals:
    """A record as a file format has it: channels with rates of their own.

    Attributes:
        names: of the channels. values: (T,) numbers of each, NaN where a sample is missing or invalid.
        rates: of each, in Hz; None where the file does not say it.
        name: of the record in its file, empty where a file holds one. label: of the whole record, where it has one.
        start: when it began, None where that is not known. times: (T,) seconds of each channel, where samples have
            times of their own. marks: reads the annotations of each of these names, which can be labels.
    """

    names: Sequence[str]
    values: Sequence[NDArray[Any]]
    rates: Sequence[float | None]
    name: str = ""
    label: Any = None
    start: np.datetime64 | None = None
    times: Sequence[Floats] | None = None
    marks: Mapping[str, Callable[[], Sequence[Mark]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recording:
    """Channels of one clock, without a change of group, part or file.

    Attributes:
        file: what it was read from. name: of the recording in the file, empty where the file is one.
        channels: names. values: (channels, T) numbers, NaN where missing.
        rate: in Hz where samples are evenly spaced and that is known. seconds: (T,) from the first sample, where every
            sample has a time. start: of the first sample as the user's times have it, a number or a date; without times
            the number of steps before it in its file.
        unit: seconds of 1 in those times. labels: (T,) by name. group, part: of all of it, None where not known.
    """

    file: str
    channels: tuple[str, ...]
    values: NDArray[Any]
    name: str = ""
    rate: float | None = None
    seconds: Floats | None = None
    start: float | np.datetime64 = 0.0
    unit: float = 1.0
    labels: dict[str, NDArray[Any]] = field(default_factory=dict)
    group: Any = None
    part: Any = None

    def __len__(self) -> int:
        """Return the number of steps."""
        return int(self.values.shape[1])

    @property
    def title(self) -> str:
        """What it is called in a message."""
        return f"{self.file}, {self.name}" if self.name else self.file


def labels_of(marks: Sequence[Mark], seconds: Floats) -> NDArray[Any]:
    """Return the annotation that holds at each of `seconds` (T,), None where there is none.

    One holds as long as it says; where none says it, up to the next. Of several that hold the last one counts.

    Example:
        >>> labels_of([Mark(0.0, None, "W"), Mark(2.0, None, "N1")], np.arange(-1.0, 4.0)).tolist()
        [None, 'W', 'W', 'N1', 'N1']
    """
    marks = sorted(marks, key=lambda mark: mark.at)
    found = np.full(len(seconds), None, dtype=object)
    lasting = [mark for mark in marks if mark.seconds is not None]
    for place, mark in enumerate(lasting or marks):
        end = mark.at + mark.seconds if mark.seconds is not None else np.inf
        if mark.seconds is None and place + 1 < len(marks):
            end = marks[place + 1].at
        first, last = np.searchsorted(seconds, [mark.at - _CLOSE, end - _CLOSE])
        found[first:last] = mark.text
    return found


def unique_names(names: Sequence[str]) -> list[str]:
    """Return names of channels without repetition: a second "EEG" is "EEG 2".

    Example:
        >>> unique_names(["EEG", "EEG", " ECG "])
        ['EEG', 'EEG 2', 'ECG']
    """
    found: list[str] = []
    for name in (text.strip() for text in names):
        number, unique = 2, name
        while unique in found:
            number, unique = number + 1, f"{name} {number}"
        found.append(unique)
    return found


def refuse_other_channels(recordings: Sequence[Recording]) -> None:
    """Raise UserError where recordings have other channels than the first one."""
    first = recordings[0]
    for other in recordings[1:]:
        strange = set(other.channels) ^ set(first.channels)
        if strange:
            name = min(strange)
            has, lacks = (first, other) if name in first.channels else (other, first)
            raise UserError(
                f"{has.title} has a channel {name!r} and {lacks.title} has none: recordings have the same channels "
                "(--drop leaves one out)"
            )


def warn_of_marks(recordings: Sequence[Recording]) -> None:
    """Warn of channels that look like a clock (they rise all the time) or like a group or a label (hardly a change)."""
    steps = sum(map(len, recordings))
    for place, name in enumerate(recordings[0].channels):
        series = [one.values[place] for one in recordings]
        if steps > _RISING * len(series) and all((one[1:] > one[:-1]).all() for one in series):
            warnings.warn(
                f"channel {name!r} rises all the time, as a clock does: if it is one, say so (--time {name}), or leave "
                f"it out (--drop {name})",
                stacklevel=2,
            )
            continue
        if sum(int((one[1:] != one[:-1]).sum()) for one in series) * _SELDOM >= steps:
            continue
        distinct = np.unique(np.concatenate([one[np.append(True, one[1:] != one[:-1])] for one in series if len(one)]))
        if len(distinct) > 1 and np.array_equal(distinct, np.round(distinct)):
            warnings.warn(
                f"channel {name!r} is a whole number that hardly changes, as a subject, a session or a label does: say "
                f"what it is (--group {name}, --label {name}), or leave it out (--drop {name})",
                stacklevel=2,
            )
