"""Views of whole batches, each a pure function of (seed, pass, sample index, view)."""

from typing import Any

from isotropy.errors import UserError, nearest
from isotropy.views.equivariant import MovedViews, StructuredViews
from isotropy.views.image import ImageViews
from isotropy.views.multiview import Dataset, MultiView, Plain, ViewMaker
from isotropy.views.series import SeriesViews
from isotropy.views.table import TableViews

VIEWS: dict[str, type[ImageViews] | type[SeriesViews] | type[TableViews]] = {
    "image": ImageViews,
    "series": SeriesViews,
    "table": TableViews,
}
# Views by the encoder's own group: read from its feature map, or done to the input.
OF_THE_ENCODER: dict[str, type[StructuredViews] | type[MovedViews]] = {
    "structured": StructuredViews,
    "moved": MovedViews,
}

__all__ = [
    "OF_THE_ENCODER",
    "VIEWS",
    "Dataset",
    "ImageViews",
    "MovedViews",
    "MultiView",
    "Plain",
    "SeriesViews",
    "StructuredViews",
    "TableViews",
    "ViewMaker",
    "view_kind",
]


def view_kind(modality: str, name: str = "") -> Any:
    """Return the class of view makers of this name, or the modality's augmentations where it is empty.

    Raises:
        UserError: an unknown name, with the nearest valid one.

    Example:
        >>> view_kind("image").__name__, view_kind("image", "structured").__name__
        ('ImageViews', 'StructuredViews')
    """
    if not name:
        return VIEWS[modality]
    if name not in OF_THE_ENCODER:
        raise UserError(f"views.name = {name!r} is unknown{nearest(name, OF_THE_ENCODER)}")
    return OF_THE_ENCODER[name]
