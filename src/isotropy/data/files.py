"""Opening files: every way in which one can be wrong gets its own line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import ArrowException

from isotropy.errors import UserError

SUPPORTED = (".npy", ".npz", ".csv", ".parquet")


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
    except (ValueError, OSError, EOFError, KeyError, BadZipFile, ZlibError, ArrowException) as error:
        if any(word in str(error) for word in ("pickle", "Object arrays", "Python objects")):
            raise UserError(
                f"{path} holds Python objects (a pickle), which are never read: save an array of plain numbers"
            ) from error
        raise UserError(f"{path} is damaged or no {path.suffix} file: {_line(error)}") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:120]


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of a .npy file, mapped to memory copy-on-write: only what is used is read."""
    with opening(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty")
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path} is not a .npy file inside (an .npz archive?): rename it")
        return array


def read_frame(path: Path, na: Sequence[str]) -> pd.DataFrame:
    """Return a .csv or .parquet file as a frame; `na` are texts that mean a missing value, beside the usual.

    A CSV file is UTF-8 with commas and has its names in the first row. A first column without a name that
    only counts the rows is left out: it is the index that pandas writes.
    """
    with opening(path):
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        frame = pd.read_csv(path, na_values=list(na), skipinitialspace=True, low_memory=False)
    first = frame.columns[0]
    if str(first) == "Unnamed: 0" and np.array_equal(frame[first].to_numpy(), np.arange(len(frame))):
        frame = frame.drop(columns=first)
    return frame
