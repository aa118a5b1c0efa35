"""What an array without names is taken for: a table, series or images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.errors import UserError, nearest

MODALITIES = ("table", "series", "image")
CHANNELS = (1, 3)


def taken(array: NDArray[Any], modality: str | None = None) -> tuple[NDArray[Any], str, str]:
    """Return the array in the form of its modality, the modality, and words for what was taken for what.

    Without `modality`, (N, D) is a table; (N, C, T) floats or signed integers are series; (N, H, W) uint8 and
    four dimensions are images. Said to be series, (N, T) is one channel. Said to be images, (N, H, W) of any
    type is grey. Images come out as (N, channels, H, W) uint8, everything else as it is.

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
    return images, kind, said


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


def _as_images(array: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
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
    images, rule = _as_uint8(array)
    _, channels, height, width = images.shape
    colour = "RGB" if channels == 3 else "grey"
    return images, f"{colour} images of {height}x{width}{order}{rule}"


def _as_uint8(array: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Return images as uint8 and words for the rule: floats in [0, 1] times 255, whole numbers as they are."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array), ""
    if array.size == 0:
        return array.astype(np.uint8), ""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255), " (false and true became 0 and 255)"
    low, high = array.min(), array.max()
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        images = np.empty(array.shape, dtype=np.uint8)
        for place, image in enumerate(array):
            images[place] = np.rint(image.astype(np.float32) * 255)
        return images, " (floats in [0, 1] became levels 0 to 255)"
    # NaN fails both comparisons here and above.
    if low >= 0 and high <= 255 and (array.dtype.kind in "iu" or bool((array == np.rint(array)).all())):
        return array.astype(np.uint8), f" (whole {array.dtype} numbers taken as levels 0 to 255)"
    raise UserError(
        f"images are uint8, floats in [0, 1] or whole numbers in 0 to 255; this array is {array.dtype} from "
        f"{low:.4g} to {high:.4g}: rescale it"
    )
