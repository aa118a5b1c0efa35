"""Preprocessing of series: per-channel standardisation learnt on training rows."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.preprocess import Preprocess
from isotropy.data.recordings.format import Format
from isotropy.data.tensors import as_array, as_tensor, pieces
from isotropy.errors import UserError

# As for tables: training values never reach it.
LIMIT = 1e6


@dataclass(kw_only=True, eq=False)
class SeriesPreprocess(Preprocess):
    """Series (samples, channels, time): each channel standardised by its training mean and deviation.

    Args:
        channels: number of channels of the data as they come.
        length: number of time steps.
        kept: the channels that are used (the others were constant or all missing in training).
        mean, std: of each kept channel.
        any_length: whether new series may have another length.
        recordings: how they were cut from recordings, None where they came as they are.

    Missing values (NaN) are interpolated linearly in time within their own series and channel, the ends held;
    a channel that a series lacks altogether is 0, the training mean.

    Example:
        >>> import numpy as np
        >>> series = SeriesPreprocess.learn(np.array([[[1.0, 3.0]], [[3.0, 1.0]]]))
        >>> series.transform(np.array([[[1.0, np.nan]]]))
        tensor([[[-1., -1.]]])
    """

    channels: int
    length: int
    kept: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    any_length: bool = False
    recordings: Format | None = None

    modality = "series"
    noun = "series"

    def __post_init__(self) -> None:
        if not len(self.kept) == len(self.mean) == len(self.std):
            raise ValueError("kept, mean and std differ in length")

    @classmethod
    def infers(cls, array: NDArray[Any]) -> bool:
        """Return whether an array is (N, C, T) of floats or signed integers."""
        return array.ndim == 3 and array.dtype.kind in "fi"

    @classmethod
    def arrange(cls, array: NDArray[Any], scale: str | None = None) -> tuple[NDArray[Any], str]:
        """Return series (N, C, T) as they are, and (N, T) with one channel; see `Preprocess.arrange`."""
        if array.ndim == 2:
            array = array[:, None]
        if array.ndim != 3:
            raise UserError(f"series have the shape (samples, channels, time); this array has {array.shape}")
        count = array.shape[1]
        return array, f"series of {count} channel{'s' * (count != 1)} and {array.shape[2]} steps"

    @classmethod
    def learn(cls, values: Any, rows: NDArray[np.int64] | None = None, *, any_length: bool = False) -> Self:
        """Learn on series (N, C, T) in constant memory; a channel without two values is dropped with a warning.

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
        return cls(channels=channels, length=array.shape[2], any_length=any_length, **learnt)

    @property
    def shape(self) -> dict[str, Any]:
        """The numbers of channels and time steps of a stored row."""
        return {"channels": len(self.kept), "length": self.length}

    def read_options(self, *, folder: bool) -> dict[str, Any]:
        """Return how recordings were cut, as `isotropy.data.read` takes it."""
        return {} if self.recordings is None else {"like": self.recordings}

    def of_recordings(self, format: Format) -> Self:
        """Return the same for rows that were cut from recordings in this form."""
        return replace(self, recordings=format)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; how recordings were cut only where there are some."""
        data = super().to_json()
        recordings = data.pop("recordings")
        return data if recordings is None else data | {"recordings": recordings.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote; UserError if it is not one."""
        made = super().from_json({**data, "recordings": None})
        try:
            return made if data.get("recordings") is None else made.of_recordings(Format.from_json(data["recordings"]))
        except (KeyError, TypeError) as error:
            raise UserError(f"this is no preprocessing of recordings of isotropy: {error!r}") from error

    def transform(self, values: Any) -> Tensor:
        """Return series (N, C, T) as float32 (N, kept channels, T), standardised.

        UserError: another number of channels or time steps than in training, or infinities.
        """
        array = _series(values)
        if array.shape[1] != self.channels:
            raise UserError(f"the series have {array.shape[1]} channels; the training had {self.channels}")
        if array.shape[2] != self.length and not self.any_length:
            raise UserError(
                f"the series have {array.shape[2]} time steps; the training had {self.length}: cut or pad them, or "
                "train an encoder that takes any length (--encoder dilated_resnet)"
            )
        kept = list(self.kept)
        mean, std = np.array([self.mean, self.std])[..., None]
        rows = np.empty((len(array), len(kept), array.shape[2]), dtype=np.float32)
        for part, piece in _finite(array):
            scaled = np.clip((interpolate(piece[:, kept]) - mean) / std, -LIMIT, LIMIT)
            rows[part] = np.nan_to_num(scaled, nan=0.0)
        return as_tensor(rows)


def _series(values: Any) -> NDArray[Any]:
    array = as_array(values)
    if array.ndim != 3:
        raise UserError(f"series have three dimensions (samples, channels, time); this array has shape {array.shape}")
    return array


def _finite(array: NDArray[Any], rows: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield what `pieces` does as float64; infinities are refused."""
    for part, values in pieces(array, rows):
        piece = values.astype(np.float64)
        infinite = np.isinf(piece)
        if infinite.any():
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
