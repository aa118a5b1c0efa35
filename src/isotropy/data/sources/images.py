"""Images in files: a folder of them, or a table with a column of their paths or bytes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.data import Data
from isotropy.data.folder import ImageFolder, read_folder
from isotropy.data.folder_targets import folder_data, folder_groups
from isotropy.data.image_column import column_data, column_images, image_column
from isotropy.data.options import Options
from isotropy.data.sources.beside import Beside, finished, with_parts
from isotropy.data.sources.source import IMAGE_FILES, Origin, Source
from isotropy.data.target_columns import Target
from isotropy.errors import UserError


def _folder(folder: Path, origin: Origin, options: Options) -> Data:
    if options.modality not in (None, "image"):
        what = "an image, which is" if folder.is_file() else "a folder, which is"
        raise UserError(f"{folder} is {what} read as images, not as {options.modality}")
    images = read_folder(folder, **options.files)
    data = _named(folder_data(images, origin.name, options.label, options.split, options.label_na), images)
    groups = folder_groups(images, options.label, options.group)
    return finished(data, Beside({}, groups, Target(options.time)), options)


def _holds_images(content: Any, options: Options) -> bool:
    if not isinstance(content, pd.DataFrame):
        return False
    return options.modality == "image" or image_column(content, options.image_column, options.modality) is not None


def _pictures(frame: pd.DataFrame, origin: Origin, options: Options) -> Data:
    column = image_column(frame, options.image_column, options.modality)
    if column is None:
        raise UserError(
            f"{origin.name} has no column of images: name one of paths with image_column (--image-column), or one of "
            "arrays with key (--key)"
        )
    images, frame = column_images(frame, column, origin.name, origin.folder, **options.files)
    frame, beside, label = Beside.of(frame, options)
    frame, labels, parts = with_parts(frame, label, options.split)
    data = column_data(images, origin.name, column, labels, parts, frame.shape[1], options.label_na)
    return finished(_named(data, images), beside, options)


def _named(data: Data, images: ImageFolder) -> Data:
    return replace(data, files=np.array(images.files, dtype=object))


FOLDER = Source("folder of images", IMAGE_FILES, lambda content, _: isinstance(content, Path), _folder)
PICTURES = Source(
    "table with a column of images", IMAGE_FILES | {"image_column", "drop", "text"}, _holds_images, _pictures
)
