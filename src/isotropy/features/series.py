"""Series of any length and with gaps as free features read them: without gaps, and as long as is wanted."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, lengths, unwrap

Floats = NDArray[np.float32]


def whole_series(rows: Tensor | Batch, length: int) -> Floats:
    """Return series (N, C, T) as (N, C, `length`) float32 without gaps.

    Of a `Batch` only what its mask shows is read. A series begins and ends where any of its channels does; gaps are
    interpolated along time, a channel without a value is 0; another length than `length` is resampled linearly.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[1.0, 9.0, 3.0, 9.0]]])
        >>> whole_series(Batch(values, torch.tensor([[[True, False, True, False]]])), 5).tolist()
        [[[1.0, 1.5, 2.0, 2.5, 3.0]]]
    """
    rows = unwrap(rows)
    values = (rows.values if isinstance(rows, Batch) else rows).numpy(force=True).astype(np.float32, copy=False)
    if isinstance(rows, Batch) and rows.mask is not None:
        values = np.where(rows.mask.numpy(force=True), values, np.float32(np.nan))
    gaps = np.isnan(values).any(axis=(1, 2))
    if not gaps.any():
        return values if values.shape[2] == length else resampled(values, length)
    out = np.zeros((*values.shape[:2], length), dtype=np.float32)
    if not gaps.all():
        out[~gaps] = resampled(values[~gaps], length)
    for row in np.flatnonzero(gaps):
        out[row] = _filled(values[row], length)
    return out


def own_series(rows: Tensor | Batch, shortest: int) -> Floats:
    """Return series (N, C, T) as (N, C, T or `shortest`) without gaps, each as long as it is, and NaN behind its end.

    As `whole_series`, but only what has fewer steps than `shortest` is resampled, to so many.

    Example:
        >>> import torch
        >>> mask = torch.tensor([[[True, False, True, False]], [[True, True, True, True]]])
        >>> own_series(Batch(torch.arange(8.0).view(2, 1, 4), mask), 2).tolist()
        [[[0.0, 1.0, 2.0, nan]], [[4.0, 5.0, 6.0, 7.0]]]
    """
    rows = unwrap(rows)
    if not isinstance(rows, Batch) or rows.mask is None:
        return whole_series(rows, max(rows.shape[2], shortest))
    there = rows.mask.any(1).numpy(force=True)
    first, last = there.argmax(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1)
    steps = np.where(there.any(axis=1), last - first, 1).clip(min=shortest)
    out = np.full((*rows.shape[:2], max(rows.shape[2], shortest)), np.nan, dtype=np.float32)
    for place, length in enumerate(steps):
        out[place, :, :length] = whole_series(rows[place : place + 1], int(length))[0]
    return out


def lengths_of(series: Floats) -> NDArray[np.int64]:
    """Return how many steps each of the series (N, C, T) has before NaN in all channels, (N,); 1 at least.

    Example:
        >>> lengths_of(np.array([[[1.0, np.nan, 2.0]], [[1.0, np.nan, np.nan]]])).tolist()
        [3, 1]
    """
    if not np.isnan(series[..., -1]).any():
        return np.full(len(series), series.shape[2])
    return lengths(torch.from_numpy(~np.isnan(series))).clamp(min=1).numpy()


def of_several_lengths(rows: Tensor | Batch) -> bool:
    """Return whether series end at different steps."""
    rows = unwrap(rows)
    return isinstance(rows, Batch) and rows.mask is not None and len(lengths(rows.mask).unique()) > 1


def _filled(series: Floats, length: int) -> NDArray[Any]:
    """Return one series (C, T) without its ends where nothing is, resampled."""
    there = ~np.isnan(series)
    steps = np.flatnonzero(there.any(axis=0))
    out = np.zeros((len(series), length))
    if len(steps) and there[:, steps[0] : steps[-1] + 1].all():
        # To the bit what the same series gives that stands alone.
        return resampled(series[None, :, steps[0] : steps[-1] + 1], length)[0]
    if len(steps):
        at = np.linspace(steps[0], steps[-1], length)
        for channel, seen in enumerate(there):
            if seen.any():
                out[channel] = np.interp(at, np.flatnonzero(seen), series[channel, seen])
    return out


def resampled(series: Floats, length: int) -> Floats:
    """Return series (N, C, T) at `length` evenly spread places; of twice as many steps or more, of their means."""
    if series.shape[2] == length:
        return series
    if (block := series.shape[2] // length) > 1:
        kept = series.shape[2] // block * block
        series = series[..., :kept].reshape(*series.shape[:2], -1, block).mean(axis=3, dtype=np.float32)
    at = np.linspace(0, series.shape[2] - 1, length)
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, series.shape[2] - 1)
    part = (at - below).astype(np.float32)
    out: Floats = series[..., below] * (1 - part) + series[..., above] * part
    return out
