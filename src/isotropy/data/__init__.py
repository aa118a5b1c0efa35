"""Where data come in: reading, preprocessing, and rows drawn by index; labels are kept apart throughout."""

from isotropy.data.data import Data
from isotropy.data.dataset import ArrayDataset
from isotropy.data.images import ImagePreprocess
from isotropy.data.preprocess import PREPROCESS, Preprocess, TablePreprocess
from isotropy.data.read import read
from isotropy.data.schema import ColumnSchema, Schema
from isotropy.data.series import SeriesPreprocess

__all__ = [
    "PREPROCESS",
    "ArrayDataset",
    "ColumnSchema",
    "Data",
    "ImagePreprocess",
    "Preprocess",
    "Schema",
    "SeriesPreprocess",
    "TablePreprocess",
    "read",
]
