"""CSV files: UTF-8 with commas, and names in the first row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data.files import guarded, opening
from isotropy.data.readers import reader
from isotropy.data.readers.reader import Reader


def _read(path: Path, na: Sequence[str]) -> pd.DataFrame:
    with opening(path):
        frame = pd.read_csv(path, na_values=list(na), skipinitialspace=True, low_memory=False)
    first = frame.columns[0]
    # A first column without a name that only counts the rows is the index that pandas writes.
    if str(first) == "Unnamed: 0" and np.array_equal(frame[first].to_numpy(), np.arange(len(frame))):
        frame = frame.drop(columns=first)
    return frame


def _pieces(path: Path, na: Sequence[str], text: Sequence[str]) -> tuple[None, Iterator[pd.DataFrame]]:
    with opening(path):
        head = pd.read_csv(path, nrows=0, skipinitialspace=True)
    types: Any = {name: "str" for name in text if name in head.columns}

    def lines() -> Iterator[pd.DataFrame]:
        with pd.read_csv(
            path,
            na_values=list(na),
            skipinitialspace=True,
            low_memory=False,
            dtype=types,
            chunksize=reader.PIECE_ROWS,
        ) as frames:
            yield from frames

    return None, guarded(path, lines())


CSV = Reader(_read, _pieces)
