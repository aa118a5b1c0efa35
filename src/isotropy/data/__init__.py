"""Where data come in: reading, preprocessing, and rows drawn by index; labels are kept apart throughout."""

from isotropy.data.any_array import ArrayPreprocess
from isotropy.data.column_schema import ColumnSchema
from isotropy.data.data import Data
from isotropy.data.dataset import ArrayDataset
from isotropy.data.images import ImagePreprocess
from isotropy.data.infer import PREPROCESS, preprocess_from
from isotropy.data.preprocess import Preprocess
from isotropy.data.read import read
from isotropy.data.schema import Schema
from isotropy.data.series import SeriesPreprocess
from isotropy.data.table import TablePreprocess

__all__ = [
    "PREPROCESS",
    "ArrayDataset",
    "ArrayPreprocess",
    "ColumnSchema",
    "Data",
    "ImagePreprocess",
    "Preprocess",
    "Schema",
    "SeriesPreprocess",
    "TablePreprocess",
    "preprocess_from",
    "read",
]
