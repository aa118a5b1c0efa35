"""Series of any length and with gaps as free features read them: whole, and as long as the training's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, unwrap

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
        return values if values.shape[2] == length else _resampled(values, length)
    out = np.zeros((*values.shape[:2], length), dtype=np.float32)
    if not gaps.all():
        out[~gaps] = _resampled(values[~gaps], length)
    for row in np.flatnonzero(gaps):
        out[row] = _filled(values[row], length)
    return out


def _filled(series: Floats, length: int) -> NDArray[Any]:
    """Return one series (C, T) without its ends where nothing is, resampled."""
    there = ~np.isnan(series)
    steps = np.flatnonzero(there.any(axis=0))
    out = np.zeros((len(series), length))
    if len(steps) and there[:, steps[0] : steps[-1] + 1].all():
        # To the bit what the same series gives that stands alone.
        return _resampled(series[None, :, steps[0] : steps[-1] + 1], length)[0]
    if len(steps):
        at = np.linspace(steps[0], steps[-1], length)
        for channel, seen in enumerate(there):
            if seen.any():
                out[channel] = np.interp(at, np.flatnonzero(seen), series[channel, seen])
    return out


def _resampled(series: Floats, length: int) -> Floats:
    """Return series (N, C, T) at `length` evenly spread places."""
    if series.shape[2] == length:
        return series
    at = np.linspace(0, series.shape[2] - 1, length)
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, series.shape[2] - 1)
    part = (at - below).astype(np.float32)
    out: Floats = series[..., below] * (1 - part) + series[..., above] * part
    return out
