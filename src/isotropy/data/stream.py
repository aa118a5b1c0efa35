"""Rows of a file in pieces, for data that need not fit into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from isotropy.batch import batched
from isotropy.data import readers
from isotropy.data.preprocess import Preprocess
from isotropy.data.read import mask_values, read
from isotropy.errors import UserError


@dataclass(frozen=True)
class Stream:
    """Values as `preprocess.transform` takes them, in pieces; `rows` is None where only reading would tell (.csv)."""

    description: str
    rows: int | None
    pieces: Iterator[Any]


def stream(
    path: str | Path,
    preprocess: Preprocess,
    *,
    key: str | None = None,
    na: Sequence[str] = (),
    channels: int | str | None = None,
    max_bad: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stream:
    """Return the rows behind a path in pieces that take bounded memory; but the array of a .npz is unpacked whole.

    Args:
        path, key, na, channels, max_bad, progress: as for `read`; columns of labels or parts may be there.
        preprocess: learnt in training; its modality is what the file must hold.

    Raises:
        UserError: what `read` raises, or data of another modality.
    """
    place = Path(path).expanduser()
    pieces_of = readers.find_reader(place).pieces if place.is_file() else None
    if preprocess.takes_frames and pieces_of is not None:
        # A piece without its odd value would have another type than the whole column: names of levels are text.
        rows, frames = pieces_of(place, na, preprocess.text_columns)
        count = "read in pieces" if rows is None else f"{rows} rows"
        return Stream(f"{place.name}: a table, {count}", rows, (mask_values(frame, na) for frame in frames))
    options = ({"channels": channels} if channels else {}) | preprocess.read_options(folder=place.is_dir())
    modality = None if place.is_dir() else preprocess.modality
    data = read(place, modality=modality, key=key, na=na, max_bad=max_bad, progress=progress, **options)
    if data.modality != preprocess.modality:
        raise UserError(
            f"{place}: holds {data.modality} data, and the encoder was trained on {preprocess.modality} data"
        )
    if isinstance(data.values, pd.DataFrame):
        parts = batched(len(data), rows=readers.PIECE_ROWS)
    else:
        parts = batched(len(data), row_bytes=data.values[:1].nbytes)
    return Stream(data.description, len(data), (data.take(part).values for part in parts))
