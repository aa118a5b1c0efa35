"""A small picture of each row, where rows can be seen: of an image the image, of a series its curves."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from isotropy.batch import batched
from isotropy.data import Data

SEEN = ("image", "series")
PICTURE_ROWS = 20_000  # of more, pictures would take more room than embeddings
SIDE = 64
_WIDE, _TALL = 128, 48
_CURVES = 3  # channels of a series
_COLOURS = ((31, 119, 180), (214, 39, 40), (44, 160, 44))
_SAMPLED = 1000  # rows of which the range of pixels is found
_SMALLEST = 32  # pixels to which smaller images are enlarged, each pixel to a square
_SMALL = 48  # pixels up to which a picture is kept without loss


def pictures(data: Data) -> list[bytes] | None:
    """Return a picture (PNG or JPEG) of at most 64 pixels a side of each image, or 128 x 48 of each series, (N,).

    None for other data, and for more than 20,000 rows. Images of numbers that are no bytes are scaled by their range.

    Example:
        >>> made = pictures(Data(np.zeros((2, 1, 8, 8), dtype=np.uint8), "image"))
        >>> len(made), made[0][1:4], pictures(Data(np.zeros((2, 3)), "table"))
        (2, b'PNG', None)
    """
    if data.modality not in SEEN or len(data) > PICTURE_ROWS:
        return None
    values = data.values
    row_bytes = 8 * int(np.prod(np.shape(values)[1:]))
    if data.modality == "series":
        pieces = (np.asarray(values[piece], dtype=np.float64) for piece in batched(len(data), row_bytes=row_bytes))
        return [_encoded(_curves(one)) for piece in pieces for one in piece]
    sample = np.asarray(values[:: max(1, len(data) // _SAMPLED)])
    low, high = (0.0, 255.0) if sample.dtype == np.uint8 else (float(np.nanmin(sample)), float(np.nanmax(sample)))
    pieces = (np.asarray(values[piece], dtype=np.float64) for piece in batched(len(data), row_bytes=row_bytes))
    scale = 255 / (high - low) if high > low else 0.0
    return [_encoded(_picture((one - low) * scale)) for piece in pieces for one in piece]


def _picture(x: NDArray[np.float64]) -> Image.Image:
    """Return an image (channels, height, width) of 0 to 255; other than 1 or 3 channels are averaged."""
    pixels = np.nan_to_num(x).clip(0, 255).round().astype(np.uint8)
    if len(pixels) == 4:
        pixels = pixels[:3]
    image = Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(axis=0).astype(np.uint8))
    image.thumbnail((SIDE, SIDE))
    # A reader shows a picture as large as it is.
    times = max(1, _SMALLEST // max(image.size))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)


def _curves(x: NDArray[np.float64]) -> Image.Image:
    """Return the first channels of a series (channels, steps) as curves, each in its own range; gaps are left open."""
    image = Image.new("RGB", (_WIDE, _TALL), "white")
    draw = ImageDraw.Draw(image)
    for channel, colour in zip(x[:_CURVES], _COLOURS):
        there = np.isfinite(channel)
        if not there.any():
            continue
        low, high = channel[there].min(), channel[there].max()
        height = (channel - low) / (high - low) if high > low else np.where(there, 0.5, np.nan)
        places = np.linspace(1, _WIDE - 2, len(channel))
        levels = (_TALL - 2) - height * (_TALL - 4)
        ends = np.flatnonzero(np.diff(there.astype(np.int8))) + 1
        for stretch in np.split(np.arange(len(channel)), ends):
            if there[stretch[0]] and len(stretch) > 1:
                draw.line(list(zip(places[stretch].tolist(), levels[stretch].tolist())), fill=colour)
    return image


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    if max(image.size) <= _SMALL or image.size == (_WIDE, _TALL):
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=85)
    return out.getvalue()
