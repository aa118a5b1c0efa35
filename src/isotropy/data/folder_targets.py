"""Labels, parts and groups of a folder of images: the names of its folders, or values given beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.data import Data
from isotropy.data.folder import ImageFolder
from isotropy.data.images import colour_words
from isotropy.data.target_columns import Target, counted_rows, with_targets
from isotropy.errors import UserError, listed

# What the test part of an image set is called where its folders are its parts.
TEST_FOLDERS = ("test", "val", "valid", "validation")


def folder_data(images: ImageFolder, name: str, label: Any, split: Any, na: Sequence[str]) -> Data:
    """Return the images with labels and parts: given by value, or the names of their folders."""
    folders = [file.split("/")[:-1] for file in images.files]
    tops = {path[0] if path else "" for path in folders}
    labels, parts = Target(label), Target(split)
    if isinstance(split, str):
        raise UserError("the parts of a folder are its folders train and test, or one value per image")
    if split is None and len(tops) == 2 and "train" in tops and tops & set(TEST_FOLDERS):
        which = np.array(["train" if path[0] == "train" else "test" for path in folders])
        parts = Target(which, " and ".join(sorted(tops, key=lambda top: top != "train")))
        folders = [path[1:] for path in folders]
    if isinstance(label, str):
        if label != "folder":
            raise UserError(f"a folder of images has no label {label!r}: label='folder' takes the folders' names")
        classes = pd.Series([path[0] if path else None for path in folders], dtype=object)
        if classes.isna().all():
            raise UserError(f"{name} has no class folders to take labels from")
        labels = Target(classes, "the folders' names")
    notes = image_notes(images)
    description = f"{name}: {image_words(images)}, {counted_rows(len(images.values), name)}"
    data = with_targets(images.values, "image", description, split=parts)
    return replace(
        with_targets(images.values, "image", data.description, labels, na=na, notes=notes),
        split=data.split,
        form=images.form,
    )


def image_words(images: ImageFolder) -> str:
    """Return what images were brought to, as "RGB images brought to 32x32"."""
    count, height, width = images.values.shape[1:]
    return f"{colour_words(count)} images brought to {height}x{width}"


def image_notes(images: ImageFolder) -> list[str]:
    """Return what of the images is not there any more, why, and the options that change it."""
    notes, form = [], images.form
    if levels := form.get("levels"):
        notes.append(f"levels {levels[0]:g} to {levels[1]:g} became 0 to 255 (levels)")
    if count := images.lost.get("transparent"):
        notes.append(f"{count} with transparency laid over {form['background']} (background)")
    if count := images.lost.get("animated"):
        notes.append(f"of {count} with several pictures the first is taken")
    if count := images.lost.get("cut"):
        notes.append(f"{count} lost more than 40 % to the cut to the middle (fit: pad or stretch keeps all of them)")
    if images.bad:
        notes.append(f"{len(images.bad)} unreadable left out: {listed([bad for bad, _ in images.bad], 5)}")
    if images.ignored:
        notes.append(f"{images.ignored} other files ignored")
    return notes


def folder_groups(images: ImageFolder, label: Any, group: Any) -> Target:
    """Return the groups: given by value, or "folder", the names of the images' folders."""
    if not isinstance(group, str):
        return Target(group)
    if group != "folder":
        raise UserError(f"a folder of images has no group {group!r}: group='folder' takes the folders' names")
    if isinstance(label, str):
        raise UserError("the folders' names cannot be both the label and the group")
    return Target(pd.Series([file.rpartition("/")[0] for file in images.files], dtype=object), "the folders' names")
