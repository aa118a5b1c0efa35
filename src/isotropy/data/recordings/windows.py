"""Windows of recordings: where each begins and ends, and what its steps are labelled."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from isotropy.data.overlapping import WindowArray, windows_of
from isotropy.data.recordings.format import Format
from isotropy.data.recordings.recording import Recording
from isotropy.data.recordings.spacing import later
from isotropy.errors import UserError

_COARSE = 1e-4  # of its size that a channel varies by: less is lost in float32


@dataclass(frozen=True, eq=False)
class Windows:
    """Where the rows of a data set were cut from; all arrays have one value a row, (N,).

    Attributes:
        format: how they were cut.
        files, ids: texts. groups: what the user named, else None.
        starts, ends: times of the first step and one step after the last, as the user's times are (numbers or dates;
            seconds from the start of the recording where it has none, steps where no rate is known).
        shares: for each label the fraction of the window's steps that have it.
        stretch, first: number of the recording without gaps, and the window's first step in it.
    """

    format: Format
    files: NDArray[Any]
    ids: NDArray[Any]
    groups: NDArray[Any] | None
    starts: NDArray[Any]
    ends: NDArray[Any]
    stretch: NDArray[np.int64]
    first: NDArray[np.int64]
    shares: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.first)

    @property
    def steps(self) -> int:
        """Steps of a window, 0 where whole recordings are rows."""
        return self.format.window or 0

    @property
    def linked(self) -> NDArray[np.bool_]:
        """Which windows are followed by the next one of their recording, without a gap, (N - 1,)."""
        apart = self.first[1:] - self.first[:-1]
        near = max(self.format.hop or 0, self.steps)
        return np.asarray((self.stretch[1:] == self.stretch[:-1]) & (apart > 0) & (apart <= near))

    @property
    def overlap(self) -> bool:
        """Whether windows share steps with the next one."""
        return self.format.hop is not None and self.format.hop < self.steps

    def take(self, rows: Any) -> Self:
        """Return some of the windows: places or booleans or a slice."""
        names = ("files", "ids", "starts", "ends", "stretch", "first")
        shares = {name: share[rows] for name, share in self.shares.items()}
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, groups=groups, shares=shares, **{name: getattr(self, name)[rows] for name in names})

    def about(self) -> dict[str, Any]:
        """Return how they were cut and how many each file and group has, as JSON values."""
        found: dict[str, Any] = {"format": self.format.to_json(), "files": _counted(self.files)}
        if self.groups is not None:
            found["groups"] = _counted(self.groups)
        shares = {
            name: {"mean": float(share.mean()), "least": float(share.min())} for name, share in self.shares.items()
        }
        return found | {"shares": shares}

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return file, id, group, start, end and label shares, by name, for a table of rows.

        Ids and groups are there where there are some or they were named, None where rows have none.
        """
        found = {"file": self.files}
        if self.format.id is not None or (self.ids != "").any():
            found["id"] = np.array([one or None for one in self.ids], dtype=object)
        if self.groups is not None or self.format.group is not None:
            groups = [None] * len(self) if self.groups is None else self.groups
            found["group"] = np.array([None if pd.isna(one) else str(one) for one in groups], dtype=object)
        found |= {"start": self.starts, "end": self.ends}
        return found | {f"fraction of {name}": share for name, share in self.shares.items()}


@dataclass(frozen=True, eq=False)
class Cut:
    """What `cut` gives: series (N, C, T), their windows, labels (N,) by name and parts, and the steps left over."""

    values: Any
    windows: Windows
    labels: dict[str, NDArray[Any]]
    parts: NDArray[Any] | None
    unused: int


def cut(pieces: Sequence[Recording], format: Format, averaged: Sequence[str] = ()) -> Cut:
    """Return the windows of recordings without gaps, in their order, and of each label what most steps have.

    A label is missing where most steps have none; among equally frequent ones the earliest in the window counts.

    Args:
        pieces: evenly spaced. format: `window` and `hop` in steps; without a window every piece is a row.
        averaged: labels that are numbers, of which a window has the mean.

    Raises:
        UserError: no piece is as long as a window.
    """
    longest = max(len(one) for one in pieces)
    if longest < (format.window or 0):
        raise UserError(_too_long(pieces, format.window or 0, longest, format.rate))
    lengths = [format.window or len(one) for one in pieces]
    starts = [np.arange(0, len(one) - steps + 1, format.hop or steps) for one, steps in zip(pieces, lengths)]
    used = [len(begin) for begin in starts]
    values = _values([(one.values, begin) for one, begin in zip(pieces, starts) if len(begin)], format)
    labels: dict[str, NDArray[Any]] = {}
    shares: dict[str, NDArray[np.float64]] = {}
    for name in pieces[0].labels:
        series = [one.labels[name] for one in pieces]
        if name in averaged:
            labels[name] = np.concatenate([_means(*one) for one in zip(series, starts, lengths)])
        else:
            labels[name], shares[name] = _majorities(series, starts, lengths)
    rate = format.rate
    times = [
        [later(one.start, float(at) if rate is None else at / rate, one.unit) for at in (begin, begin + steps)]
        for one, begins, steps in zip(pieces, starts, lengths)
        for begin in begins.tolist()
    ]
    begins, ends = (np.array(column) for column in zip(*times))
    windows = Windows(
        format,
        _repeated([one.file for one in pieces], used),
        _repeated([one.name for one in pieces], used),
        None if all(one.group is None for one in pieces) else _repeated([one.group for one in pieces], used),
        begins,
        ends,
        np.repeat(np.arange(len(pieces)), used),
        np.concatenate(starts),
        shares,
    )
    parts = None if pieces[0].part is None else _repeated([one.part for one in pieces], used)
    covered = sum(int(begin[-1]) + steps if len(begin) else 0 for begin, steps in zip(starts, lengths))
    return Cut(values, windows, labels, parts, sum(map(len, pieces)) - covered)


def _counted(names: NDArray[Any]) -> dict[str, int]:
    counts = pd.Series(names, dtype=object).value_counts(sort=False)
    return {str(name): int(count) for name, count in counts.items()}


def _too_long(pieces: Sequence[Recording], steps: int, longest: int, rate: float | None) -> str:
    def said(count: int) -> str:
        return f"{count:,} steps" + ("" if rate is None else f", {count / rate:.4g} s")

    what = f"a window ({said(steps)}) is longer than every recording without a gap (the longest has {said(longest)})"
    if len(pieces) > 1 and longest < steps / 2 and len({one.file for one in pieces}) < len(pieces):
        return f"{what}: if rows of several recordings alternate, name them (--id); if samples are missing, see --gap"
    return f"{what}: take a shorter one"


def _values(series: Sequence[tuple[NDArray[Any], NDArray[np.int64]]], format: Format) -> Any:
    """Return the windows of all series; where they overlap, they are views of these and take their memory."""
    steps, hop = format.window or 0, format.hop or 0
    if 0 < hop < steps and max(len(begin) for _, begin in series) > 1:
        typed = [(np.asarray(values, dtype=_type_of(values)), begin) for values, begin in series]
        return windows_of(typed[0][0], steps, hop) if len(typed) == 1 else WindowArray.of(typed, steps)
    return _stacked([_windows(values, begin, format.window or values.shape[1]) for values, begin in series])


def _windows(values: NDArray[Any], begin: NDArray[np.int64], steps: int) -> NDArray[Any]:
    view = sliding_window_view(values, steps, axis=1)[:, begin].transpose(1, 0, 2)
    return np.ascontiguousarray(view, dtype=_type_of(values))


def _stacked(windows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return windows (N_i, C, T_i) as one array, with NaN behind the ends of the shorter ones."""
    if len(windows) == 1:
        return windows[0]
    longest = max(one.shape[2] for one in windows)
    if all(one.shape[2] == longest for one in windows):
        return np.concatenate(windows)
    rows = sum(map(len, windows))
    out = np.full((rows, windows[0].shape[1], longest), np.nan, dtype=np.result_type(*windows))
    at = 0
    for one in windows:
        out[at : at + len(one), :, : one.shape[2]] = one
        at += len(one)
    return out


def _type_of(values: NDArray[Any]) -> type[np.generic]:
    """Return float32, or float64 where a channel varies by so little of its size that float32 would lose it."""
    if values.dtype != np.float64:
        return np.float32
    return np.float64 if any(map(_loses_in_float32, values)) else np.float32


def _loses_in_float32(channel: NDArray[np.float64]) -> bool:
    there = channel[np.isfinite(channel)]
    spread = there.std() if len(there) else 0.0
    return bool(0 < spread < _COARSE * abs(there.mean()))


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return np.repeat(found, counts)


def _means(values: NDArray[Any], begin: NDArray[np.int64], steps: int) -> NDArray[np.float64]:
    """Return the mean of numbers in each window, NaN where most are missing."""
    numbers = values.astype(np.float64)
    there = ~np.isnan(numbers)
    total, count = (
        np.concatenate([[0], np.cumsum(x)])[begin + steps] - np.concatenate([[0], np.cumsum(x)])[begin]
        for x in (np.where(there, numbers, 0.0), there)
    )
    return np.where(2 * count >= steps, total / np.maximum(count, 1), np.nan)


def _majorities(
    series: Sequence[NDArray[Any]], starts: Sequence[NDArray[np.int64]], lengths: Sequence[int]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the commonest label of each window and the fraction of its steps that have it."""
    codes, names = pd.factorize(pd.Series(np.concatenate(series)), use_na_sentinel=False)
    found, shares, at = [], [], 0
    for length, begin, steps in zip(map(len, series), starts, lengths):
        here = codes[at : at + length]
        at += length
        if not len(begin):
            continue
        best = np.zeros(len(begin), dtype=np.int64)
        most = np.full(len(begin), -1, dtype=np.int64)
        seen = np.full(len(begin), steps, dtype=np.int64)
        for code in pd.unique(here):
            counts = np.concatenate([[0], np.cumsum(here == code)])
            count = counts[begin + steps] - counts[begin]
            place = np.append(np.flatnonzero(here == code), length)
            first = place[np.searchsorted(place, begin)] - begin
            better = (count > most) | ((count == most) & (first < seen))
            best, most, seen = (np.where(better, new, old) for new, old in ((code, best), (count, most), (first, seen)))
        found.append(best)
        shares.append(most / steps)
    values = np.asarray(names.to_numpy() if hasattr(names, "to_numpy") else names)
    return values[np.concatenate(found)], np.concatenate(shares)
