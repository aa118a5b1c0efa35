"""File formats by their suffix: how a file is read, whole and in pieces."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from isotropy.data import arrow_files, table_files
from isotropy.data.archive import Archive
from isotropy.data.csv_parts import PACKED
from isotropy.data.frames import as_pandas
from isotropy.data.numpy_files import npy_steps, read_npy, read_npz
from isotropy.data.opening import check_names, opening
from isotropy.data.preprocess import Preprocess
from isotropy.data.recordings.recording import Signals
from isotropy.data.recordings.slices import Steps
from isotropy.decoding.image_files import SUFFIXES as IMAGES
from isotropy.errors import UserError
from isotropy.registry import find


@dataclass(frozen=True)
class Reader:
    """A file format; registered under its suffix in `READERS`.

    Attributes:
        read: returns the content of (path, na), where the texts `na` mean a missing value beside the format's own.
        pieces: returns of (path, na, text) how many rows there are (None where only reading would tell) and frames
            of at most `table_files.PIECE_ROWS`; the columns `text` are read as text. None for a format without pieces.
        recordings: whether a file holds recordings (`recordings.recording.Signals`), so that they are read as such.
        columns: returns those columns of (path, names, na) and no other; None where a file is read whole for them.
        steps: returns of (path, key, order) the one recording of which steps can be read apart; None where they cannot.
    """

    read: Callable[[Path, Sequence[str]], pd.DataFrame | NDArray[Any] | Archive | list[Signals]]
    pieces: Callable[[Path, Sequence[str], Sequence[str]], tuple[int | None, Iterator[pd.DataFrame]]] | None = None
    recordings: Callable[[Path], bool] = lambda path: False
    columns: Callable[[Path, Sequence[str], Sequence[str]], pd.DataFrame] | None = None
    steps: Callable[[Path, str | None, str | None], Steps | None] = lambda path, key, order: None


def read_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table, typed by all their values; UserError where it has no such column."""
    reader = find_reader(path)
    if reader.columns is not None:
        return reader.columns(path, names, na)
    frame = as_pandas(reader.read(path, na))
    check_names(path, names, list(frame.columns))
    return frame[list(names)]


def _format(name: str, recordings: Callable[[Path], bool] = lambda path: False, *, apart: bool = False) -> Reader:
    """Return the reader in a file of `formats`, which imports the package that it needs when it is first used.

    The file has functions `read` and, where steps of a recording can be read `apart`, `steps`.
    """

    def read(path: Path, na: Sequence[str]) -> Any:
        with opening(path):
            return import_module(f"isotropy.data.formats.{name}").read(path)

    def steps(path: Path, key: str | None, order: str | None) -> Steps | None:
        if not apart:
            return None
        with opening(path):
            found: Steps | None = import_module(f"isotropy.data.formats.{name}").steps(path, key, order)
        return found

    return Reader(read, recordings=recordings, steps=steps)


def _always(path: Path) -> bool:
    return True


def _relational(path: Path) -> bool:
    """Return whether an .arff file has a column of series."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        header = takewhile(lambda line: not line.strip().lower().startswith("@data"), lines)
        return any(re.search(r"^\s*@attribute\s.*\srelational\s*$", line, re.IGNORECASE) for line in header)


READERS: dict[str, Reader] = {
    ".npy": Reader(read_npy, steps=npy_steps),
    ".npz": Reader(read_npz),
    ".csv": Reader(table_files.csv, table_files.csv_pieces, columns=table_files.csv_columns),
    ".parquet": Reader(table_files.parquet, table_files.parquet_pieces, columns=table_files.parquet_columns),
    ".tsv": Reader(table_files.csv, table_files.csv_pieces, columns=table_files.csv_columns),
    ".feather": Reader(table_files.arrow, table_files.arrow_pieces, columns=table_files.arrow_columns),
    ".arrow": Reader(table_files.arrow, table_files.arrow_pieces, columns=table_files.arrow_columns),
    ".tar": Reader(table_files.tar, table_files.tar_pieces, columns=table_files.tar_columns),
    ".ts": _format("ts", _always),
    ".tsf": _format("tsf", _always),
    ".arff": _format("arff", _relational),
    ".wav": _format("wav", _always, apart=True),
    ".edf": _format("edf", _always, apart=True),
    ".bdf": _format("edf", _always, apart=True),
    ".hea": _format("wfdb", _always, apart=True),
    ".h5": _format("hdf5", apart=True),
    ".hdf5": _format("hdf5", apart=True),
    ".mat": _format("matlab"),
}
SAVED = READERS[".arrow"]
PARTITIONS = Reader(table_files.partitions, table_files.partition_pieces, columns=table_files.partition_columns)
# Formats that are read packed, too, as .csv.gz.
_TEXTS = (".csv", ".tsv")


def read_file(path: Path, na: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame | NDArray[Any] | Archive:
    """Return the content of a file; the columns `text` of a format that says nothing of types are read as text."""
    reader = find_reader(path)
    pieces = [] if not text or reader.pieces is None else list(reader.pieces(path, na, text)[1])
    # A file without rows has no pieces.
    return as_pandas(pd.concat(pieces, ignore_index=True) if pieces else reader.read(path, na))


_OF_TABLES = ("image_column", "text", "series_columns")


def options_for(preprocess: Preprocess, place: Path | None, key: str | None = None) -> dict[str, Any]:
    """Return the arguments of `isotropy.data.read` that bring what is at a place to the form of the training.

    A folder and a table with a column of images hold files of images, an array (one by its `key`, or no place) images
    as they are.
    """
    folder = place is not None and not is_one_file(place)
    table = key is None and place is not None and is_one_file(place) and find_reader(place).pieces is not None
    options = preprocess.read_options(folder=folder or table)
    return {name: value for name, value in options.items() if table or name not in _OF_TABLES}


def is_one_file(path: Path) -> bool:
    """Return whether a path is read as one file: it is one, but no image, or a folder of one table."""
    image = path.suffix.lower() in IMAGES
    return (path.is_file() and not image) or arrow_files.is_partitioned(path) or arrow_files.is_saved(path)


def suffix_of(path: Path) -> str:
    """Return the suffix that names a file's format.

    Example:
        >>> suffix_of(Path("a.CSV")), suffix_of(Path("a.csv.gz")), suffix_of(Path("a.gz"))
        ('.csv', '.csv', '.gz')
    """
    inner = Path(path.stem).suffix.lower()
    return inner if path.suffix.lower() in PACKED and inner in _TEXTS else path.suffix.lower()


def find_reader(path: Path) -> Reader:
    """Return the reader of a file by its suffix; UserError where none is registered or installed."""
    if arrow_files.is_partitioned(path):
        return PARTITIONS
    if arrow_files.is_saved(path):
        return SAVED
    reader = find(READERS, suffix_of(path), "reader")
    if reader is None:
        raise UserError(
            f"{path.name} cannot be read: {', '.join(READERS)} files, images and folders of them are (save a workbook "
            "or the like as .csv first)"
        )
    return reader
