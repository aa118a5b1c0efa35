"""Summaries of series: level, spread, extremes, steps and spectrum of each channel, of all steps or part by part."""

import itertools
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import Batch, batched
from isotropy.errors import UserError
from isotropy.features.free import FreeFeatures
from isotropy.features.series import lengths_of, of_several_lengths, own_series, resampled, whole_series

Floats = NDArray[np.float32]

BANDS = 32
LONG, PARTS = 2048, 4  # steps of series that are summarised in parts, and these
_VALUES = 1 << 22  # at a time
FLOOR = 1e-6  # of the power, in units of the series' variance: log of an empty band stays finite


def series_summary(series: ArrayLike, *, bands: int = BANDS) -> Floats:
    """Return per-channel summaries of series (N, C, T) as features (N, C * (5 + bands)).

    For each channel: mean, standard deviation, minimum, maximum, mean absolute difference of neighbours, and the log
    of the spectrum: the variance that falls into each of at most `bands` equal bands of the frequencies 1 .. T // 2
    (periodogram of the centred series, one-sided, so that the bands add up to the variance; floor 1e-6).
    Columns stand statistic by statistic, channel by channel within each. NaN in all channels at the end of a series is
    behind its end, and not read: frequencies are of its own steps. What has fewer than two steps a band is resampled.

    Raises:
        UserError: where the series are not (N, C, T) with at least 2 steps.

    Example:
        >>> wave = np.sin(2 * np.pi * 4 * np.arange(64) / 64)[None, None]
        >>> features = series_summary(wave, bands=32)[0]
        >>> [f"{value:.3f}" for value in features[1:4]], int(features[5:].argmax()) + 1
        (['0.707', '-1.000', '1.000'], 4)
    """
    x = np.asarray(series)
    if x.ndim != 3 or x.shape[2] < 2:
        raise UserError(f"series have shape {x.shape}: summaries need (rows, channels, time) with at least 2 steps")
    return _of_parts(x, 1, min(bands, x.shape[2] // 2))


def _of_parts(x: NDArray[Any], parts: int, bands: int) -> Floats:
    """Return the summaries (N, parts * C * (5 + bands)) of so many equal parts of each series, one after the other."""
    steps, least = lengths_of(x), 2 * bands * parts
    out = np.empty((len(x), parts * x.shape[1] * (5 + bands)), dtype=np.float32)
    for length in np.unique(steps):
        places = np.flatnonzero(steps == length)
        for some in batched(len(places), rows=max(1, _VALUES // (x.shape[1] * length))):
            own = x[places[some], :, :length]
            own = own if length >= least else resampled(own, least)
            found = [_summary(own[..., start:stop], bands) for start, stop in cuts(own.shape[2], parts)]
            out[places[some]] = np.concatenate(found, axis=1)
    return out


def cuts(steps: int, parts: int) -> list[tuple[int, int]]:
    """Return where each of so many equal parts of a series begins and ends.

    Example:
        >>> cuts(10, 4)
        [(0, 2), (2, 5), (5, 8), (8, 10)]
    """
    return list(itertools.pairwise(np.linspace(0, steps, parts + 1).round().astype(int).tolist()))


def usual_bands(series: ArrayLike) -> int:
    """Return how many bands series (N, C, T) of several lengths have: 32, or half the median length, 1 at least."""
    return max(1, min(BANDS, int(np.median(lengths_of(np.asarray(series)))) // 2))


def _summary(x: NDArray[Any], bands: int) -> Floats:
    x = np.asarray(x, dtype=np.float64)
    steps = x.shape[2]
    mean = x.mean(axis=2)
    power = 2 * np.abs(np.fft.rfft(x - mean[:, :, None], axis=2)[:, :, 1:]) ** 2 / steps**2
    if steps % 2 == 0:
        power[:, :, -1] /= 2  # the Nyquist frequency has no mirror image
    spectrum = np.log(np.add.reduceat(power, band_edges(power.shape[2], bands), axis=2) + FLOOR)
    step = np.abs(np.diff(x, axis=2)).mean(axis=2)
    simple = [mean, x.std(axis=2), x.min(axis=2), x.max(axis=2), step]
    return np.concatenate([*simple, spectrum.reshape(len(x), -1)], axis=1).astype(np.float32)


def band_edges(frequencies: int, bands: int = BANDS) -> list[int]:
    """Return the first of the frequencies in each of at most `bands` equal bands.

    Example:
        >>> band_edges(5, 2), band_edges(2)
        ([0, 2], [0, 1])
    """
    edges: list[int] = np.linspace(0, frequencies, min(bands, frequencies) + 1).round().astype(int)[:-1].tolist()
    return edges


class SeriesSummary(FreeFeatures):
    """`series_summary` of series as long as they are where training had several lengths, else of the training's length.

    Example:
        >>> x = torch.randn(5, 2, 100)
        >>> made = SeriesSummary.learn(x)
        >>> made(x).shape, made(torch.randn(3, 2, 70)).shape
        (torch.Size([5, 74]), torch.Size([3, 74]))
    """

    any_batch = True
    # Level, spread and extremes stand in the encoder's vector too, and are constant where series come normalised.
    weight = 0.5
    length: Tensor
    bands: Tensor

    def __init__(self, learnt: Mapping[str, Tensor]) -> None:
        # Runs of before series were read as long as they are kept the length alone.
        super().__init__({"bands": torch.tensor(BANDS), **learnt})

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Learn the length of series (N, C, T), 0 for several, and their bands; `seed` is not used."""
        if not of_several_lengths(rows):
            return cls({"length": torch.tensor(max(2, rows.shape[2])), "bands": torch.tensor(BANDS)})
        return cls({"length": torch.tensor(0), "bands": torch.tensor(usual_bands(own_series(rows, 2)))})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the summaries (B, F) of series (B, C, T)."""
        length, bands = int(self.length), int(self.bands)
        if not length:
            # As many bands in a group of short series alone, which are resampled to have them.
            return torch.from_numpy(_of_parts(own_series(rows, 2), 1, bands))
        return torch.from_numpy(series_summary(whole_series(rows, length), bands=bands))


class SeriesCourse(FreeFeatures):
    """The summaries of four equal parts of each series, one after the other: how level and spectrum change.

    For series of 2,048 steps or more in the median, such as sound; in shorter ones random convolutions tell as much.

    Example:
        >>> x = torch.randn(5, 2, 3000)
        >>> SeriesCourse.learn(x)(x).shape, SeriesCourse.suits(x), SeriesCourse.suits(x[..., :2000])
        (torch.Size([5, 296]), True, False)
    """

    any_batch = True
    weight = 2.0
    length: Tensor

    @classmethod
    def suits(cls, rows: Tensor | Batch) -> bool:
        """Return whether series (N, C, T) are long."""
        return bool(np.median(lengths_of(own_series(rows, 2))) >= LONG)

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Learn the length of series (N, C, T), 0 for several; `seed` is not used."""
        return cls({"length": torch.tensor(0 if of_several_lengths(rows) else max(2, rows.shape[2]))})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the summaries (B, F) of the parts of series (B, C, T)."""
        length = int(self.length)
        series = whole_series(rows, length) if length else own_series(rows, 2)
        return torch.from_numpy(_of_parts(series, PARTS, BANDS))
