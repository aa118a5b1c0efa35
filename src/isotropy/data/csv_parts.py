"""A regular .csv file, read in parts side by side: numbers leave pyarrow's blocks as they come, and are held once."""

import bz2
import gzip
import lzma
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv

from isotropy.data.frames import arrow_to_pandas
from isotropy.errors import need_memory

BLOCK = 1 << 19  # larger ones take more memory, since pyarrow reads some of them ahead for each part
# Less than a thread takes; where it is not there, starting one has ended the process.
_THREAD = 1 << 22
PART = 1 << 25  # bytes of a file that are worth a thread of their own
# What unpacks a file, by the end of its name.
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def open_text(path: Path) -> BinaryIO:
    """Open a file to be read, unpacked if its name says that it is packed."""
    opened: BinaryIO = PACKED.get(path.suffix.lower(), open)(path, "rb")
    return opened


def read_parts(path: Path, separator: str, **convert: Any) -> pd.DataFrame | None:
    """Return a file's rows as pyarrow reads them, None where it cannot.

    It cannot where names are missing or twice, values are no text, or a part ends within quotes, at a line break.

    Args:
        convert: keywords of `pyarrow.csv.ConvertOptions`; of columns without a type in `column_types` the first block
            tells it.

    Raises:
        ArrowException: a row or a value that does not fit.
    """
    need_memory(_THREAD)
    # A table of two columns starts the threads that pyarrow computes with. Where the system gives one thread and no
    # more, `open_csv` (26.0.1) would start the one that reads, fail at these, and wait for ever; so it fails at once.
    pa.table({"a": [0], "b": [0]}).to_pandas()
    parse = csv.ParseOptions(delimiter=separator)

    def opened(part: Any, names: Sequence[str], convert: dict[str, Any]) -> csv.CSVStreamingReader:
        read = csv.ReadOptions(block_size=BLOCK, column_names=names)
        return csv.open_csv(part, read, parse, csv.ConvertOptions(**convert))

    texts = [open_text(path)] if path.suffix.lower() in PACKED else [_Part(path, *cut) for cut in _cuts(path)]
    expected = -(-path.stat().st_size // (BLOCK * len(texts)))
    with opened(texts[0], [], convert) as first:
        schema = first.schema
        names = schema.names
        if len(set(names)) != len(names) or "" in names[1:] or any(map(pa.types.is_binary, schema.types)):
            return None
        known = convert | {"column_types": dict(zip(names, schema.types, strict=True))}

        def collected(part: int) -> _Columns:
            with opened(texts[part], names, known) if part else first as batches:
                return _Columns(schema, batches, expected)

        with ThreadPoolExecutor(len(texts)) as pool:
            columns = list(pool.map(collected, range(len(texts))))
    if any(text.ends_within_quotes for text in texts if isinstance(text, _Part)):
        return None
    return _joined(schema, columns)


def _cuts(path: Path) -> list[tuple[int, int]]:
    """Return where parts of a file begin and end, at ends of lines: one a core, and none that is not worth it."""
    size = path.stat().st_size
    count = min(8, os.cpu_count() or 1, max(1, size // PART))
    places = [0]
    with open(path, "rb") as file:
        for part in range(1, count):
            file.seek(size * part // count)
            file.readline()
            places.append(file.tell())
    places = sorted({*places, size})
    return list(pairwise(places)) or [(0, 0)]


class _Part(RawIOBase):
    """The bytes of a file from one place to another."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with the part)
        self._file.seek(begin)
        self._left = end - begin
        self._quotes = 0

    @property
    def ends_within_quotes(self) -> bool:
        """Whether what was read so far ends within a quoted value: the line break there is one of its characters."""
        return self._quotes % 2 == 1

    def readable(self) -> bool:
        """Return that it is read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size` (all that are left if it is negative), and none at the part's end."""
        piece = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(piece)
        # numpy counts ten times as fast as bytes do.
        self._quotes += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == ord('"')))
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class _Columns:
    """The columns of a part, by name: those of numbers as arrays, and the others as pyarrow has them."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], expected: int) -> None:
        self.rows = 0
        kinds = {field.name: field.type for field in schema}
        self.numbers = {name: _Numbers(kind) for name, kind in kinds.items() if kind in (pa.int64(), pa.float64())}
        self.others = [name for name in kinds if name not in self.numbers]
        self.batches: list[pa.RecordBatch] = []
        for batch in batches:
            for name, column in self.numbers.items():
                column.append(batch.column(name), expected)
            self.batches.append(batch.select(self.others))
            self.rows += batch.num_rows


class _Numbers:
    """A column of numbers that grows: pages of memory that no row has reached are not taken by it."""

    def __init__(self, kind: pa.DataType) -> None:
        self._array: NDArray[Any] = np.empty(0, kind.to_pandas_dtype())
        self._rows = 0

    def append(self, piece: pa.Array, expected: int) -> None:
        """Add a piece, of which there are about `expected`; whole numbers of which one is missing become floats."""
        if piece.null_count and self._array.dtype.kind == "i":
            self._array = self._array.astype(np.float64)
        end = self._rows + len(piece)
        if end > len(self._array):
            longer = np.empty(max(len(piece) * expected, end) * 5 // 4, self._array.dtype)
            longer[: self._rows] = self._array[: self._rows]
            self._array = longer
        self._array[self._rows : end] = piece.to_numpy(zero_copy_only=False)
        self._rows = end

    def values(self) -> NDArray[Any]:
        """Return the column (N,)."""
        return self._array[: self._rows]


def _joined(schema: pa.Schema, parts: Sequence[_Columns]) -> pd.DataFrame:
    """Return the rows of all parts as a frame, for which the parts' columns are freed one by one."""
    batches = [batch for part in parts for batch in part.batches]
    table = pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in parts[0].others]))
    del batches
    for part in parts:
        part.batches.clear()
    for place, field in enumerate(table.schema):
        if pa.types.is_date(field.type) or pa.types.is_time(field.type):
            wanted = pa.timestamp("s") if pa.types.is_date(field.type) else pa.string()
            table = table.set_column(place, field.name, compute.cast(table.column(place), wanted))
    frame = arrow_to_pandas(table, ours=True)
    columns: dict[str, Any] = {}
    for name in schema.names:
        numbers = [part.numbers.pop(name).values() for part in parts if name in part.numbers]
        columns[name] = frame[name] if not numbers else numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
    return pd.DataFrame(columns, index=range(sum(part.rows for part in parts)), copy=False)
