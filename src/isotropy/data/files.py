"""Opening files: every way in which one can be wrong gets its own line."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import pandas as pd
from pyarrow import ArrowException

from isotropy.errors import UserError


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


def guarded(path: Path, pieces: Iterable[Any]) -> Iterator[Any]:
    """Yield what is read of a file piece by piece; what goes wrong on the way is one line, as in `opening`."""
    with opening(path):
        yield from pieces
