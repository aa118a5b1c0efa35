"""Which modality an array without names is of."""

from typing import Any

from numpy.typing import NDArray

from isotropy.data.any_array import ArrayPreprocess
from isotropy.data.images import ImagePreprocess
from isotropy.data.preprocess import Preprocess
from isotropy.data.series import SeriesPreprocess
from isotropy.data.table import TablePreprocess
from isotropy.errors import UserError, nearest

# Asked in this order what an array is; `isotropy.modalities.register` adds to it.
PREPROCESS: dict[str, type[Preprocess]] = {
    "table": TablePreprocess,
    "series": SeriesPreprocess,
    "image": ImagePreprocess,
    "array": ArrayPreprocess,
}


def infer_modality(
    array: NDArray[Any],
    modality: str | None = None,
    *,
    scale: str | None = None,
    channels: int | None = None,
) -> tuple[NDArray[Any], str, str]:
    """Return the array in the form of its modality, the modality, and words for what was taken for what.

    Raises:
        UserError: a shape or type of no modality, or not of the one that is named.
    """
    if array.dtype.names or array.dtype.kind not in "biufOSU":
        raise UserError(f"an array of type {array.dtype} is not read: give numbers")
    name = modality or _infer(array)
    kind = known_modality(name)
    if not kind.takes_frames and 0 in array.shape[1:]:
        raise UserError(f"an array of shape {array.shape} has no values in its rows")
    if not kind.takes_frames and array.dtype.kind in "OSU":
        raise UserError(f"an array of type {array.dtype} cannot be {kind.noun}: give numbers")
    if issubclass(kind, ImagePreprocess):
        # Who says that these are images means that one axis is channels, however many.
        arranged, description = kind.arrange(array, scale, channels=channels or ("any" if modality else None))
        return arranged, name, description
    if channels is not None:
        raise UserError(f"channels = {channels} is of images, and these are {kind.noun}: say modality='image'")
    arranged, description = kind.arrange(array, scale)
    return arranged, name, description


def known_modality(name: str) -> type[Preprocess]:
    """Return the preprocessing of a modality; UserError with the nearest name where there is none."""
    if name not in PREPROCESS:
        raise UserError(f"unknown modality {name!r}{nearest(name, PREPROCESS)}")
    return PREPROCESS[name]


def preprocess_from(saved: dict[str, Any]) -> Preprocess:
    """Return the preprocessing that its `to_json` wrote; UserError where a value is none that it writes."""
    return known_modality(str(saved.get("modality"))).from_json(saved)


def _infer(array: NDArray[Any]) -> str:
    for name, kind in PREPROCESS.items():
        if kind.infers(array):
            return name
    if array.dtype == object and array.ndim == 0:
        raise UserError(f"a {type(array.item()).__name__} is not read: give an array, a tensor, a DataFrame or a path")
    if array.ndim == 1:
        raise UserError(
            f"an array of shape {array.shape} has one axis: a table of one column is x[:, None], one series "
            "x[None, None]"
        )
    raise UserError(
        f"an array of shape {array.shape} and type {array.dtype} could be anything: a table is (rows, columns), "
        "series are (samples, channels, time) floats, images are 3-D uint8 or 4-D; or name the modality "
        "('array' takes any shape)"
    )
