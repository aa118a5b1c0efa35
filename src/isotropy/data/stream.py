"""Rows of a file in pieces, for data that need not fit into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from isotropy.data.files import opening
from isotropy.data.images import ImagePreprocess
from isotropy.data.preprocess import Preprocess, TablePreprocess
from isotropy.data.read import read
from isotropy.errors import UserError

# Rows of a table in one piece; a wide table of 1000 numbers takes half a gigabyte.
PIECE_ROWS = 65_536
# Bytes of an array in one piece.
PIECE_BYTES = 1 << 27


@dataclass(frozen=True)
class Stream:
    """Pieces of values, in the order of the rows.

    Attributes:
        said: one line: what was taken for what.
        rows: how many rows there are, or None where only reading them would tell (.csv).
        pieces: yields values as `preprocess.transform` takes them.
    """

    said: str
    rows: int | None
    pieces: Iterator[Any]


def stream(
    path: str | Path,
    preprocess: Preprocess,
    *,
    key: str | None = None,
    na: Sequence[str] = (),
    max_bad: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stream:
    """Return the rows behind `path` in pieces that take bounded memory.

    A .parquet or .csv file is read piece by piece, a .npy file and a decoded folder of images are mapped; the
    array of a .npz is unpacked whole. Columns of labels or parts may be there: a schema takes only its own.

    Args:
        path: as `read` takes it.
        preprocess: learnt in training; its modality is what the file must hold.
        key, na, max_bad, progress: as for `read`.

    Raises:
        UserError: what `read` raises, or data of another modality.
    """
    place = Path(path).expanduser()
    suffix = place.suffix.lower()
    if isinstance(preprocess, TablePreprocess) and place.is_file() and suffix in (".parquet", ".csv"):
        return _frames(place, suffix, preprocess, na)
    options: dict[str, Any] = {}
    if isinstance(preprocess, ImagePreprocess):
        options["scale"] = preprocess.scale
        if place.is_dir():
            options |= {"size": preprocess.size[0], "channels": preprocess.channels}
    modality = None if place.is_dir() else preprocess.modality
    data = read(place, modality=modality, key=key, na=na, max_bad=max_bad, progress=progress, **options)
    if data.modality != preprocess.modality:
        raise UserError(
            f"{place}: holds {data.modality} data, and the encoder was trained on {preprocess.modality} data"
        )
    values = data.values
    row = 1 if isinstance(values, pd.DataFrame) else max(1, values[:1].nbytes)
    step = PIECE_ROWS if isinstance(values, pd.DataFrame) else max(1, PIECE_BYTES // row)
    starts = range(0, len(values), step)
    frames = isinstance(values, pd.DataFrame)
    pieces = (values.iloc[s : s + step] if frames else values[s : s + step] for s in starts)
    return Stream(data.description, len(values), pieces)


def _frames(path: Path, suffix: str, preprocess: TablePreprocess, na: Sequence[str]) -> Stream:
    columns = preprocess.schema.columns
    missing = list(na)
    if suffix == ".parquet":
        with opening(path):
            file = pq.ParquetFile(path)
            rows = file.metadata.num_rows
        batches = file.iter_batches(PIECE_ROWS)
        pieces = (_without(batch.to_pandas(), missing) for batch in _guarded(path, batches))
        return Stream(f"{path.name}: a table, {rows} rows", rows, pieces)
    # A piece without its odd value would have another type than the whole column: names of levels are text.
    kinds: Any = {column.name: "str" for column in columns if column.kind == "categorical"}
    with opening(path):
        head = pd.read_csv(path, nrows=0, skipinitialspace=True)
    kinds = {name: kind for name, kind in kinds.items() if name in head.columns}
    return Stream(f"{path.name}: a table, read in pieces", None, _guarded(path, _lines(path, kinds, missing)))


def _lines(path: Path, kinds: Any, missing: list[str]) -> Iterator[pd.DataFrame]:
    with pd.read_csv(
        path, na_values=missing, skipinitialspace=True, low_memory=False, dtype=kinds, chunksize=PIECE_ROWS
    ) as reader:
        yield from reader


def _guarded(path: Path, pieces: Any) -> Iterator[Any]:
    with opening(path):
        yield from pieces


def _without(frame: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    return frame.assign(**{name: frame[name].mask(frame[name].isin(missing)) for name in texts}) if missing else frame
