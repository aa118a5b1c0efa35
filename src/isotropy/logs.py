"""JSON lines that a resumed run cuts back to where its checkpoint was written."""

import json
import math
import os
from pathlib import Path
from typing import Any

from isotropy.errors import UserError


class Log:
    """A file of JSON lines, cut to its first `offset` bytes and written on from there.

    Raises:
        UserError: the file is shorter than that.
        OSError: the disk does not take it.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file = open(path, "ab")  # noqa: SIM115 (closed by `close`)
        if (length := self._file.tell()) < offset:
            self._file.close()
            raise UserError(f"{path}: has {length} bytes, and the checkpoint knows of {offset}: was it changed?")
        self._file.truncate(offset)
        # Cutting leaves the position where it was, and `tell` would give it until something is written.
        self._file.seek(offset)

    def add(self, entry: dict[str, Any]) -> None:
        """Append one line; a number that is not finite becomes null, as JSON knows no other."""
        self._file.write(json.dumps(_finite(entry), allow_nan=False).encode() + b"\n")

    def flushed(self) -> int:
        """Bring what was written to the disk and return the file's length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
