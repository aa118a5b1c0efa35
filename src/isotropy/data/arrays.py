"""What an array without names is taken for: a table, series or images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.levels import UNIT, scale_of
from isotropy.errors import UserError, nearest

MODALITIES = ("table", "series", "image")
CHANNELS = (1, 3)


def taken(
    array: NDArray[Any], modality: str | None = None, *, scale: str | None = None
) -> tuple[NDArray[Any], str, str]:
    """Return the array in the form of its modality, the modality, and words for what was taken for what.

    Without `modality`, (N, D) is a table; (N, C, T) floats or signed integers are series; (N, H, W) uint8 and
    four dimensions are images. Said to be series, (N, T) is one channel. Said to be images, (N, H, W) of any
    type is grey. Images come out as a view (N, channels, H, W) of their own type, everything else as it is.
    How images are scaled is found and said here, but decided in training alone: where it was, `scale` says so,
    and the numbers are not looked at.

    Raises:
        UserError: a shape or type that is none of these, or not what `modality` says.
    """
    if modality is not None and modality not in MODALITIES:
        raise UserError(f"unknown modality {modality!r}{nearest(modality, MODALITIES)}")
    if array.dtype.names or array.dtype.kind not in "biufOSU":
        raise UserError(f"an array of type {array.dtype} is not read: give numbers")
    kind = modality or _guess(array)
    if kind != "table" and array.dtype.kind in "OSU":
        raise UserError(f"an array of type {array.dtype} cannot be {_plural(kind)}: give numbers")
    if kind == "table":
        if array.ndim != 2:
            raise UserError(
                f"a table has two dimensions (rows, columns); this array has shape {array.shape}: flatten it, or "
                "leave the modality to be detected"
            )
        return array, kind, f"a table of {array.shape[1]} columns"
    if kind == "series":
        if array.ndim == 2:
            array = array[:, None]
        if array.ndim != 3:
            raise UserError(f"series have the shape (samples, channels, time); this array has {array.shape}")
        return array, kind, f"series of {_count(array.shape[1], 'channel')} and {array.shape[2]} steps"
    images, said = _as_images(array)
    return images, kind, said + ("" if scale else _rule(images))


def _guess(array: NDArray[Any]) -> str:
    if array.ndim == 2:
        return "table"
    if array.ndim == 3 and array.dtype.kind in "fi":
        return "series"
    if array.ndim == 4 or (array.ndim == 3 and array.dtype == np.uint8):
        return "image"
    if array.dtype == object and array.ndim == 0:
        raise UserError(f"a {type(array.item()).__name__} is not read: give an array, a tensor, a DataFrame or a path")
    raise UserError(
        f"an array of shape {array.shape} and type {array.dtype} could be anything: a table is (rows, columns), "
        "series are (samples, channels, time) floats, images are 3-D uint8 or 4-D; or name the modality"
    )


def _plural(modality: str) -> str:
    return {"table": "a table", "series": "series", "image": "images"}[modality]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _as_images(array: NDArray[Any]) -> tuple[NDArray[Any], str]:
    if array.ndim not in (3, 4):
        raise UserError(
            f"images have the shape (samples, height, width) or four dimensions; this array has {array.shape}"
        )
    order = ""
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] in CHANNELS:
        order = ", channels first"
    elif array.shape[3] in CHANNELS:
        array = array.transpose(0, 3, 1, 2)
        order = ", channels last"
    else:
        raise UserError(
            f"images have 1 or 3 channels, first or last; this array has shape {array.shape}: "
            "drop further channels (an alpha channel: x[..., :3])"
        )
    _, channels, height, width = array.shape
    colour = "RGB" if channels == 3 else "grey"
    return array, f"{colour} images of {height}x{width}{order}"


def _rule(images: NDArray[Any]) -> str:
    """Return words for how the numbers of images become levels; UserError where they cannot."""
    if images.dtype == np.uint8 or images.size == 0:
        return ""
    if scale_of(images) != UNIT:
        return f" (whole {images.dtype} numbers taken as levels 0 to 255)"
    return f" ({'false and true' if images.dtype == np.bool_ else 'floats in [0, 1]'} became levels 0 to 255)"
