"""File formats, one file each, by their suffix."""

from isotropy.data.readers.csv import CSV
from isotropy.data.readers.npy import NPY
from isotropy.data.readers.npz import Archive
from isotropy.data.readers.parquet import PARQUET
from isotropy.data.readers.reader import Reader

READERS: dict[str, Reader] = {
    ".npy": NPY,
    ".npz": Reader(lambda path, na: Archive(path)),
    ".csv": CSV,
    ".parquet": PARQUET,
}

__all__ = ["READERS", "Archive", "Reader"]
