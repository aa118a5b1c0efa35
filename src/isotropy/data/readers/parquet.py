"""Parquet files, by pyarrow."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from isotropy.data.files import guarded, opening
from isotropy.data.readers import reader
from isotropy.data.readers.reader import Reader


def _read(path: Path, na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        return pd.read_parquet(path)


def _pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[int, Iterator[pd.DataFrame]]:
    with opening(path):
        file = pq.ParquetFile(path)
        rows = file.metadata.num_rows
    batches = file.iter_batches(reader.PIECE_ROWS)
    return rows, (batch.to_pandas() for batch in guarded(path, batches))


PARQUET = Reader(_read, _pieces)
