"""How evenly a recording was sampled, where it has gaps, and pieces of it without any."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isotropy.data.recordings.recording import Recording
from isotropy.data.recordings.resample import change_rate, even_out, same_rate
from isotropy.data.recordings.spans import duration, pace
from isotropy.errors import UserError

_GAP = 1.5  # times the usual step: the next sample is missing
_LONGEST_UNEVEN = 10  # times the usual step, where samples are uneven
_OFF, _FEW = 0.25, 0.01  # of the usual step; of the steps
_FEWEST = 8  # steps that say what the rate is


@dataclass(frozen=True)
class Spacing:
    """Steps between samples in seconds: the usual one, where 90% lie, and whether they are even."""

    step: float
    low: float
    high: float
    even: bool

    @property
    def rate(self) -> float:
        """Samples a second, in Hz; a whole number of them, or of seconds a step, where it is one to a thousandth."""
        rate = 1 / self.step
        if rate >= 1:
            return float(round(rate)) if abs(rate / round(rate) - 1) < 1e-3 else rate
        return 1 / round(self.step) if abs(self.step / round(self.step) - 1) < 1e-3 else rate

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> "Spacing":
        """Return the spacing of at least two rising times (T,), gaps left out.

        Steps are even where all but 1% are within a quarter of the usual one, or where every sample lies within half a
        step of its place on a grid, as times that were rounded do.

        Example:
            >>> Spacing.of(np.array([0, 0.033, 0.067, 0.1, 0.133, 0.5])).even
            True
        """
        steps = np.diff(seconds)
        usual = float(np.median(steps))
        near = steps[steps <= _GAP * usual]
        low, high = np.quantile(steps, [0.05, 0.95])
        off = np.abs(near / usual - 1) > _OFF
        even = len(near) > len(steps) / 2 and (off.mean() <= _FEW or _on_a_grid(seconds, steps > _GAP * usual))
        return cls(float(near.mean()) if even else usual, float(low), float(high), bool(even))


def _on_a_grid(seconds: NDArray[np.float64], gaps: NDArray[np.bool_]) -> bool:
    # Two samples are on a grid whatever their times are, and tell nothing.
    pieces = [piece for piece in np.split(seconds, np.flatnonzero(gaps) + 1) if len(piece) > 2]
    for piece in pieces:
        grid = np.linspace(piece[0], piece[-1], len(piece))
        if np.abs(piece - grid).max() > 0.5 * (grid[1] - grid[0]):
            return False
    return bool(pieces)


def common_rate(recordings: Sequence[Recording], wanted: float | None) -> float | None:
    """Return the rate to which recordings are brought: the wanted one, or the one that they have; None if unknown.

    Raises:
        UserError: uneven times or several rates, with what was measured, where no rate is wanted.
    """
    rates: dict[float, Recording] = {}
    # A few steps say little of the rate: they are asked where there is nothing longer.
    fewest = min(_FEWEST, max((len(one) for one in recordings), default=0) - 1)
    for one in recordings:
        if one.seconds is not None and len(one) > max(1, fewest):
            spacing = Spacing.of(one.seconds)
            if not spacing.even and wanted is None:
                steps = np.diff(one.seconds)
                often = 1 / float(steps[steps <= _LONGEST_UNEVEN * spacing.step].mean())
                raise UserError(
                    f"{one.title}: samples are unevenly spaced ({duration(spacing.low)} to {duration(spacing.high)} "
                    f"for 90% of the steps, median {duration(spacing.step)}): --rate {often:.2g} interpolates them "
                    "linearly, at that many a second"
                )
            rates.setdefault(spacing.rate, one)
        elif one.seconds is None and one.rate is not None:
            rates.setdefault(one.rate, one)
    if wanted is not None or not rates:
        return wanted
    low, high = min(rates), max(rates)
    if not same_rate(low, high):
        raise UserError(
            f"{rates[low].title} has {low:.6g} samples a second and {rates[high].title} has {high:.6g}: "
            f"--rate {low:.6g} brings all of them to one rate"
        )
    # What most samples have, to the last digit: a short recording measures it badly.
    return max(rates, key=lambda rate: len(rates[rate]))


def without_gaps(one: Recording, rate: float | None, gap: float | None) -> tuple[list[Recording], int, str]:
    """Return the evenly spaced pieces of a recording between gaps, the number of gaps, and how it was resampled, if so.

    A gap is a step of more than 1.5 usual steps, or of more than 10 where samples are uneven.

    Args:
        rate: in Hz, None where nothing has times. gap: in seconds; shorter steps are interpolated.
    """
    if one.seconds is None:
        if one.rate is None or rate is None or same_rate(one.rate, rate):
            return [one], 0, ""
        return [_resampled(one, *change_rate(one.values, one.rate, rate))], 0, _filtered(one.rate, rate)
    if len(one) < 2:
        return [one], 0, ""
    assert rate is not None
    steps, spacing = np.diff(one.seconds), Spacing.of(one.seconds)
    uneven = not spacing.even
    longest = (gap or (_LONGEST_UNEVEN if uneven else _GAP) * spacing.step) * (1 + 1e-9)
    bridged = bool(((steps > _GAP * spacing.step) & (steps <= longest)).any())
    ends = [*(np.flatnonzero(steps > longest) + 1).tolist(), len(one)]
    pieces, changed, begin = [], "", 0
    for end in ends:
        piece = _part(one, begin, end)
        begin = end
        if uneven or bridged:
            piece = _resampled(piece, *even_out(piece.values, _seconds(piece), rate))
            changed = f"interpolated linearly at {pace(rate)}"
        elif not same_rate(spacing.rate, rate):
            piece = _resampled(piece, *change_rate(piece.values, spacing.rate, rate))
            changed = _filtered(spacing.rate, rate)
        pieces.append(piece)
    return pieces, len(ends) - 1, changed


def _filtered(old: float, new: float) -> str:
    return f"resampled from {pace(old)} to {pace(new)} by a polyphase filter"


def _seconds(one: Recording) -> NDArray[np.float64]:
    assert one.seconds is not None
    return one.seconds


def _part(one: Recording, begin: int, end: int) -> Recording:
    """Return steps of a recording as one of its own, whose clock begins at its first step."""
    seconds = _seconds(one)
    first = float(seconds[begin])
    start = later(one.start, first, one.unit)
    labels = {name: values[begin:end] for name, values in one.labels.items()}
    cut = seconds[begin:end] - first
    return replace(one, values=one.values[:, begin:end], seconds=cut, start=start, labels=labels)


def _resampled(one: Recording, values: NDArray[np.float64], places: NDArray[np.int64]) -> Recording:
    labels = {name: given[places] for name, given in one.labels.items()}
    return replace(one, values=values, labels=labels, seconds=None)


def later(start: float | np.datetime64, seconds: float, unit: float) -> float | np.datetime64:
    """Return a time so many seconds after another one, in the units of the user's times."""
    if isinstance(start, np.datetime64):
        return start + np.timedelta64(round(seconds * 1e9), "ns")
    return start + seconds / unit
