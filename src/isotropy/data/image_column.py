"""A table's column of images: paths of files, or their bytes, as the Hugging Face library writes them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.data import Data
from isotropy.data.folder import ImageFolder, read_images
from isotropy.data.folder_targets import image_notes, image_words
from isotropy.data.image_decoding import decoded
from isotropy.data.image_form import form_of
from isotropy.data.image_listing import ImageFile, image_file
from isotropy.data.target_columns import Target, counted_rows, pop_column, with_targets
from isotropy.decoding.image_files import SUFFIXES, Form
from isotropy.errors import UserError

_PARTS = {"bytes", "path"}


def image_column(frame: pd.DataFrame, named: str | None, modality: str | None) -> str | None:
    """Return the name of the column of images: the one that is named, or the only one that holds images' bytes.

    A column of paths is one where the modality says that these are images.

    Example:
        >>> image_column(pd.DataFrame({"file": ["a.png"], "y": [1]}), None, "image")
        'file'
    """
    if named is not None or modality not in (None, "image"):
        return named
    held = [str(name) for name in frame.columns if frame[name].dtype == object and _holds_bytes(frame[name])]
    if not held and modality == "image":
        held = [str(name) for name in frame.columns if _holds_paths(frame[name])]
    if len(held) > 1:
        raise UserError(f"columns {' and '.join(held)} hold images: name one with image_column (--image-column)")
    return held[0] if held else None


def column_images(
    frame: pd.DataFrame, column: str, name: str, base: Path | None, **options: Any
) -> tuple[ImageFolder, pd.DataFrame]:
    """Return the images of a column, decoded as those of a folder, and the other columns of the rows that have one.

    Args:
        frame: one row per image. column: of paths, bytes, or structs of "bytes" and "path". name: of the table.
        base: the folder in which paths are looked up that are not absolute.
        options: those of `read_images`.

    Raises:
        UserError: a column of something else, or what `read_images` raises.
    """
    others, cells = pop_column(frame, column, "images")
    counted_rows(len(frame), name)
    files = [_image(cell, place, column, base) for place, cell in enumerate(cells)]
    images = read_images(files, f"{base} {name} {column}", f"{name}, {column}", **options)
    return images, others.iloc[list(images.places)].reset_index(drop=True)


@dataclass(frozen=True)
class ColumnImages:
    """How the images of a column are decoded where it is read piece by piece.

    Args:
        column: its name. form: what they are brought to. base: the folder of paths that are not absolute.
    """

    column: str
    form: Form
    base: Path | None = None

    def decoded(self, cells: "pd.Series[Any]", name: str) -> NDArray[np.uint8]:
        """Return the images (N, channels, height, width) in cells; UserError for one that cannot be read."""
        files = [_image(cell, row, self.column, self.base) for row, cell in cells.items()]
        return decoded(files, self.form, f"{name}, {self.column}")


def form_of_column(cells: "pd.Series[Any]", column: str, base: Path | None, options: Mapping[str, Any]) -> Form:
    """Return the form that the images of a column are brought to, of what is asked and of the headers in cells."""
    return form_of([_image(cell, place, column, base) for place, cell in enumerate(cells)], **options)


def column_data(
    images: ImageFolder, name: str, column: str, labels: Target, parts: Target, unread: int, na: Sequence[str]
) -> Data:
    """Return the images of a column with labels and parts; texts in `na` are no label."""
    description = f"{name}, {column}: {image_words(images)}, {counted_rows(len(images.values), name)}"
    notes = image_notes(images) + ([f"{unread} other columns not read"] if unread else [])
    return replace(with_targets(images.values, "image", description, labels, parts, na, notes), form=images.form)


def paths_column(frame: pd.DataFrame) -> str | None:
    """Return the name of the first column that holds the names of files of images; None where none does.

    Example:
        >>> paths_column(pd.DataFrame({"y": [1], "file": ["a.png"]}))
        'file'
    """
    return next((str(name) for name in frame.columns if _holds_paths(frame[name])), None)


def _holds_bytes(column: "pd.Series[Any]") -> bool:
    first = _first(column)
    return isinstance(first, bytes) or (isinstance(first, dict) and "bytes" in first and set(first) <= _PARTS)


def _holds_paths(column: "pd.Series[Any]") -> bool:
    first = _first(column)
    return isinstance(first, str) and Path(first).suffix.lower() in SUFFIXES


def _first(column: "pd.Series[Any]") -> Any:
    there = column.first_valid_index()
    return None if there is None else column.loc[there]


def _image(cell: Any, place: Any, column: str, base: Path | None) -> ImageFile:
    """Return the image in a cell; a row without one is an image that cannot be read."""
    name = f"row {place}"
    if isinstance(cell, dict) and cell.get("bytes") is None:
        cell = cell.get("path")
    elif isinstance(cell, dict):
        name, cell = str(cell.get("path") or name), cell["bytes"]
    if isinstance(cell, bytes):
        return ImageFile(name, hashlib.sha256(cell).hexdigest(), cell)
    if isinstance(cell, str):
        return image_file(str(Path(cell) if base is None else base / cell), cell)
    if cell is None or pd.isna(cell):
        return ImageFile(name, "none", None, "there is no image in this row")
    raise UserError(f"column {column!r} holds {type(cell).__name__} (row {place}): images are paths or bytes of files")
