"""Windows that overlap, as views of the series that they are cut from: they take its memory and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import WindowRows


@dataclass(frozen=True, eq=False)
class WindowArray:
    """Windows (N, C, steps) of several series, which lie end to end, as an array that is made where it is asked for.

    Its rows are picked without the others, `array[rows]`; all else that arrays have is of all rows in memory.

    Attributes:
        series: (C, T). begins: (N,) int64, the first step of each window. steps: of a window.

    Example:
        >>> first, other = np.arange(5)[None], np.arange(9, 12)[None]
        >>> windows = WindowArray.of([(first, np.array([0, 2])), (other, np.array([0]))], 3)
        >>> windows.shape, windows[1:, 0].tolist(), windows.mean()
        ((3, 1, 3), [[2, 3, 4], [9, 10, 11]], np.float64(4.666666666666667))
    """

    series: NDArray[Any]
    begins: NDArray[np.int64]
    steps: int

    @classmethod
    def of(cls, series: Sequence[tuple[NDArray[Any], NDArray[np.int64]]], steps: int) -> "WindowArray":
        """Return the windows of several series (C, T_i) that begin where is said of each, copied end to end once."""
        starts = np.cumsum([0, *(values.shape[1] for values, _ in series)])
        begins = np.concatenate([begin + start for (_, begin), start in zip(series, starts)])
        return cls(np.concatenate([values for values, _ in series], axis=1), begins, steps)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of windows, channels and steps."""
        return len(self.begins), len(self.series), self.steps

    @property
    def ndim(self) -> int:
        """Three."""
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.series.dtype

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, key: Any) -> Any:
        rows, others = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        channels, length = self.series.shape
        apart, step = self.series.strides
        every = as_strided(
            self.series, (length - self.steps + 1, channels, self.steps), (step, apart, step), writeable=False
        )
        # Where rows are picked, numpy lays them out as it likes.
        return np.ascontiguousarray(every[(slice(None), *others)][self.begins[rows]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("windows are made where they are asked for, and that is a copy")
        return np.asarray(self[:], dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self[:], name)

    def rows_of(self, series: NDArray[Any], own: NDArray[Any], which: NDArray[np.bool_]) -> WindowRows:
        """Return the windows of another series (K, T) that stand where these do; `which` (N,) of them are `own`."""
        begins = self.begins.copy()
        begins[which] = series.shape[1] + self.steps * np.arange(len(own))
        together = np.concatenate([series, *own], axis=1) if len(own) else series
        return WindowRows(torch.from_numpy(together), torch.from_numpy(begins), self.steps)


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
