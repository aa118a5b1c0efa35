"""JSON lines that a resumed run truncates to its checkpoint."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isotropy.errors import UserError
from isotropy.io.json_file import parse_json


class Log:
    """A file of JSON lines, cut to its first `offset` bytes and written on from there.

    Raises:
        UserError: the file is shorter than that, or a link to one elsewhere, which would be cut.
        OSError: the disk does not take it.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        if path.is_symlink():
            raise UserError(f"{path}: is a link to another file, which would be overwritten: put the file in its place")
        self._file = open(path, "ab")  # noqa: SIM115 (closed by `close`)
        if (length := self._file.tell()) < offset:
            self._file.close()
            raise UserError(
                f"{path}: has {length} bytes, and the checkpoint knows of {offset}: restore it from a copy, or begin "
                "another run"
            )
        self._file.truncate(offset)
        # Cutting leaves the position where it was, and `tell` would give it until something is written.
        self._file.seek(offset)

    @staticmethod
    def read(path: Path, kind: Any) -> Iterator[dict[str, Any]]:
        """Yield the lines of a file, none where there is no file; a last line cut short by a kill is left out.

        Args:
            path: the file. kind: what each line holds, see `json_file.departure`.

        Raises:
            UserError: a line that is not JSON or not of this kind, or a file that is no text.
        """
        if not path.is_file():
            return
        try:
            # What a kill cut short has no end of its line.
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        except UnicodeDecodeError:
            raise UserError(f"{path} is not text: is the run damaged?") from None
        for number, line in enumerate(lines, start=1):
            yield parse_json(line, kind, f"{path}, line {number}", "restore it, or begin another run")

    def add(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append one line, and return what is in it; a number that is not finite becomes null."""
        written: dict[str, Any] = finite_or_none(entry)
        self._file.write(json.dumps(written, allow_nan=False).encode() + b"\n")
        return written

    def flushed(self) -> int:
        """Bring what was written to the disk and return the file's length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def finite_or_none(value: Any) -> Any:
    """Return the value with None in place of every float that is not finite: JSON knows no other."""
    if isinstance(value, dict):
        return {key: finite_or_none(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
