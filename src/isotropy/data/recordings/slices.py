"""One long recording in slices: files of which some steps can be read apart from the others, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isotropy.data.recordings.format import Format
from isotropy.data.recordings.recording import Recording, Signals
from isotropy.data.recordings.resample import same_rate
from isotropy.data.recordings.spacing import later
from isotropy.data.unequal import FIRST

SLICE_BYTES = 1 << 26  # of a slice's steps in float64


@dataclass(frozen=True, eq=False)
class Steps:
    """The one recording of a file, of which steps can be read apart.

    Attributes:
        count: of steps. rate: in Hz, None where the file does not say it. names: of the channels, "" where they have
            none. read: returns the steps from one to another one.
    """

    count: int
    rate: float | None
    names: Sequence[str]
    read: Callable[[int, int], Signals]


@dataclass(frozen=True, eq=False)
class Slice:
    """Steps of a file from `begin` on that give so many `rows`, as `read_recordings` takes them."""

    path: Path
    begin: int
    rows: int
    signals: Callable[[], Signals]

    def moved(self, one: Recording) -> Recording:
        """Return a recording of these steps, which begins so much later than its file."""
        if isinstance(one.start, np.datetime64):
            assert one.rate is not None
            return replace(one, start=later(one.start, self.begin / one.rate, one.unit))
        return replace(one, start=float(one.start) + self.begin)


def of_array(array: Any, order: str | None, read: Callable[[slice, bool], Any]) -> Steps | None:
    """Return the steps of an array (steps, channels), (channels, steps) or (steps,) of numbers; None of another one.

    Args:
        array: has a shape and a type. order: where the channels stand, "first" or "last"; None takes the longer axis
            as time. read: returns a slice of the steps, and whether their axis is the last of two.
    """
    shape = tuple(array.shape)
    if array.dtype.kind not in "biuf" or len(shape) not in (1, 2) or not min(shape):
        return None
    turned = len(shape) == 2 and (order == FIRST or (order is None and shape[1] > shape[0]))
    count, channels = (shape[0], 1) if len(shape) == 1 else shape[::-1] if turned else shape

    def signals(begin: int, end: int) -> Signals:
        part = np.asarray(read(slice(begin, end), turned), dtype=np.float64)
        values = part if turned else part.reshape(len(part), channels).T
        return Signals([""] * channels, list(values), [None] * channels)

    return Steps(count, None, [""] * channels, signals)


def sliced(path: Path, steps: Steps | None, like: Format) -> list[Slice] | None:
    """Return the slices of a file that give its windows, one after the other; None where it has to be read whole."""
    if steps is None or like.window is None or steps.count < like.window:
        return None
    if not any(steps.names) and len(steps.names) != len(like.channels):
        return None
    if steps.rate is not None and (like.rate is None or not same_rate(steps.rate, like.rate)):
        return None
    hop = like.hop or like.window
    rows = (steps.count - like.window) // hop + 1
    together = max(1, (SLICE_BYTES // (8 * len(steps.names)) - like.window) // hop + 1)
    return None if rows <= together else list(_slices(path, steps, like, rows, together))


def _slices(path: Path, steps: Steps, like: Format, rows: int, together: int) -> Iterator[Slice]:
    assert like.window is not None
    hop = like.hop or like.window
    for first in range(0, rows, together):
        last = min(first + together, rows) - 1
        begin, end = first * hop, steps.count if last == rows - 1 else last * hop + like.window
        yield Slice(path, begin, last + 1 - first, _reading(steps, begin, end, like.channels))


def _reading(steps: Steps, begin: int, end: int, channels: Sequence[str]) -> Callable[[], Signals]:
    def signals() -> Signals:
        found = steps.read(begin, end)
        # What has no names has the training's, in their order.
        return found if any(steps.names) else replace(found, names=channels)

    return signals
