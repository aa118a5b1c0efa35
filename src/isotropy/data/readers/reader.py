"""What a file format is to the library: how its content is read, whole and in pieces."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from isotropy.data.readers.npz import Archive

# Rows of a table in one piece; a wide table of 1000 numbers takes half a gigabyte.
PIECE_ROWS = 65_536


@dataclass(frozen=True)
class Reader:
    """A file format; registered under its suffix in `READERS`.

    Attributes:
        read: returns a file's content: a DataFrame, an array, or an archive of arrays. The texts `na` mean a
            missing value beside the format's usual ones; a format that knows none ignores them.
        pieces: returns how many rows a file has (None where only reading it would tell) and its frames of at most
            `PIECE_ROWS` rows; the columns `text` are read as text. None where a file is read whole or mapped.
    """

    read: Callable[[Path, Sequence[str]], pd.DataFrame | NDArray[Any] | Archive]
    pieces: Callable[[Path, Sequence[str], Sequence[str]], tuple[int | None, Iterator[pd.DataFrame]]] | None = None
