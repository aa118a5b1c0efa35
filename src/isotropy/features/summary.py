"""Summaries of series: level, spread, extremes, steps and spectrum of each channel."""

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.errors import UserError
from isotropy.features.free import FreeFeatures
from isotropy.features.series import whole_series

Floats = NDArray[np.float32]

BANDS = 32
FLOOR = 1e-6  # of the power, in units of the series' variance: log of an empty band stays finite


def series_summary(series: ArrayLike, *, bands: int = BANDS) -> Floats:
    """Return per-channel summaries of series (N, C, T) as features (N, C * (5 + bands)).

    For each channel: mean, standard deviation, minimum, maximum, mean absolute difference of neighbours, and the log
    of the spectrum: the variance that falls into each of at most `bands` equal bands of the frequencies 1 .. T // 2
    (periodogram of the centred series, one-sided, so that the bands add up to the variance; floor 1e-6).
    Columns stand statistic by statistic, channel by channel within each.

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
    chunk = max(1, (1 << 22) // (x.shape[1] * x.shape[2]))
    return np.concatenate([_summary(x[start : start + chunk], bands) for start in range(0, len(x), chunk)])


def _summary(x: NDArray[np.float64], bands: int) -> Floats:
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
    """`series_summary` of series that are brought to the length of the training's.

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

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, seed: int = 0) -> Self:
        """Learn the length of series (N, C, T); `seed` is not used."""
        return cls({"length": torch.tensor(max(2, rows.shape[2]))})

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the summaries (B, F) of series (B, C, T)."""
        return torch.from_numpy(series_summary(whole_series(rows, int(self.length))))
