"""Views of whole batches, each a pure function of (seed, pass, sample index, view)."""

from isotropy.views.any_array import ArrayViews
from isotropy.views.equivariant import MovedViews, StructuredViews
from isotropy.views.image import ImageViews
from isotropy.views.multiview import Dataset, MultiView, Plain, ViewMaker
from isotropy.views.series import SeriesViews
from isotropy.views.table import TableViews

# Views by the encoder's own group: read from its feature map, or done to the input.
OF_THE_ENCODER: dict[str, type[StructuredViews] | type[MovedViews]] = {
    "structured": StructuredViews,
    "moved": MovedViews,
}

__all__ = [
    "OF_THE_ENCODER",
    "ArrayViews",
    "Dataset",
    "ImageViews",
    "MovedViews",
    "MultiView",
    "Plain",
    "SeriesViews",
    "StructuredViews",
    "TableViews",
    "ViewMaker",
]
