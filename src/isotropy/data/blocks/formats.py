"""Files that are read block by block: row groups, batches, a file of arrays, a slice of one, some lines or members."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from isotropy.batch import batched
from isotropy.data import arrow_files, csv_rows, tar_file
from isotropy.data.csv_file import Layout, layout_of, levels_of, read_columns
from isotropy.data.frames import arrow_names, read_arrow
from isotropy.data.numpy_files import checked_header
from isotropy.data.opening import check_once, opening
from isotropy.data.readers import find_reader
from isotropy.errors import UserError, nearest

# What a block of a file has: columns of a frame, or arrays by name; the array of a .npy file is called "".
Content = pd.DataFrame | dict[str, NDArray[Any]]
ONLY = ""
# Bytes of an array, or of text, that are one block.
BYTES = 1 << 22


class LacksColumn(UserError):
    """A file has no column or array of a name that was asked for."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file that are read at once.

    Attributes:
        path: of the file. rows: how many. place: where they stand in it, as its format counts.
    """

    path: Path
    rows: int
    place: tuple[int, ...] = ()


@dataclass(frozen=True)
class BlockFormat:
    """How files of a suffix are read block by block.

    Attributes:
        split: returns the blocks of a file, given the names that are asked for (see `load`).
        load: returns the content of (block, names, texts): the columns or arrays `names`, all where there are none, of
            which `texts` are read as text, or all where that is None.
        bytes_of: returns about how many bytes the rows of a file take in memory.
    """

    split: Callable[[Path, Sequence[str]], list[Block]]
    load: Callable[[Block, Sequence[str], Sequence[str] | None], Content]
    bytes_of: Callable[[Path], int]


@lru_cache(maxsize=256)
def _footer(path: Path, changed: int) -> Any:
    with opening(path):
        return pq.read_metadata(path)


def _metadata(path: Path) -> Any:
    with opening(path):
        return _footer(path, path.stat().st_mtime_ns)


def _row_groups(path: Path, names: Sequence[str]) -> list[Block]:
    about = _metadata(path)
    groups = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
    return [Block(path, rows, (number,)) for number, rows in enumerate(groups) if rows]


def _row_group(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    with opening(block.path), pq.ParquetFile(block.path, metadata=_metadata(block.path)) as file:
        called = _called(block.path, _changed(block.path))
        _check(block.path, names, called)
        return read_arrow(lambda wanted: file.read_row_group(*block.place, columns=wanted), names, called)


def _uncompressed(path: Path) -> int:
    about = _metadata(path)
    return sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))


def _slices(path: Path, names: Sequence[str]) -> list[Block]:
    with opening(path), path.open("rb") as file:
        shape, dtype, _ = checked_header(file, path.stat().st_size, "the array")
    if len(shape) < 2:
        raise UserError(f"{path}: an array of shape {shape} has no rows of several numbers")
    if dtype.hasobject:
        raise UserError(f"{path} holds Python objects (a pickle), which are never read: save an array of plain numbers")
    step = max(1, BYTES // max(1, prod(shape[1:]) * dtype.itemsize))
    return [Block(path, part.stop - part.start, (part.start,)) for part in batched(shape[0], rows=step)]


def _slice(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    # Not mapped to memory: a limit of it (`ulimit -v`) counts the whole map.
    (start,) = block.place
    with opening(block.path), block.path.open("rb") as file:
        shape, dtype, by_columns = checked_header(file, block.path.stat().st_size, "the array")
        if by_columns:
            return {ONLY: np.array(np.load(block.path, mmap_mode="r", allow_pickle=False)[start : start + block.rows])}
        file.seek(start * prod(shape[1:]) * dtype.itemsize, 1)
        values = np.fromfile(file, dtype, block.rows * prod(shape[1:]))
        return {ONLY: values.reshape(block.rows, *shape[1:])}


def _archive(path: Path, names: Sequence[str]) -> list[Block]:
    arrays: Any = find_reader(path).read(path, ())
    with opening(path):
        # The length stands in the header, which was checked against the file: "(100, 3) float32".
        name = _known(path, names or [arrays.choose()], arrays.shapes)[0]
        length = arrays.shapes[name][1:].partition(",")[0]
    if not length.isdigit():
        raise UserError(f"{path}: the array {name!r} is one number: give one whose first axis is rows")
    rows = int(length)
    return [Block(path, rows)] if rows else []


def _arrays(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    arrays: Any = find_reader(block.path).read(block.path, ())
    found = {name: arrays[name] for name in names or [arrays.choose()]}
    for name, array in found.items():
        if array.shape[:1] != (block.rows,):
            raise UserError(
                f"{block.path}: the array {name!r} has the shape {array.shape}, and there are {block.rows} rows"
            )
    return found


def _file_size(path: Path) -> int:
    return path.stat().st_size


def _lines(path: Path, names: Sequence[str]) -> list[Block]:
    """Return the blocks of a file of text, which end where a row does: at an end of line outside quotes."""
    blocks = []
    with opening(path), open(path, "rb") as file:
        header = csv_rows.header_of(file, path)
        begin = file.tell()
        separator = _layout(path, _changed(path)).separator if header else ""
        while piece := csv_rows.whole_rows(file, BYTES, separator, path):
            try:
                rows = _count(header, piece, _layout(path, _changed(path)))
            except pd.errors.ParserError as error:
                raise ValueError(_by_lines_of_file(str(error), path, begin - len(header))) from error
            blocks += [Block(path, rows, (begin, begin + len(piece)))] if rows else []
            begin += len(piece)
    return blocks


def _by_lines_of_file(said: str, path: Path, before: int) -> str:
    """Return what was said of the lines of a block, of which the first stands so many bytes from the beginning."""
    with open(path, "rb") as file:
        lines = sum(
            part.count(b"\n") for part in iter(lambda: file.read(min(BYTES, max(0, before - file.tell()))), b"")
        )
    return re.sub(r"\b(line|row) (\d+)", lambda found: f"{found[1]} {int(found[2]) + lines}", said)


def _count(header: bytes, rows: bytes, layout: Layout) -> int:
    text = layout.over(header, rows)
    parse = csv.ParseOptions(delimiter=layout.separator, newlines_in_values=True)
    try:
        first = csv.read_csv(BytesIO(text), read_options=csv.ReadOptions(use_threads=False), parse_options=parse)
        return first.num_rows
    except pa.ArrowException:
        frame = pd.read_csv(BytesIO(text), dtype="str", **layout.given)
    # Of a first row that is longer than others pandas would take the first values for names, and move all others.
    found, width = levels_of(frame), len(frame.columns)
    if len(frame) and layout.levels is not None and found != layout.levels:
        raise pd.errors.ParserError(f"Expected {width + layout.levels} fields in line 2, saw {width + found}")
    return len(frame)


def _record_batches(path: Path, names: Sequence[str]) -> list[Block]:
    with opening(path):
        return [Block(path, part.rows, (part.batches, part.begin)) for part in arrow_files.parts(path, BYTES)]


def _some_batches(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    with opening(block.path):
        called = _called(block.path, _changed(block.path))
        _check(block.path, names, called)
        part = arrow_files.Part(block.rows, *block.place)
        return read_arrow(lambda wanted: arrow_files.read_part(block.path, part, wanted), names, called)


def _members(path: Path, names: Sequence[str]) -> list[Block]:
    with opening(path):
        return [Block(path, part.rows, (part.begin, part.end)) for part in tar_file.parts(path, BYTES)]


def _some_members(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    with opening(block.path):
        begin, end = block.place
        frame = tar_file.read(block.path, begin, end, names)
    if len(frame) != block.rows:
        raise UserError(f"{block.path}: has changed since its rows were counted")
    return frame


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


@lru_cache(maxsize=256)
def _called(path: Path, changed: int) -> dict[str, str]:
    """Return what each column of a file is called in it, by its name as one of a frame."""
    return arrow_names(pq.read_schema(path) if path.suffix.lower() == ".parquet" else arrow_files.schema_of(path))


@lru_cache(maxsize=256)
def _layout(path: Path, changed: int) -> Layout:
    return layout_of(path)


def _rows_of_text(block: Block, names: Sequence[str], texts: Sequence[str] | None) -> Content:
    with opening(block.path), open(block.path, "rb") as file:
        layout = _layout(block.path, _changed(block.path))
        header = csv_rows.header_of(file, block.path)
        begin, end = block.place
        file.seek(begin)
        text = layout.over(header, file.read(end - begin))
        known = pd.read_csv(BytesIO(layout.over(header, b"")), **layout.given).columns
        _check(block.path, names, list(known))
        as_text = known if texts is None else [name for name in (*layout.padded, *texts) if name in known]
        frame = read_columns(BytesIO(text), names, layout, dtype=dict.fromkeys(as_text, "str"))
    if len(frame) != block.rows:
        raise UserError(f"{block.path}: has changed since its rows were counted")
    return frame


def _text_bytes(path: Path) -> int:
    # Numbers of 8 bytes take about as many letters.
    return path.stat().st_size


def _known(path: Path, names: Sequence[str], there: Any) -> Sequence[str]:
    _check(path, names, list(there))
    return names


def _check(path: Path, names: Sequence[str], there: Sequence[str] | Mapping[str, str]) -> None:
    for name in names:
        check_once(path, name, there)
        if name not in there:
            raise LacksColumn(f"{path} has no {name!r}{nearest(name, list(there))}")


# Formats that say nothing of types: what a column is shows in all its values.
TEXTS = (".csv", ".tsv")
FORMATS: dict[str, BlockFormat] = {
    ".parquet": BlockFormat(_row_groups, _row_group, _uncompressed),
    ".npy": BlockFormat(_slices, _slice, _file_size),
    ".npz": BlockFormat(_archive, _arrays, _file_size),
    ".tar": BlockFormat(_members, _some_members, _file_size),
    ".arrow": BlockFormat(_record_batches, _some_batches, _file_size),
    ".feather": BlockFormat(_record_batches, _some_batches, _file_size),
    ".csv": BlockFormat(_lines, _rows_of_text, _text_bytes),
    ".tsv": BlockFormat(_lines, _rows_of_text, _text_bytes),
}
