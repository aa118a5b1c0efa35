"""Tables in files: whole, in pieces, and by the columns that are needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from isotropy.data import arrow_files, tar_file
from isotropy.data.archive import Archive, columns_of
from isotropy.data.csv_file import layout_of, read_columns, read_csv
from isotropy.data.frames import arrow_names, arrow_to_pandas, read_arrow
from isotropy.data.opening import check_names, opening

# Rows of a table in one piece; a wide table of 1000 numbers takes half a gigabyte.
PIECE_ROWS = 65_536
# Bytes of a tar file in one piece.
_TAR_BYTES = 1 << 24


def csv(path: Path, na: Sequence[str]) -> pd.DataFrame:
    """Return a file's rows; the texts `na` mean a missing value."""
    with opening(path):
        return read_csv(path, na)


def csv_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[None, Iterator[pd.DataFrame]]:
    """Return frames of a file's rows in turn; how many there are only reading tells."""
    with opening(path):
        layout = layout_of(path, na)
        head = pd.read_csv(path, nrows=0, **layout.given)
    types: Any = {name: "str" for name in (*layout.padded, *text) if name in head.columns}
    options: Any = {"na_values": list(na), "low_memory": False, "dtype": types, **layout.given}

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path), pd.read_csv(path, chunksize=PIECE_ROWS, **options) as parts:
            yield from parts

    return None, frames()


def csv_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a file, and parse no other."""
    with opening(path):
        layout = layout_of(path, na)
        check_names(path, names, [str(name) for name in pd.read_csv(path, nrows=0, **layout.given).columns])
        return read_columns(path, names, layout, dtype=dict.fromkeys(layout.padded, "str"), na_values=list(na))


def parquet(path: Path, na: Sequence[str]) -> pd.DataFrame:
    """Return a file's rows."""
    with opening(path), pq.ParquetFile(path) as file:
        return arrow_to_pandas(file.read(), ours=True)


def parquet_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    """Return how many rows a file has, and frames of them in turn."""
    with opening(path):
        # With its buffer pyarrow (26.0.1) keeps what it has read of a file until the last batch.
        file = pq.ParquetFile(path, pre_buffer=False)

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in file.iter_batches(PIECE_ROWS):
                yield arrow_to_pandas(pa.Table.from_batches([batch]), ours=True)

    return file.metadata.num_rows, frames()


def parquet_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a file, and read no other."""
    with opening(path), pq.ParquetFile(path) as file:
        called = arrow_names(file.schema_arrow)
        check_names(path, names, called)
        return read_arrow(file.read, names, called)


def arrow(path: Path, na: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a file of Arrow."""
    return arrow_columns(path, [], na)


def arrow_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a file of Arrow; all of them where none is named."""
    with opening(path):
        schema = arrow_files.schema_of(path)
        called = arrow_names(schema)
        check_names(path, names, called)

        def read(wanted: list[str] | None) -> pa.Table:
            chosen = schema.names if wanted is None else wanted
            fields = pa.schema([schema.field(one) for one in arrow_files.places_of(chosen, schema)], schema.metadata)
            return pa.Table.from_batches(arrow_files.batches(path, PIECE_ROWS, wanted), fields)

        return read_arrow(read, names, called)


def arrow_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[None, Iterator[pd.DataFrame]]:
    """Return frames of a file's rows in turn; how many there are only reading tells."""

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in arrow_files.batches(path, PIECE_ROWS):
                yield arrow_to_pandas(pa.Table.from_batches([batch]))

    return None, frames()


def partitions(path: Path, na: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a table in a folder of partitions."""
    with opening(path):
        return arrow_to_pandas(arrow_files.partitioned(path).to_table(), ours=True)


def partition_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table in partitions, and read no other."""
    with opening(path):
        table = arrow_files.partitioned(path)
        called = arrow_names(table.schema)
        check_names(path, names, called)
        return read_arrow(table.to_table, names, called)


def partition_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    """Return how many rows a table in partitions has, and frames of them in turn."""
    with opening(path):
        table = arrow_files.partitioned(path)
        rows = table.count_rows()

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for batch in table.to_batches(batch_size=PIECE_ROWS):
                if len(batch):
                    yield arrow_to_pandas(pa.Table.from_batches([batch]))

    return rows, frames()


def tar(path: Path, na: Sequence[str]) -> pd.DataFrame | Archive:
    """Return the samples of a shard as rows, or its arrays."""
    with opening(path):
        frame = tar_file.read(path)
    arrays = tar_file.array_column(list(frame.columns))
    return frame if arrays is None else columns_of(frame, path.name, [arrays])


def tar_columns(path: Path, names: Sequence[str], na: Sequence[str]) -> pd.DataFrame:
    """Return columns of a shard's samples, and read no other."""
    with opening(path):
        return tar_file.read(path, names=names)


def tar_pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    """Return how many samples a shard has, and frames of them in turn."""
    with opening(path):
        parts = tar_file.parts(path, _TAR_BYTES)

    def frames() -> Iterator[pd.DataFrame]:
        with opening(path):
            for part in parts:
                yield tar_file.read(path, part.begin, part.end)

    return sum(part.rows for part in parts), frames()
