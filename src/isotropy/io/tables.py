"""Files of rows, written in pieces: any number of rows, constant memory, atomic."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import ipc

from isotropy.io.atomic import replacing
from isotropy.io.cells import harmless

Columns = Sequence[str] | Mapping[str, Any]


class Writer(Protocol):
    """Takes the rows of a file of embeddings in their order."""

    def write(self, embeddings: NDArray[Any], *texts: Any) -> None:
        """Append rows (B, width), and of every column before them as many values, None where missing."""
        ...


@contextmanager
def writing(
    path: Path, names: Sequence[str], texts: Columns = (), *, dtype: type[np.generic] = np.float32
) -> Iterator[Writer]:
    """Give a writer of a file that appears, in place of an older one, when the block ends without an error.

    Args:
        path: ends in one of `WRITERS`.
        names: of the columns of numbers, of type `dtype`.
        texts: names of columns of strings that come before them, or their numpy types by name, where some are numbers
            or dates; a .npy file has none.

    Raises:
        OSError: the disk does not take it.
    """
    with replacing(path) as temporary, closing(WRITERS[path.suffix](temporary, names, texts, dtype)) as writer:
        yield writer


class _Arrow:
    """One column per dimension; every piece is a record batch of an Arrow file (Feather)."""

    def __init__(self, path: Path, names: Sequence[str], texts: Columns, dtype: type[np.generic]) -> None:
        number = pa.from_numpy_dtype(np.dtype(dtype))
        given = {name: texts[name] if isinstance(texts, Mapping) else str for name in texts}
        self.beside = {name: _arrow_type(kind) for name, kind in given.items()}
        self.schema = pa.schema([*self.beside.items(), *((name, number) for name in names)])
        self.file = self.opened(path)

    def opened(self, path: Path) -> Any:
        return ipc.new_file(path, self.schema)

    def write(self, embeddings: NDArray[Any], *texts: Any) -> None:
        kinds = self.beside.values()
        columns = [pa.array(text, kind, from_pandas=True) for text, kind in zip(texts, kinds, strict=True)]
        columns += [pa.array(column) for column in np.ascontiguousarray(embeddings.T)]
        self.file.write_table(pa.table(columns, schema=self.schema))

    def close(self) -> None:
        self.file.close()


class _Parquet(_Arrow):
    """The same as row groups of a Parquet file."""

    def opened(self, path: Path) -> Any:
        return pq.ParquetWriter(path, self.schema)


class Npy:
    """A .npy file of rows of one shape, whose header is written last, when their number is known."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.shape, self.rows = shape, 0
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.file = open(path, "wb")  # noqa: SIM115 (closed by `close`)
        self._header()

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows (B, *shape)."""
        self.file.write(rows.astype(self.dtype, copy=False).tobytes())
        self.rows += len(rows)

    def close(self) -> None:
        """Write the header over the first one, and close."""
        with self.file:
            self.file.seek(0)
            self._header()

    def _header(self) -> None:
        # numpy leaves room in a header for a growing first axis: its length stays the same.
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)


class _Csv:
    """Comma-separated text; numbers as short as they read back to the same, and no text that computes."""

    def __init__(self, path: Path, names: Sequence[str], texts: Columns, dtype: type[np.generic]) -> None:
        self.file = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115 (closed by `close`)
        self.rows = csv.writer(self.file)
        self.rows.writerow(map(harmless, [*texts, *names]))

    def write(self, embeddings: NDArray[Any], *texts: Any) -> None:
        columns = [[_cell(value) for value in pa.array(t, from_pandas=True).to_pylist()] for t in texts]
        for place, row in enumerate(embeddings):
            self.rows.writerow([*(column[place] for column in columns), *map(str, row)])

    def close(self) -> None:
        self.file.close()


def _cell(value: Any) -> Any:
    return "" if value is None else harmless(value)


def read_vectors(path: Path) -> NDArray[np.float32]:
    """Return the embeddings (N, width) in a .parquet file, its columns z0, z1, ...

    Raises:
        OSError, ValueError, pyarrow.ArrowException: a file that is missing, damaged or of something else.
    """
    # With its buffer pyarrow (26.0.1) would keep the whole file beside the array.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        wide = dimensions(file.schema_arrow.names)
        vectors = np.empty((file.metadata.num_rows, len(wide)), dtype=np.float32)
        begin = 0
        # Piece by piece: a table of all columns beside the array would be the vectors twice.
        for batch in file.iter_batches(columns=wide):
            for place, column in enumerate(batch.columns):
                vectors[begin : begin + len(batch), place] = column.to_numpy(zero_copy_only=False)
            begin += len(batch)
    return vectors


def dimensions(names: Sequence[str]) -> list[str]:
    """Return the columns z0, z1, ... that end a file of embeddings; what a user calls z3 stands before them.

    Raises:
        ValueError: there are none.

    Example:
        >>> dimensions(["part", "z1", "z0", "z1"])
        ['z0', 'z1']
    """
    width = next((behind for behind in range(len(names)) if names[-1 - behind] == "z0"), -1) + 1
    wide = [f"z{place}" for place in range(width)]
    if not width or list(names[len(names) - width :]) != wide:
        raise ValueError("no columns z0, z1, ... at its end")
    return wide


def _arrow_type(kind: Any) -> Any:
    """Return text for objects and texts, and an arrow type for numbers and dates."""
    return pa.string() if np.dtype(kind).kind in "OUS" else pa.from_numpy_dtype(np.dtype(kind))


def _npy(path: Path, names: Sequence[str], texts: Columns, dtype: type[np.generic]) -> Npy:
    assert not texts, "a .npy file holds numbers"
    return Npy(path, (len(names),), dtype)


WRITERS: dict[str, Any] = {".parquet": _Parquet, ".npy": _npy, ".arrow": _Arrow, ".csv": _Csv}
