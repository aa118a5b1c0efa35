"""Files of a folder that are written one after the other, so that what was interrupted goes on where it stopped."""

import hashlib
import json
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict

from isotropy.data.recordings.paths import is_pattern, matches
from isotropy.errors import UserError
from isotropy.io.atomic import making, write_atomically
from isotropy.io.checksum import checksum
from isotropy.io.json_file import checked, read_json
from isotropy.representation import MODEL

# Hidden from what reads the folder as one table, as pyarrow and pandas do.
_ABOUT = "_shards.json"


class Sums(TypedDict):
    """What is read of the record of shards beside what is compared."""

    crc32: NotRequired[dict[str, str]]


@dataclass(frozen=True)
class Shards:
    """Where rows are written: one file, or a folder of files of `rows` rows each.

    Attributes:
        out: the file, or the folder. rows: of a file. about: what they are made of; None for one file.
        sums: the checksum of each file of the folder, by name.
    """

    out: Path
    rows: int
    about: dict[str, Any] | None
    sums: dict[str, str] = field(default_factory=dict)

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
        before = cls._before(out, about) if out.exists() else {}
        # Shards of older versions have none.
        return cls(out, rows, about, dict(before.get("crc32", {})))

    def begin(self) -> None:
        """Make the folder, and remove what a process that was killed left of a file."""
        if self.about is not None:
            with making(self.out):
                for left in self.out.glob(".part-*"):
                    left.unlink()
                self._note()

    def _note(self, **more: Any) -> None:
        assert self.about is not None
        write_atomically(self.out / _ABOUT, json.dumps(self.about | {"crc32": self.sums} | more).encode())

    @staticmethod
    def _before(out: Path, about: dict[str, Any]) -> dict[str, Any]:
        """Return what a folder of the same shards says of them."""
        if not out.is_dir():
            raise UserError(f"--out {out}: is a file, and --shard-rows fills a folder: remove it or name another")
        if not (out / _ABOUT).is_file():
            # A kill may have left what was being written, and no more.
            if all(path.name.startswith(f".{_ABOUT}.") for path in out.iterdir()):
                return {}
            raise UserError(f"--out {out}: is a folder that no shards were begun in: name another")
        before: dict[str, Any] = read_json(out / _ABOUT, dict[str, Any], "name another folder, or remove this one")
        words = {"rows": "shards of another size", "run": "another run", "data": "other data", "asked": "other options"}
        if other := next((word for key, word in words.items() if before.get(key) != about[key]), None):
            raise UserError(f"--out {out}: was begun with {other}: name another folder, or remove this one")
        checked(before, Sums, str(out / _ABOUT), "name another folder, or remove this one")
        return before

    def path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.out if self.about is None else self.out / f"part-{number:05d}{self.out.suffix}"

    def has(self, number: int) -> bool:
        """Return whether a shard is written; each is whole or not there, and one that was damaged since is not."""
        if self.about is None or not self.path(number).is_file():
            return False
        name = self.path(number).name
        now = checksum(self.path(number))
        # A kill may have come between a file and its checksum, which older versions did not write.
        whole = self.sums.setdefault(name, now) == now
        if not whole:
            warnings.warn(f"{self.path(number)}: damaged since it was written, so it is made again", stacklevel=2)
        return whole

    def end(self, number: int) -> None:
        """Note the checksum of a shard that is written."""
        if self.about is not None:
            self.sums[self.path(number).name] = checksum(self.path(number))
            self._note()

    def finish(self, count: int) -> None:
        """Note that all rows are written."""
        if self.about is not None:
            self._note(all=count)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _digest_of(paths: Any) -> str:
    """Return what changes when a file does: the names, sizes and times of all."""
    found = []
    named = [Path(path).expanduser() for path in ([paths] if isinstance(paths, str | Path) else paths)]
    for place in (one for path in named for one in (matches(path) if is_pattern(path) else [path])):
        inside = sorted(Path(root, name) for root, _, names in os.walk(place) for name in names)
        for file in inside or [place] * place.exists():
            stat = file.stat()
            found.append(f"{file} {stat.st_size} {stat.st_mtime_ns}")
    return _digest("\n".join([str(paths), *found]).encode("utf-8", "surrogateescape"))
