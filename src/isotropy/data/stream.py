"""Rows of a file in pieces, for data that need not fit into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from isotropy.batch import batched
from isotropy.data import readers
from isotropy.data.missing import mask_values
from isotropy.data.preprocess import Preprocess
from isotropy.data.read import read
from isotropy.data.recordings.windows import Windows
from isotropy.errors import UserError


@dataclass(frozen=True)
class Stream:
    """Values as `preprocess.transform` takes them, in pieces; `rows` is None where only reading would tell (.csv).

    `windows` says of all rows where they were cut from, where they are windows of recordings.
    """

    description: str
    rows: int | None
    pieces: Iterator[Any]
    windows: Windows | None = None


def stream(
    path: str | Path | Sequence[str],
    preprocess: Preprocess,
    *,
    key: str | None = None,
    na: Sequence[str] = (),
    channels: int | str | None = None,
    max_bad: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **cutting: Any,
) -> Stream:
    """Return the rows behind a path in pieces that take bounded memory; but the array of a .npz is unpacked whole.

    Args:
        path, key, na, channels, max_bad, progress: as for `read`; columns of labels or parts may be there.
        preprocess: learnt in training; its modality is what the file must hold.
        cutting: of recordings what differs from the training's: hop, time, group, id, rate, time_unit.

    Raises:
        UserError: what `read` raises, or data of another modality.
    """
    if preprocess.read_options(folder=False).get("like") is not None or not isinstance(path, str | Path):
        return _recordings(path, preprocess, key=key, na=na, **cutting)
    if given := next((name for name, value in cutting.items() if value is not None), None):
        raise UserError(f"--{given.replace('_', '-')} is of recordings, and the encoder was not trained on any")
    place = Path(path).expanduser()
    pieces_of = readers.find_reader(place).pieces if place.is_file() else None
    if preprocess.takes_frames and pieces_of is not None:
        # A piece without its odd value would have another type than the whole column: names of levels are text.
        rows, frames = pieces_of(place, na, preprocess.text_columns)
        count = "read in pieces" if rows is None else f"{rows} rows"
        return Stream(f"{place.name}: a table, {count}", rows, (mask_values(frame, na) for frame in frames))
    options = ({"channels": channels} if channels else {}) | readers.options_for(preprocess, place, key)
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


def _recordings(path: Any, preprocess: Preprocess, **options: Any) -> Stream:
    """Return windows of recordings as the training cut them; they are read whole."""
    like = preprocess.read_options(folder=False).get("like")
    if like is None:
        raise UserError("several files are read as recordings, and the encoder was not trained on any: give one file")
    data = read(path, like=like, **options)
    parts = batched(len(data), row_bytes=data.values[:1].nbytes)
    return Stream(data.description, len(data), (data.values[part] for part in parts), data.windows)
