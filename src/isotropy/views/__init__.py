"""Where looks are made: on whole batches, each a pure function of (seed, pass, sample index, look)."""

from isotropy.views.image import ImageViews
from isotropy.views.series import SeriesViews
from isotropy.views.table import TableViews
from isotropy.views.views import Plain, Source, ViewMaker, Views

VIEWS: dict[str, type[ImageViews] | type[SeriesViews] | type[TableViews]] = {
    "image": ImageViews,
    "series": SeriesViews,
    "table": TableViews,
}

__all__ = ["VIEWS", "ImageViews", "Plain", "SeriesViews", "Source", "TableViews", "ViewMaker", "Views"]
