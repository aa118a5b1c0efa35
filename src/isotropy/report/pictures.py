"""Small pictures of rows: images in one sprite, series as quantised lines."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from isotropy.report.packed import packed

SPRITE, TINY = 1500, 5000  # images at most, and where they have at most 16 pixels a side
_TILE = 44  # pixels of the longer side
_LOSSLESS = 300_000  # pixels of a sprite up to which it is kept as it is
_BYTES = 1_000_000  # of quantised series
_CHANNELS = 3
_STEPS = (12, 96)
_MISSING = 255


def most(size: Sequence[int]) -> int:
    """Return how many images of a height and a width the page keeps.

    Example:
        >>> most([32, 32]), most([8, 8])
        (1500, 5000)
    """
    return TINY if max(size) <= 16 else SPRITE


def sprite(images: Any, place: NDArray[np.int64]) -> dict[str, Any]:
    """Return images (M, channels, height, width) in one picture.

    Args:
        images: at most as many as `most` says; of bytes, or of numbers, which are scaled together.
        place: (M,) of the points.

    Returns:
        {"kind": "images", "src": data URI, "columns", "tile": [width, height], "size": [width, height], "place"}.
    """
    array = np.asarray(images)
    array = array[:, :3] if array.shape[1] >= 3 else array[:, :1]
    if array.dtype != np.uint8:
        known = array[np.isfinite(array)]
        low, high = np.percentile(known, [0.5, 99.5]) if len(known) else (0.0, 1.0)
        array = np.nan_to_num((array - low) / ((high - low) or 1.0)).clip(0, 1) * 255
        array = array.astype(np.uint8)
    height, width = array.shape[2:]
    factor = min(1.0, _TILE / max(height, width))
    tile = (max(1, round(width * factor)), max(1, round(height * factor)))
    across = int(np.ceil(np.sqrt(len(array))))
    down = -(-len(array) // across)
    sheet = Image.new("RGB" if array.shape[1] == 3 else "L", (across * tile[0], down * tile[1]))
    for number, one in enumerate(array):
        picture = Image.fromarray(np.ascontiguousarray(one[0] if len(one) == 1 else one.transpose(1, 2, 0)))
        picture = picture if factor == 1 else picture.resize(tile, Image.Resampling.BOX)
        sheet.paste(picture, (number % across * tile[0], number // across * tile[1]))
    kept = {"columns": across, "tile": list(tile), "size": [width, height], "place": packed(place, "u32")}
    return {"kind": "images", "src": _uri(sheet), **kept}


def lines(pieces: Iterable[NDArray[Any]], rows: int, longest: int, names: Sequence[str]) -> dict[str, Any]:
    """Return series as bytes: at most three channels and 96 steps of each.

    A step is the mean of what it stands for, and a row's bytes span its own lowest and highest value.

    Args:
        pieces: (B, channels, time), together `rows`; NaN is missing, and stands behind shorter series. longest: steps
            of the longest.
        names: of all channels.

    Returns:
        {"kind": "series", "channels": names, "of": number of channels, "values": (N, C, T) 0 to 254, 255 is missing,
        "range": (N, C, 2), "steps": (N,) of each series as it is}.
    """
    least, most = _STEPS
    channels = min(_CHANNELS, len(names))
    steps = min(int(np.clip(_BYTES // max(1, rows * channels), least, most)), max(longest, 1))
    coded, ranges, long = (np.concatenate(parts) for parts in zip(*(_coded(piece, steps) for piece in pieces)))
    kept = {"values": packed(coded, "u8"), "range": packed(ranges, "f32"), "steps": packed(long, "u32")}
    return {"kind": "series", "channels": list(names[:channels]), "of": len(names), **kept}


def _coded(rows: NDArray[Any], steps: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the bytes of series, their lowest and highest values, and how long they are."""
    x = np.asarray(rows[:, :_CHANNELS], dtype=np.float32)
    x = np.where(np.isfinite(x), x, np.nan)
    known: NDArray[np.bool_] = np.logical_or.reduce(np.isfinite(x), axis=1)
    long = np.where(known.sum(axis=1) > 0, x.shape[2] - known[:, ::-1].argmax(axis=1), 0)
    short = _shortened(x, long, steps)
    there = np.isfinite(short)
    low, high = (np.where(there, short, fill) for fill in (np.inf, -np.inf))
    ranges = np.stack([low.min(axis=2), high.max(axis=2)], axis=2)
    ranges = np.where(np.isfinite(ranges), ranges, 0.0)
    span = np.ptp(ranges, axis=2)[:, :, None]
    scaled = (np.where(there, short, 0) - ranges[:, :, :1]) / np.where(span > 0, span, 1.0)
    return np.where(there, np.rint(scaled * 254), _MISSING), ranges, long


def _shortened(x: NDArray[Any], long: NDArray[Any], steps: int) -> NDArray[Any]:
    """Return the means of equal stretches of series, each over its own length, NaN where nothing is there."""
    found = np.full((*x.shape[:2], steps), np.nan, dtype=np.float32)
    for length in np.unique(long):
        which = long == length
        if length == 0:
            continue
        taken = min(steps, int(length))
        edges = np.arange(taken) * int(length) // taken
        piece = x[which][:, :, : int(length)]
        there = np.isfinite(piece)
        counts = np.add.reduceat(there, edges, axis=2, dtype=np.int64)
        sums = np.add.reduceat(np.where(there, piece, 0), edges, axis=2)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        # Shorter ones are drawn over the whole width too.
        found[which] = means[:, :, np.arange(steps) * taken // steps]
    return found


def _uri(sheet: Image.Image) -> str:
    file = BytesIO()
    if features.check("webp"):
        sheet.save(file, "WEBP", lossless=sheet.width * sheet.height <= _LOSSLESS, quality=78, method=4)
        return "data:image/webp;base64," + b64encode(file.getvalue()).decode()
    sheet.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()
