"""A kind of thing that data come in, and the error for an option that does not fit it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isotropy.data.data import Data
from isotropy.data.options import Options
from isotropy.errors import UserError

# What every source takes: values or names of labels, parts, groups and times, and what all of them are.
EVERYWHERE = frozenset({"modality", "label", "na", "split", "group", "time", "task"})
IMAGE_FILES = frozenset({"size", "channels", "fit", "background", "levels", "max_bad", "store", "progress"})
KEYS = frozenset({"key", "label_key", "test_key", "test_label_key"})
CUTTING = frozenset({"window", "hop", "id", "rate", "gap", "time_unit", "channel_column", "like"})

_KEYS = "names arrays of a .npz file"
_FILES = "is of images in files"
_CUTTING = "is of recordings"
# Of every option that is not taken everywhere, what it is about: "OPTION is of images in files; a.csv has none".
MEANINGS = (
    dict.fromkeys(KEYS, _KEYS)
    | dict.fromkeys(IMAGE_FILES, _FILES)
    | dict.fromkeys(CUTTING, _CUTTING)
    | {
        "channels": "counts the channels of images",
        "drop": "names columns by name",
        "image_column": "names a column of a table",
        "kinds": "names columns by name",
        "order": "says where the channels of series stand",
        "scale": "says how floats are read in images of an array",
        "series_columns": "names columns of a table",
        "text": "names columns of a table",
    }
)
# Names under which users know an option where it has another here.
_SHOWN = {"order": "channels", "kinds": "kind"}


@dataclass(frozen=True)
class Origin:
    """Where data come from: the name in a description, what they are in an error, and the folder of their file."""

    name: str
    whose: str
    folder: Path | None = None


@dataclass(frozen=True)
class Source:
    """A kind of thing that data come in.

    Attributes:
        name: what it is called. takes: the options beside those of all sources.
        is_one: whether something is of this kind, of (content, options); the first of `SOURCES` counts.
        read: returns the data of (content, origin, options).
    """

    name: str
    takes: frozenset[str]
    is_one: Callable[[Any, Options], bool]
    read: Callable[[Any, Origin, Options], Data]

    def refuse_others(self, options: Options, whose: str) -> None:
        """Raise UserError for an option that says something of another kind of source."""
        for option in options.given:
            if option not in self.takes | EVERYWHERE:
                raise UserError(f"{_SHOWN.get(option, option)} {MEANINGS[option]}; {whose} has none")
