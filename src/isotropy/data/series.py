"""Preprocessing of series: per-channel standardisation learnt on training rows, and masks of unequal lengths."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isotropy.batch import Batch, WindowRows, batched, filled, lengths, map_rows, rounded_up, take, unmasked
from isotropy.data.overlapping import WindowArray, series_of, windows_like
from isotropy.data.preprocess import Preprocess
from isotropy.data.recordings.format import Format
from isotropy.data.tensors import as_array, as_tensor, pieces
from isotropy.data.unequal import ends, padded
from isotropy.errors import UserError, counted

# As for tables: training values never reach it.
LIMIT = 1e6
# Numbers that are standardised at once: in a processor's cache, where fresh memory for each operation would cost more.
_CACHED = 1 << 16


@dataclass(kw_only=True, eq=False)
class SeriesPreprocess(Preprocess):
    """Series (samples, channels, time): each channel standardised by its training mean and deviation.

    Args:
        channels: number of channels of the data as they come.
        length: number of time steps, of the longest series.
        kept: the channels that are used (the others were constant or all missing in training).
        mean, std: of each kept channel.
        any_length: whether new series may have another length.
        recordings: how they were cut from recordings, None where they came as they are.
        unequal: whether the series differed in length: stored rows then are a `Batch` with a mask.
        form: keywords of `read` that say where channels stood in the training's arrays, if behind the steps.

    NaN in all channels at the end of a series is padding, which nothing reads. Other missing values (NaN) are
    interpolated linearly in time within their own series and channel, the ends held; a channel that a series lacks
    altogether is 0, the training mean.

    Example:
        >>> import numpy as np
        >>> series = SeriesPreprocess.learn(np.array([[[1.0, 3.0]], [[3.0, 1.0]]]))
        >>> series.transform(np.array([[[np.nan, 3.0]]]))
        tensor([[[1., 1.]]])
    """

    channels: int
    length: int
    kept: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    any_length: bool = False
    recordings: Format | None = None
    unequal: bool = False
    form: dict[str, Any] = field(default_factory=dict)

    modality = "series"
    noun = "series"
    lengths_vary = True

    def __post_init__(self) -> None:
        if not len(self.kept) == len(self.mean) == len(self.std):
            raise ValueError("kept, mean and std differ in length")

    @classmethod
    def infers(cls, array: NDArray[Any]) -> bool:
        """Return whether an array is (N, C, T) of floats or signed integers."""
        return array.ndim == 3 and array.dtype.kind in "fi"

    @classmethod
    def arrange(cls, array: NDArray[Any], scale: str | None = None) -> tuple[NDArray[Any], str]:
        """Return series (N, C, T) as they are, and (N, T) with one channel; see `Preprocess.arrange`.

        More channels than steps are asked about in a warning: the axes may be swapped.
        """
        if array.ndim == 2:
            array = array[:, None]
        if array.ndim != 3:
            raise UserError(f"series have the shape (samples, channels, time); this array has {array.shape}")
        count, steps = array.shape[1:]
        if count > steps > 0:
            warnings.warn(
                f"{count} channels of {counted(steps, 'step')}: is it transposed? If the axes are (samples, "
                "time, channels), swap them, or read them with channels='last' (--channels last)",
                stacklevel=2,
            )
        length = f"{steps} steps"
        if len(array) and (low := ends(array).min()) < steps:
            length = f"{low} to {steps} steps (NaN at the end of all channels is padding, other NaN is missing)"
        return array, f"series of {counted(count, 'channel')} and {length}"

    @classmethod
    def concatenate(cls, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of both arrays in one, the shorter of which NaN fills up."""
        if first.shape[2] == second.shape[2]:
            return np.concatenate([first, second])
        return padded([*first, *second])

    @classmethod
    def learn(cls, values: Any, rows: NDArray[np.int64] | None = None, *, any_length: bool = False) -> Self:
        """Learn on series (N, C, T) in constant memory; a channel without two values is dropped with a warning.

        Padding is never read; only how long series are is asked of all of them, not of the training rows alone.

        UserError: fewer than two rows, infinities, or no channel left.
        """
        array = _series(values)
        series = len(array) if rows is None else len(rows)
        if series < 2:
            raise UserError(f"training needs at least two series; there are {series}")
        channels = array.shape[1]
        count, total = np.zeros(channels), np.zeros(channels)
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for _, piece in _finite(array, rows):
            count += (~np.isnan(piece)).sum(axis=(0, 2))
            total += np.nansum(piece, axis=(0, 2))
            low = np.fmin(low, np.fmin.reduce(piece, axis=(0, 2)))
            high = np.fmax(high, np.fmax.reduce(piece, axis=(0, 2)))
        kept, flat = np.flatnonzero(low < high), np.flatnonzero(~(low < high))
        if not len(kept):
            raise UserError("no channel is left to learn from: every one is constant or all missing")
        if len(flat):
            warnings.warn(f"channels dropped (constant or all missing): {', '.join(map(str, flat))}", stacklevel=2)
        mean = total[kept] / count[kept]
        squares = np.zeros(len(kept))
        for _, piece in _finite(array, rows):
            squares += np.nansum((piece[:, kept] - mean[:, None]) ** 2, axis=(0, 2))
        std = np.sqrt(squares / count[kept])
        if not np.isfinite(std).all():
            raise UserError("the values of the series are too large to standardise: scale them down")
        std[std == 0] = 1.0
        learnt: Any = {"kept": tuple(kept.tolist()), "mean": tuple(mean.tolist()), "std": tuple(std.tolist())}
        steps = ends(array)
        unequal = bool((steps != steps[0]).any())
        return cls(channels=channels, length=int(steps.max()), any_length=any_length, unequal=unequal, **learnt)

    @property
    def shape(self) -> dict[str, Any]:
        """The numbers of channels and time steps of a stored row; "unequal" where rows have masks."""
        found: dict[str, Any] = {"channels": len(self.kept), "length": self.length}
        return found | ({"unequal": True} if self.unequal else {})

    @property
    def trained_on(self) -> str:
        """Series, with the number of their channels."""
        cut = "" if self.recordings is None else " of recordings"
        return f"series{cut} of {counted(self.channels, 'channel')}"

    def read_options(self, *, folder: bool) -> dict[str, Any]:
        """Return how recordings were cut and where channels stood, as `isotropy.data.read` takes it."""
        return dict(self.form) if self.recordings is None else {**self.form, "like": self.recordings}

    def with_form(self, form: dict[str, Any]) -> Self:
        """Return the preprocessing of series whose channels stand where those of the training did."""
        return replace(self, form=dict(form))

    def of_recordings(self, format: Format) -> Self:
        """Return the same for rows that were cut from recordings in this form."""
        return replace(self, recordings=format)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; how recordings were cut, or where channels stood, only where it is known."""
        data = super().to_json()
        recordings = data.pop("recordings")
        if not data["form"]:
            data.pop("form")
        return data if recordings is None else data | {"recordings": recordings.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote; UserError if it is not one."""
        made = super().from_json({**data, "recordings": None})
        try:
            return made if data.get("recordings") is None else made.of_recordings(Format.from_json(data["recordings"]))
        except UserError as error:
            raise UserError(f"this is no preprocessing of recordings of isotropy: {error}") from error

    def transform(self, values: Any) -> Tensor | Batch:
        """Return series (N, C, T) as float32 (N, kept channels, T), standardised.

        Where they differ in length, or did in training, as a `Batch` whose mask shows which steps each one has; it is
        at least as long as the longest of training.

        UserError: another number of channels or time steps than in training, or infinities.
        """
        array = _series(values)
        if array.shape[1] != self.channels:
            self._refuse_channels(array.shape)
        steps = self._steps(array)
        longest = int(steps.max(initial=0)) if len(steps) else array.shape[2]
        if longest > self.length if self.unequal else longest != self.length:
            self._refuse_length(longest)
        if not self.unequal and (not len(steps) or steps.min() == longest):
            if isinstance(array, WindowArray) and not np.isinf(array.series).any():
                return self._windows(array)
            series = series_of(array) if longest == array.shape[2] and isinstance(array, np.ndarray) else None
            if series is not None and all(np.isfinite(one).all() for one in series):
                # Step by step, as all are there: overlapping windows stay views of one series.
                return windows_like(torch.from_numpy(self._stepwise(series)), array)
            return as_tensor(self._standardised(array[:, :, :longest]))
        longest = max(longest, self.length) if self.unequal else longest
        mask = torch.arange(longest) < torch.from_numpy(steps)[:, None, None]
        rows = np.zeros((len(array), len(self.kept), longest), dtype=np.float32)
        there = min(longest, array.shape[2])
        rows[:, :, :there] = self._standardised(array[:, :, :there])
        stored = as_tensor(rows)
        mask = mask.expand(stored.shape).contiguous()
        return Batch(stored.masked_fill_(~mask, 0.0), mask)

    def _windows(self, array: WindowArray) -> WindowRows:
        """Return windows as views of what they are cut from, standardised; those with missing values are their own."""
        gone = np.concatenate([[0], np.cumsum(np.isnan(array.series).any(axis=0))])
        filled = gone[array.begins + array.steps] > gone[array.begins]
        own = self._standardised(array[filled])
        return array.rows_of(self._stepwise(array.series), own, filled)

    def _steps(self, array: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many steps each series has."""
        steps = ends(array)
        early = int((steps < self.length).sum())
        if early and not self.any_length and not self.unequal and array.shape[2] == self.length:
            # The encoder knows one length alone, as its training had.
            warnings.warn(
                f"{early} series end early: their last value is held, since the encoder takes one length", stacklevel=2
            )
            steps[:] = self.length
        return steps

    def departure(self, values: Any) -> str | None:
        """Return how long series are, where training had one length alone and the encoder takes any."""
        steps = ends(_series(values))
        if not self.any_length or self.unequal or not len(steps) or (steps == self.length).all():
            return None
        low, high = steps.min(), steps.max()
        return f"the series have {low if low == high else f'{low} to {high}'} steps, the training had {self.length}"

    def _refuse_channels(self, shape: tuple[int, ...]) -> None:
        rows, channels, steps = shape
        hint = ""
        if steps == self.channels:
            hint = ": of (samples, time, channels) give channels='last' (--channels last)"
        elif channels == 1 and rows == self.channels:
            hint = f": of one series give an array of shape {(1, rows, steps)}"
        raise UserError(f"the series have {counted(channels, 'channel')}; the training had {self.channels}{hint}")

    def _refuse_length(self, steps: int) -> None:
        if not self.any_length:
            raise UserError(
                f"the series have {steps} time steps; the training had {self.length}: cut or pad them, or "
                "train an encoder that takes any length (--encoder dilated_resnet)"
            )

    def _standardised(self, array: NDArray[Any]) -> NDArray[np.float32]:
        kept = list(self.kept)
        mean, std = np.array([self.mean, self.std])[..., None]
        rows = np.empty((len(array), len(kept), array.shape[2]), dtype=np.float32)
        for part, piece in _finite(array, values=_CACHED):
            own = piece if len(kept) == piece.shape[1] else piece[:, kept]
            there = interpolate(own)
            there -= mean
            there /= std
            np.clip(there, -LIMIT, LIMIT, out=there)
            if there is not own:  # some were missing; what a series lacks altogether still is
                there[np.isnan(there)] = 0.0
            rows[part] = there
        return rows

    def _stepwise(self, series: NDArray[Any]) -> NDArray[np.float32]:
        """Return what `_standardised` does of one series (C, T) without missing values, (kept, T), in little memory."""
        mean, std = np.array([self.mean, self.std])[..., None]
        rows = np.empty((len(self.kept), series.shape[1]), dtype=np.float32)
        for part in batched(series.shape[1], row_bytes=8 * len(rows)):
            piece = series[list(self.kept), part].astype(np.float64)
            rows[:, part] = np.clip((piece - mean) / std, -LIMIT, LIMIT)
        return rows

    def together(self, rows: Tensor | Batch) -> list[tuple[Tensor, Tensor | Batch]]:
        """Return series by length: alone where training had one length, else filled up to one of a few lengths."""
        if not self.any_length or not (self.unequal or isinstance(rows, Batch)):
            return super().together(rows)
        values = rows.values if isinstance(rows, Batch) else rows
        mask = rows.mask if isinstance(rows, Batch) and rows.mask is not None else torch.ones_like(values).bool()
        steps = lengths(mask)
        sizes = rounded_up(steps) if self.unequal else steps
        groups = []
        for size in sizes.unique().tolist():
            places = (sizes == size).nonzero()[:, 0]
            some = take(Batch(values[..., :size], mask[..., :size]), places)
            more = max(0, size - values.shape[2])
            part = map_rows(some, partial(functional.pad, pad=(0, more)))
            groups.append((places, part if self.unequal else unmasked(part)))
        return groups

    def features(self, rows: Any) -> NDArray[np.float32]:
        """Return stored rows flattened, 0 where a series has ended."""
        return super().features(filled(rows))


def _series(values: Any) -> NDArray[Any]:
    array = as_array(values)
    if array.ndim != 3:
        raise UserError(f"series have three dimensions (samples, channels, time); this array has shape {array.shape}")
    return array


def _finite(
    array: NDArray[Any], rows: NDArray[np.int64] | None = None, values: int | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield what `pieces` does as float64, in memory of its own; infinities are refused."""
    # Sums of overlapping windows are in the order of windows that do not share memory.
    order: Any = "C" if isinstance(array, np.ndarray) and series_of(array) is not None else "K"
    for part, some in pieces(array, rows, values):
        piece = some.astype(np.float64, order=order)
        if not np.isfinite(piece).all() and (infinite := np.isinf(piece)).any():
            row, channel, time = np.argwhere(infinite)[0].tolist()
            place = part.start + row if rows is None else rows[part.start + row]
            raise UserError(
                f"series {place}, channel {channel}, step {time}: infinite value: replace it by a number or NaN"
            )
        yield part, piece


def interpolate(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return series (N, C, T) with NaN interpolated along the last axis, the ends held; no value at all stays NaN.

    Example:
        >>> interpolate(np.array([[[np.nan, 1.0, np.nan, 3.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 3.0]]]
    """
    gone = np.isnan(series)
    if not gone.any():
        return series
    steps = np.arange(series.shape[2])
    before = np.maximum.accumulate(np.where(gone, -1, steps), axis=2)
    after = np.minimum.accumulate(np.where(gone, len(steps), steps)[..., ::-1], axis=2)[..., ::-1]
    before, after = np.where(before < 0, after, before), np.where(after == len(steps), before, after)
    left = np.take_along_axis(series, before.clip(0, len(steps) - 1), axis=2)
    right = np.take_along_axis(series, after.clip(0, len(steps) - 1), axis=2)
    share = (steps - before) / np.maximum(after - before, 1)
    return np.where(gone, left + (right - left) * share, series)
