"""One line of error for files that are damaged or of another format, and for columns that they lack."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from csv import Error as CsvError
from lzma import LZMAError as LzmaError
from pathlib import Path
from struct import error as StructError
from tarfile import TarError
from tokenize import TokenError
from zipfile import BadZipFile
from zlib import error as ZlibError

import pandas as pd
from pyarrow import ArrowException

from isotropy.errors import OutOfMemory, UserError, nearest

# What numpy, zipfile, pandas and pyarrow raise for damaged files, and for packings that Python does not know.
_DAMAGED = (
    ValueError, OSError, EOFError, KeyError, IndexError, TypeError, AttributeError, SyntaxError, ArithmeticError,
    NotImplementedError, RuntimeError, MemoryError, BadZipFile,
    CsvError, TarError, ZlibError, StructError, LzmaError, ArrowException, TokenError,
)  # fmt: skip


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or foreign file raises into one line that names the file."""
    try:
        yield
    except (UserError, OutOfMemory):
        raise
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8, which Excel calls 'CSV UTF-8'"
        ) from error
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


def check_names(path: Path, names: Sequence[str], there: Sequence[str] | Mapping[str, str]) -> None:
    """Raise UserError for a name that is not among those that are there, or is there twice.

    Args:
        there: names of columns; a mapping is from those of a frame to those in the file (`frames.arrow_names`).
    """
    for name in names:
        check_once(path, name, there)
        if name not in there:
            raise UserError(f"{path.name} has no column {name!r}{nearest(name, list(there))}")


def check_once(path: Path, name: str, there: Sequence[str] | Mapping[str, str]) -> None:
    """Raise UserError for a name that several columns have; `there` is as for `check_names`."""
    stored = list(there.values()) if isinstance(there, Mapping) else there
    if (count := stored.count(name)) > 1:
        raise UserError(f"{path.name} has {count} columns called {name!r}: rename them")
