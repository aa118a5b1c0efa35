"""Which grey levels 0 to 255 the numbers of an image mean: found once, in training, and kept."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.data.tensors import pieces
from isotropy.errors import UserError

# What floats are: fractions of white in [0, 1], or levels as they are. A type of whole numbers always holds levels.
UNIT, LEVELS = "unit", "levels"
SCALES = (UNIT, LEVELS)


def scale_of(images: NDArray[Any], rows: NDArray[np.int64] | None = None) -> str:
    """Return "unit" or "levels": how the floats of images (N, C, H, W), or of `rows` (M,) of them, are to be read.

    One batch of images cannot tell (a dark one has levels 0 and 1 alone), so this is asked of the training rows.

    Raises:
        UserError: numbers that are neither all in [0, 1] nor whole and in 0 to 255.

    Example:
        >>> scale_of(np.array([0.0, 0.5]).reshape(2, 1, 1, 1)), scale_of(np.array([0, 7]).reshape(2, 1, 1, 1))
        ('unit', 'levels')
    """
    if images.dtype == np.bool_:
        return UNIT
    if images.dtype == np.uint8 or images.size == 0:
        return LEVELS
    low, high, whole = np.inf, -np.inf, True
    for _, piece in pieces(images, rows):
        low, high = np.minimum(low, piece.min()), np.maximum(high, piece.max())
        whole = whole and _whole(piece)
    # NaN fails all comparisons.
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return UNIT
    if low >= 0 and high <= 255 and whole:
        return LEVELS
    raise UserError(
        f"images are uint8, floats in [0, 1] or whole numbers in 0 to 255; this array is {images.dtype} from "
        f"{low:.4g} to {high:.4g}: rescale it"
    )


def to_levels(images: NDArray[Any], scale: str) -> NDArray[np.uint8]:
    """Return images as uint8 levels; UserError where numbers lie outside the scale that the training had."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    out = np.empty(images.shape, dtype=np.uint8)
    for part, piece in pieces(images):
        unit = scale == UNIT and piece.dtype.kind == "f"
        _refuse_outside(piece, unit)
        out[part] = np.rint(piece.astype(np.float32) * 255) if unit else piece
    return out


def _whole(piece: NDArray[Any]) -> bool:
    return piece.dtype.kind in "iu" or bool((piece == np.rint(piece)).all())


def _refuse_outside(piece: NDArray[Any], unit: bool) -> None:
    low, high = piece.min(), piece.max()
    if low >= 0 and high <= (1 if unit else 255) and (unit or _whole(piece)):
        return
    found = f"these are {piece.dtype} from {low:.4g} to {high:.4g}"
    if unit:
        raise UserError(f"the images of the training were floats in [0, 1]; {found}: rescale them, or give uint8")
    raise UserError(
        f"the images of the training were whole levels 0 to 255; {found}: rescale them (floats in [0, 1]: times 255, "
        "rounded)"
    )
