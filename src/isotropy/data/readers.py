"""File formats by their suffix: how a file is read, whole and in pieces."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import takewhile
from lzma import LZMAError as LzmaError
from math import prod
from pathlib import Path
from struct import error as StructError
from tarfile import TarError
from typing import Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import ArrowException

from isotropy.data import arrow_files, tar_file
from isotropy.data.csv_file import layout_of, read_csv
from isotropy.data.csv_parts import PACKED
from isotropy.data.frames import arrow_to_pandas, as_pandas, stacked
from isotropy.data.preprocess import Preprocess
from isotropy.data.recordings.recording import Signals
from isotropy.data.recordings.slices import Steps, of_array
from isotropy.errors import UserError, nearest
from isotropy.registry import find

# Rows of a table in one piece; a wide table of 1000 numbers takes half a gigabyte.
PIECE_ROWS = 65_536
# Bytes of a tar file in one piece.
_TAR_BYTES = 1 << 24
# Arrays that are taken without being asked for, in this order, from a file of several.
USUAL_KEYS = ("X_train", "X", "data", "x")


# What numpy, zipfile, pandas and pyarrow raise for damaged files, and for packings that Python does not know.
_DAMAGED = (
    ValueError, OSError, EOFError, KeyError, IndexError, TypeError, SyntaxError, OverflowError, NotImplementedError,
    RuntimeError, MemoryError, BadZipFile, TarError, ZlibError, StructError, LzmaError, ArrowException,
)  # fmt: skip


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or foreign file raises into one line that names the file."""
    try:
        yield
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path} is empty") from error
    except _DAMAGED as error:
        if any(word in str(error) for word in ("pickle", "Object arrays", "Python objects")):
            raise UserError(
                f"{path} holds Python objects (a pickle), which are never read: save an array of plain numbers"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        kind = "folder of one table" if path.is_dir() else f"{path.suffix} file"
        raise UserError(f"{path} is damaged or no {kind}: {reason[:120]}") from error


class Archive:
    """The arrays of a file of several, read one by one; `shapes` says of each what it is.

    Args:
        path: of the file. shapes: name -> shape and type. load: returns the array of a name.
        usual: names of arrays that are taken without being asked for.
    """

    def __init__(
        self,
        path: Path,
        shapes: dict[str, str],
        load: Callable[[str], NDArray[Any]],
        usual: Sequence[str] = USUAL_KEYS,
    ) -> None:
        self.path = path
        self.shapes = shapes
        self._load, self._usual = load, usual

    def __getitem__(self, key: str) -> NDArray[Any]:
        """Return one array; UserError with the nearest name where there is none of this name."""
        if key not in self.shapes:
            raise UserError(f"{self.path} has no array {key!r}{nearest(key, self.shapes)}")
        with opening(self.path):
            return np.asarray(self._load(key))

    def choose(self) -> str:
        """Return the key of the only array, or of one with a usual name; UserError lists the arrays otherwise."""
        usual = [key for key in self._usual if key in self.shapes]
        if usual or len(self.shapes) == 1:
            return (usual or list(self.shapes))[0]
        if not self.shapes:
            raise UserError(f"{self.path} holds no array")
        found = ", ".join(f"{key} {shape}" for key, shape in self.shapes.items())
        raise UserError(f"{self.path} holds {found}: name one with key")


def _npz(path: Path, na: Sequence[str]) -> Archive:
    with opening(path), ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        shapes = {name.removesuffix(".npy"): _header(archive, name) for name in members}

    def load(key: str) -> NDArray[Any]:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[key])

    return Archive(path, shapes, load)


def columns_of(frame: pd.DataFrame, name: str, usual: Sequence[str] = USUAL_KEYS) -> Archive:
    """Return the columns of a table as arrays: those of lists of one length as (N, ...)."""

    def load(key: str) -> NDArray[Any]:
        array = stacked(frame[key]) if frame[key].dtype == object else None
        return frame[key].to_numpy() if array is None else array

    return Archive(Path(name), {str(column): f"{frame[column].dtype}" for column in frame.columns}, load, usual)


def _header(archive: ZipFile, name: str) -> str:
    """Return shape and type of a member, from its header alone; ValueError where it does not fit the member's size."""
    with archive.open(name) as member:
        shape, dtype, _ = checked_header(member, archive.getinfo(name).file_size, name.removesuffix(".npy"))
    return f"{shape} {dtype}"


def checked_header(file: Any, size: int, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return the shape and type that the header of an open .npy file says, and whether columns stand one by one.

    ValueError: the file holds less.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} has the shape {shape}, with a negative length")
    # In Python's numbers, which do not overflow.
    need = prod(shape) * dtype.itemsize
    if not dtype.hasobject and need > size - file.tell():
        raise ValueError(
            f"{name} has the shape {shape} of {dtype}, {need:,} bytes, and {size - file.tell():,} are there"
        )
    return shape, dtype, by_columns


@dataclass(frozen=True)
class Reader:
    """A file format; registered under its suffix in `READERS`.

    Attributes:
        read: returns the content of (path, na), where the texts `na` mean a missing value beside the format's own.
        pieces: returns of (path, na, text) how many rows there are (None where only reading would tell) and frames
            of at most `PIECE_ROWS`; the columns `text` are read as text. None for a format without pieces.
        recordings: whether a file holds recordings (`recordings.recording.Signals`), so that they are read as such.
        columns: returns those columns of (path, names, na) and no other; None where a file is read whole for them.
        steps: returns of (path, key, order) the one recording of which steps can be read apart; None where they cannot.
    """

    read: Callable[[Path, Sequence[str]], pd.DataFrame | NDArray[Any] | Archive | list[Signals]]
    pieces: Callable[[Path, Sequence[str], Sequence[str]], tuple[int | None, Iterator[pd.DataFrame]]] | None = None
    recordings: Callable[[Path], bool] = lambda path: False
    columns: Callable[[Path, Sequence[str], Sequence[str]], pd.DataFrame] | None = None
    steps: Callable[[Path, str | None, str | None], Steps | None] = lambda path, key, order: None


def _npy(path: Path, na: Sequence[str]) -> NDArray[Any]:
    """Map an array copy-on-write: only what is used is read."""
    with opening(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
        with open(path, "rb") as file:
            start = file.read(len(np.lib.format.MAGIC_PREFIX))
            if start == np.lib.format.MAGIC_PREFIX:
                file.seek(0)
                checked_header(file, path.stat().st_size, "the array")
            elif start[:1] not in (b"P", b"\x80"):
                # Neither an archive nor a pickle, which are told below.
                raise ValueError("it does not begin as one")
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path} is not a .npy file inside (an .npz archive?): rename it")
        return array


def _npy_steps(path: Path, key: str | None, order: str | None) -> Steps | None:
    array = _npy(path, [])
    return of_array(array, order, lambda steps, turned: array[:, steps] if turned else array[steps])


def _csv(path: Path, na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        return read_csv(path, na)


def _csv_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[None, Iterator[pd.DataFrame]]:
    with opening(path):
        layout = layout_of(path, na)
        named: Any = {"sep": layout.separator, **layout.options}
        head = pd.read_csv(path, nrows=0, skipinitialspace=True, **named)
    types: Any = {name: "str" for name in (*layout.padded, *text) if name in head.columns}
    options: Any = {"na_values": list(na), "skipinitialspace": True, "low_memory": False, "dtype": types}
    options |= named

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path), pd.read_csv(path, chunksize=PIECE_ROWS, **options) as parts:
            yield from parts

    return None, frames()


def read_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table, typed by all their values; UserError where it has no such column."""
    reader = find_reader(path)
    if reader.columns is not None:
        return reader.columns(path, names, na)
    frame = as_pandas(reader.read(path, na))
    _check_names(path, names, list(frame.columns))
    return frame[list(names)]


def _csv_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        layout = layout_of(path, na)
        options: Any = {"sep": layout.separator, "skipinitialspace": True, "low_memory": False, **layout.options}
        _check_names(path, names, [str(name) for name in pd.read_csv(path, nrows=0, **options).columns])
        options |= {"usecols": list(names), "dtype": dict.fromkeys(layout.padded, "str")}
        return pd.read_csv(path, na_values=list(na), **options)


def _check_names(path: Path, names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            raise UserError(f"{path.name} has no column {name!r}{nearest(name, there)}")


def _parquet(path: Path, na: Sequence[str]) -> pd.DataFrame:
    with opening(path), pq.ParquetFile(path) as file:
        return arrow_to_pandas(file.read(), ours=True)


def _parquet_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    with opening(path):
        file = pq.ParquetFile(path)

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in file.iter_batches(PIECE_ROWS):
                yield arrow_to_pandas(pa.Table.from_batches([batch]), ours=True)

    return file.metadata.num_rows, frames()


def _parquet_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    with opening(path), pq.ParquetFile(path) as file:
        _check_names(path, names, file.schema_arrow.names)
        return arrow_to_pandas(file.read(list(names)), ours=True)


def _arrow(path: Path, na: Sequence[str]) -> pd.DataFrame:
    return _arrow_columns(path, [], na)


def _arrow_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a file of Arrow; all of them where none is named."""
    with opening(path):
        schema = arrow_files.schema_of(path)
        _check_names(path, names, schema.names)
        chosen = list(names) or schema.names
        batches = arrow_files.batches(path, PIECE_ROWS, chosen)
        return arrow_to_pandas(pa.Table.from_batches(batches, _chosen(schema, chosen)))


def _chosen(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names], schema.metadata)


def _arrow_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[None, Iterator[pd.DataFrame]]:
    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in arrow_files.batches(path, PIECE_ROWS):
                yield arrow_to_pandas(pa.Table.from_batches([batch]))

    return None, frames()


def _partitions(path: Path, na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        return arrow_to_pandas(arrow_files.partitioned(path).to_table(), ours=True)


def _partition_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        table = arrow_files.partitioned(path)
        _check_names(path, names, table.schema.names)
        return arrow_to_pandas(table.to_table(list(names)), ours=True)


def _partition_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    with opening(path):
        table = arrow_files.partitioned(path)
        rows = table.count_rows()

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in table.to_batches(batch_size=PIECE_ROWS):
                if len(batch):
                    yield arrow_to_pandas(pa.Table.from_batches([batch]))

    return rows, frames()


def _tar(path: Path, na: Sequence[str]) -> pd.DataFrame | Archive:
    with opening(path):
        frame = tar_file.read(path)
    arrays = tar_file.array_column(list(frame.columns))
    return frame if arrays is None else columns_of(frame, path.name, [arrays])


def _tar_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        return tar_file.read(path, names=names)


def _tar_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    with opening(path):
        parts = tar_file.parts(path, _TAR_BYTES)

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for part in parts:
                yield tar_file.read(path, part.begin, part.end)

    return sum(part.rows for part in parts), frames()


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
    ".npy": Reader(_npy, steps=_npy_steps),
    ".npz": Reader(_npz),
    ".csv": Reader(_csv, _csv_pieces, columns=_csv_columns),
    ".parquet": Reader(_parquet, _parquet_pieces, columns=_parquet_columns),
    ".tsv": Reader(_csv, _csv_pieces, columns=_csv_columns),
    ".feather": Reader(_arrow, _arrow_pieces, columns=_arrow_columns),
    ".arrow": Reader(_arrow, _arrow_pieces, columns=_arrow_columns),
    ".tar": Reader(_tar, _tar_pieces, columns=_tar_columns),
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
PARTITIONS = Reader(_partitions, _partition_pieces, columns=_partition_columns)
# Formats that are read packed, too, as .csv.gz.
_TEXTS = (".csv", ".tsv")


def read_file(path: Path, na: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame | NDArray[Any] | Archive:
    """Return the content of a file; the columns `text` of a format that says nothing of types are read as text."""
    reader = find_reader(path)
    if not text or reader.pieces is None:
        content = reader.read(path, na)
    else:
        content = pd.concat(reader.pieces(path, na, text)[1], ignore_index=True)
    return as_pandas(content)


def options_for(preprocess: Preprocess, place: Path | None, key: str | None = None) -> dict[str, Any]:
    """Return the arguments of `isotropy.data.read` that bring what is at a place to the form of the training.

    A folder and a table with a column of images hold files of images, an array (one by its `key`, or no place) images
    as they are.
    """
    folder = place is not None and not is_one_file(place)
    table = key is None and place is not None and is_one_file(place) and find_reader(place).pieces is not None
    options = preprocess.read_options(folder=folder or table)
    return {name: value for name, value in options.items() if table or name not in ("image_column", "text")}


def is_one_file(path: Path) -> bool:
    """Return whether a path is read as one file: it is one, or a folder of one table, in partitions or as saved."""
    return path.is_file() or arrow_files.is_partitioned(path) or arrow_files.is_saved(path)


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
            f"{path.name} cannot be read: {', '.join(READERS)} files and folders of images are (of one image give the "
            "folder; a workbook or the like is saved as .csv first)"
        )
    return reader
