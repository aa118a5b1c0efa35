"""Windows that overlap, as views of the one series that they are cut from: they take its memory and no more."""

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor


def windows_of(series: NDArray[np.generic], steps: int, hop: int) -> NDArray[np.generic]:
    """Return every `hop`-th window of `steps` of a series (C, T) as a read-only view, (N, C, steps).

    Example:
        >>> windows_of(np.arange(5)[None], 3, 2)[:, 0].tolist()
        [[0, 1, 2], [2, 3, 4]]
    """
    channels, length = series.shape
    apart, step = series.strides
    count = (length - steps) // hop + 1
    return as_strided(series, (count, channels, steps), (step * hop, apart, step), writeable=False)


def series_of(windows: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Return the series (C, T) of which windows (N, C, steps) are views that share steps; None of other arrays.

    Example:
        >>> series_of(windows_of(np.arange(5)[None], 3, 2)).tolist(), series_of(np.zeros((2, 1, 3)))
        ([[0, 1, 2, 3, 4]], None)
    """
    if windows.ndim != 3 or not windows.size:
        return None
    after, apart, step = windows.strides
    if step <= 0 or after <= 0 or after % step or after >= step * windows.shape[2] or len(windows) < 2:
        return None
    length = (len(windows) - 1) * (after // step) + windows.shape[2]
    return as_strided(windows, (windows.shape[1], length), (apart, step), writeable=False)


def windows_like(series: Tensor, windows: NDArray[np.generic]) -> Tensor:
    """Return the windows of another series (K, T) that stand where `windows` do in theirs, as a view (N, K, steps)."""
    hop = windows.strides[0] // windows.strides[2]
    apart, step = series.stride()
    return series.as_strided((len(windows), len(series), windows.shape[2]), (step * hop, apart, step))
