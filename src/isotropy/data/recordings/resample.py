"""Series brought to another rate, or from uneven times to even ones."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from isotropy.data.series import interpolate

Floats = NDArray[np.float64]
SAME = 0.01  # rates that differ by less are one rate: clocks drift
_FINEST = 1000  # the largest numerator or denominator of the ratio of two rates


def same_rate(first: float, second: float) -> bool:
    """Return whether two rates differ by less than a hundredth."""
    return abs(first / second - 1) < SAME


def change_rate(values: NDArray[np.generic], old: float, new: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return evenly spaced series (C, T) at another rate, and the nearest old step of each new one.

    By a polyphase filter (`scipy.signal.resample_poly`), which leaves out what the new rate cannot carry. A missing
    value is interpolated for the filter, and missing again where it is the nearest one.

    Example:
        >>> values, places = change_rate(np.arange(9.0)[None], 100, 50)
        >>> values[0, 1:-1].round(1).tolist(), places.tolist()
        ([2.0, 4.0, 6.0], [0, 2, 4, 6, 8])
    """
    from scipy.signal import resample_poly  # half a second that only another rate has to wait for

    ratio = Fraction(new / old).limit_denominator(_FINEST)
    if not ratio:
        ratio = Fraction(1, round(old / new))
    count = floor((values.shape[1] - 1) * ratio) + 1
    places = np.minimum(np.rint(np.arange(count) / float(ratio)).astype(np.int64), values.shape[1] - 1)
    exact = values.astype(np.float64)
    out = resample_poly(_filled(exact), ratio.numerator, ratio.denominator, axis=1, padtype="line")[:, :count]
    out[np.isnan(exact)[:, places]] = np.nan
    return out, places


def even_out(values: NDArray[np.generic], seconds: Floats, rate: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return series (C, T) with uneven times at an even rate, and the nearest old step of each new one.

    Linear between the two samples around. Where samples are denser than the rate, on a grid as dense as they are,
    which is then brought to the rate as `change_rate` does.

    Args:
        seconds: (T,) rising. rate: in Hz; the first new step is at the first old one.

    Example:
        >>> even_out(np.array([[0.0, 1.0, 4.0]]), np.array([0.0, 1.0, 4.0]), 1.0)[0].tolist()
        [[0.0, 1.0, 2.0, 3.0, 4.0]]
    """
    span = float(seconds[-1] - seconds[0])
    finer = max(1, ceil((len(seconds) - 1) / max(span * rate, 1e-12) - 0.05)) if span > 0 else 1
    grid = seconds[0] + np.arange(floor(span * rate * finer + 1e-6) + 1) / (rate * finer)
    right = np.clip(np.searchsorted(seconds, grid), 1, max(1, len(seconds) - 1))
    left = right - 1
    nearest = np.where(grid - seconds[left] <= seconds[np.minimum(right, len(seconds) - 1)] - grid, left, right)
    nearest = np.minimum(nearest, len(seconds) - 1)
    exact = values.astype(np.float64)
    there = ~np.isnan(exact)
    out = np.stack(
        [
            np.interp(grid, seconds[known], channel[known]) if known.any() else np.full(len(grid), np.nan)
            for channel, known in zip(exact, there, strict=True)
        ]
    )
    out[~there[:, nearest]] = np.nan
    if finer == 1:
        return out, nearest
    thinned, places = change_rate(out, rate * finer, rate)
    return thinned, nearest[places]


def _filled(values: Floats) -> Floats:
    return np.nan_to_num(interpolate(values[None])[0], nan=0.0)
