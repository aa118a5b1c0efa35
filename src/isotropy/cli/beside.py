"""Rows beside a query on the terminal: the values that differ, the shape of a series, an image's file and picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data import Data
from isotropy.io.visible import in_line
from isotropy.io.written import written

# From low to high; a missing value is a blank.
_BARS = "▁▂▃▄▅▆▇█"
_SHADES = " .:-=+*#%@"
# Channels of a series that are drawn, characters of each at most, and lines of a picture (two characters a pixel).
_CHANNELS, _LONGEST, _HIGH = 3, 40, 8
# Rows that the spread of a column is measured on.
_SPREAD_ROWS = 10_000


def described(data: Data, query: Data, place: int, rows: Sequence[int], width: int) -> tuple[str, list[str]]:
    """Return what the query is, and of each of its neighbours what it is or how it differs, in `width` characters.

    Args:
        data: what was searched. query: where the query is, in row `place`. rows: the numbers of its neighbours.

    Example:
        >>> days = pd.to_datetime(["1990-05-01", "1990-06-01"])
        >>> frame = pd.DataFrame({"age": [30, 41], "job": ["cook", "cook"], "since": days})
        >>> data = Data(frame, "table")
        >>> described(data, data, 0, [1], 60)
        ('age 30  job cook  since 1990-05-01', ['age 41  since 1990-06-01'])
    """
    if isinstance(query.values, pd.DataFrame):
        return _columns(data.values, query.values.iloc[place], rows, width)
    mine, others = np.asarray(query.values[place]), [np.asarray(data.values[row]) for row in rows]
    if data.modality == "table":
        names = [str(column) for column in range(len(mine))]
        frame = pd.DataFrame(np.asarray(data.values[:_SPREAD_ROWS]), columns=names)
        near = pd.DataFrame(np.stack(others), columns=names)
        return _columns(near, pd.Series(mine, index=names), range(len(near)), width, frame)
    if data.modality == "image":
        return _named(query, place), [_named(data, row) for row in rows]
    told = [_cut_from(query, place), *(_cut_from(data, row) for row in rows)]
    lines = drawn([mine, *others], max(10, width - max(map(len, told)) - 2))
    lines = [f"{line}  {text}".rstrip() for line, text in zip(lines, told, strict=True)]
    return lines[0], lines[1:]


def _columns(
    frame: pd.DataFrame, query: "pd.Series[Any]", rows: Sequence[int], width: int, sample: pd.DataFrame | None = None
) -> tuple[str, list[str]]:
    """Return all values of the query, and of its neighbours those that differ, the largest differences first."""
    sample = frame.iloc[:_SPREAD_ROWS] if sample is None else sample
    spread = {name: _spread(sample[name]) for name in query.index if name in sample}
    lines = []
    for row in rows:
        near = frame.iloc[row]
        found = [(_apart(query[name], near[name], spread[name]), name) for name in spread]
        order = sorted((one for one in found if one[0] > 0), key=lambda one: -one[0])
        lines.append(
            _fitted([f"{in_line(name)} {value_text(near[name])}" for _, name in order], width) or "all values are equal"
        )
    return _fitted([f"{in_line(name)} {value_text(value)}" for name, value in query.items()], width), lines


def _spread(column: "pd.Series[Any]") -> float:
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return 0.0
    return float(column.astype(float).std(ddof=0))


def _apart(one: Any, other: Any, spread: float) -> float:
    """Return how far two values are apart, in deviations of their column; texts that differ are 1 apart."""
    missing = _missing(one), _missing(other)
    if any(missing):
        return 0.0 if all(missing) else 1.0
    try:
        gap = abs(float(one) - float(other))
    except (TypeError, ValueError):
        return 0.0 if one is other or np.array_equal(one, other) else 1.0
    return gap / spread if spread > 0 else float(gap > 0)


def _missing(value: Any) -> bool:
    return bool(pd.isna(value)) if np.ndim(value) == 0 else False


def value_text(value: Any) -> str:
    """Return a value of the data as text of at most 24 characters.

    Example:
        >>> value_text(3.099119186401367), value_text(-547667164343.2), value_text(None), value_text("a\\nb")
        ('3.099', '-547,667,164,343', '-', 'a\\\\nb')
    """
    if _missing(value):
        return "-"
    if isinstance(value, float | np.floating):
        number = float(value)
        # A value of the data, not a mean: all its whole digits count.
        return written(round(number), 15) if 1000 <= abs(number) < 1e15 else written(number)
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        value = value.date()
    text = in_line(str(value).strip(" "))
    return text if len(text) <= 24 else f"{text[:23]}…"


def _fitted(parts: list[str], width: int) -> str:
    """Return as many parts as fit in a line, and how many do not."""
    for count in range(len(parts), 0, -1):
        more = f"  +{len(parts) - count} more" if count < len(parts) else ""
        if len(line := "  ".join(parts[:count]) + more) <= width or count == 1:
            return line
    return ""


def drawn(series: Sequence[NDArray[Any]], width: int) -> list[str]:
    """Return series (C, T_i) as lines of bars, at most three channels, on one scale per channel.

    Example:
        >>> drawn([np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([[3.0, np.nan, 0.0, 0.0]])], 4)
        ['▁▃▆█', '█ ▁▁']
    """
    flat = [np.asarray(one, dtype=float).reshape(-1, one.shape[-1])[:_CHANNELS] for one in series]
    room = min(_LONGEST, max(1, width // len(flat[0]) - 1) if len(flat[0]) > 1 else width)
    means = [[_means(channel, room) for channel in one] for one in flat]
    lines = [""] * len(flat)
    for place in range(len(flat[0])):
        known = np.concatenate([one[place][np.isfinite(one[place])] for one in means])
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        for number, one in enumerate(means):
            lines[number] += " " * bool(place) + "".join(_bar(value, low, high) for value in one[place])
    return lines


def _means(channel: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if len(channel) <= width:
        return channel
    parts = np.array_split(channel, width)
    return np.array([part[np.isfinite(part)].mean() if np.isfinite(part).any() else np.nan for part in parts])


def _bar(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return " "
    return _BARS[round((len(_BARS) - 1) * (value - low) / (high - low))] if high > low else _BARS[0]


def pictures(images: Sequence[NDArray[Any]], width: int) -> list[str]:
    """Return images (C, H, W) side by side in shades of characters, as many as fit.

    Example:
        >>> pictures([np.array([[[0, 255], [255, 0]]], dtype=np.uint8)] * 2, 20)
        ['  @@    @@', '@@    @@  ']
    """
    grey = [np.nan_to_num(np.asarray(image, dtype=float)).mean(0) for image in images]
    high, wide = grey[0].shape
    lines = min(_HIGH, high)
    columns = max(1, round(lines * wide / high))
    fitting = max(1, (width + 2) // (2 * columns + 2))
    low, top = min(one.min() for one in grey), max(one.max() for one in grey)
    blocks = []
    for one in grey[:fitting]:
        small = np.stack([part.mean(0) for part in np.array_split(one, lines)])
        small = np.stack([part.mean(1) for part in np.array_split(small, min(columns, wide), axis=1)], axis=1)
        shade = np.rint((len(_SHADES) - 1) * (small - low) / (top - low or 1)).astype(int)
        blocks.append(["".join(_SHADES[level] * 2 for level in line) for line in shade])
    return ["  ".join(line) for line in zip(*blocks, strict=True)]


def _named(data: Data, row: int) -> str:
    return "" if data.files is None else in_line(data.files[row])


def _cut_from(data: Data, row: int) -> str:
    """Return where a window of a recording is, or nothing."""
    if data.windows is None:
        return ""
    begin, end = value_text(data.windows.starts[row]), value_text(data.windows.ends[row])
    return f"{in_line(data.windows.files[row])} {begin} to {end}"
