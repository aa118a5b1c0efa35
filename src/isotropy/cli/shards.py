"""Files of a folder that are written one after the other, so that what was interrupted goes on where it stopped."""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any, Self

from isotropy.errors import UserError
from isotropy.io.atomic import write_atomically
from isotropy.io.json_file import read_json
from isotropy.representation import MODEL

# Hidden from what reads the folder as one table, as pyarrow and pandas do.
_ABOUT = "_shards.json"


@dataclass(frozen=True)
class Shards:
    """Where rows are written: one file, or a folder of files of `rows` rows each.

    Attributes:
        out: the file, or the folder. rows: of a file. about: what they are made of; None for one file.
    """

    out: Path
    rows: int
    about: dict[str, Any] | None

    @classmethod
    def opened(cls, out: Path, rows: int | None, run: Path, data: Any, asked: dict[str, Any]) -> Self:
        """Return the shards that are there or will be; without `rows` a single file, which is replaced.

        Args:
            run: a run directory. data: the path, or paths, of the data. asked: options that change what is written.

        Raises:
            UserError: a folder of something else, or of shards of another run, other data or other options.
        """
        if rows is None:
            return cls(out, sys.maxsize, None)
        about = {"rows": rows, "run": _digest((run / MODEL).read_bytes()), "data": _digest_of(data), "asked": asked}
        about = json.loads(json.dumps(about, default=str))
        if out.exists():
            cls._refuse_others(out, about)
        return cls(out, rows, about)

    def begin(self) -> None:
        """Make the folder, and remove what a process that was killed left of a file."""
        if self.about is not None:
            self.out.mkdir(exist_ok=True)
            for left in self.out.glob(".part-*"):
                left.unlink()
            write_atomically(self.out / _ABOUT, json.dumps(self.about).encode())

    @staticmethod
    def _refuse_others(out: Path, about: dict[str, Any]) -> None:
        if not out.is_dir():
            raise UserError(f"--out {out}: is a file, and --shard-rows fills a folder: remove it or name another")
        if not (out / _ABOUT).is_file():
            # A kill may have left what was being written, and no more.
            if all(path.name.startswith(f".{_ABOUT}.") for path in out.iterdir()):
                return
            raise UserError(f"--out {out}: is a folder that no shards were begun in: name another")
        before = read_json(out / _ABOUT, dict[str, Any], "name another folder, or remove this one")
        words = {"rows": "shards of another size", "run": "another run", "data": "other data", "asked": "other options"}
        if other := next((word for key, word in words.items() if before.get(key) != about[key]), None):
            raise UserError(f"--out {out}: was begun with {other}: name another folder, or remove this one")

    def path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.out if self.about is None else self.out / f"part-{number:05d}{self.out.suffix}"

    def has(self, number: int) -> bool:
        """Return whether a shard is written; each is whole or not there."""
        return self.about is not None and self.path(number).is_file()

    def finish(self, count: int) -> None:
        """Note that all rows are written."""
        if self.about is not None:
            write_atomically(self.out / _ABOUT, json.dumps(self.about | {"all": count}).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _digest_of(paths: Any) -> str:
    """Return what changes when a file does: the names, sizes and times of all."""
    found = []
    named = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for place in (Path(one).expanduser() for name in named for one in sorted(glob(name)) or [name]):
        inside = sorted(Path(root, name) for root, _, names in os.walk(place) for name in names)
        for file in inside or [place] * place.exists():
            stat = file.stat()
            found.append(f"{file} {stat.st_size} {stat.st_mtime_ns}")
    return _digest("\n".join([str(paths), *found]).encode("utf-8", "surrogateescape"))
