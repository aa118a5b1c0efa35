"""Shards of WebDataset: tar files in which consecutive members of one name are a row, its values by their endings."""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from isotropy.decoding.image_files import SUFFIXES as IMAGES
from isotropy.errors import UserError, nearest

# The name that a row's members share, as a column that is there when it is asked for.
KEY = "__key__"
# Endings as WebDataset's own decoder takes them; what is not among them, arrays and images is not read.
_NUMBERS = ("cls", "cls2", "class", "count", "index", "inx", "id")
_TEXTS = ("txt", "text", "transcript")
_JSON = ("json", "jsn")
_HEADER = tarfile.BLOCKSIZE
# Of so many rows it is seen whether members of theirs come again later, as where all images come before all classes.
_REMEMBERED = 1000


@dataclass(frozen=True)
class Part:
    """Consecutive rows of a tar file: how many, and the bytes from which to which they stand."""

    rows: int
    begin: int
    end: int


def parts(path: Path, size: int) -> list[Part]:
    """Return the rows of a tar file in parts of about `size` bytes each, by its headers alone."""
    found: list[Part] = []
    rows, begin = 0, 0
    with path.open("rb") as file:
        for member, new in _of_rows(file, path):
            if new and rows and member.offset - begin >= size:
                found.append(Part(rows, begin, member.offset))
                rows, begin = 0, member.offset
            rows += new
        end = file.seek(0, 2)
    return [*found, Part(rows, begin, end)] if rows else found


def read(path: Path, begin: int = 0, end: int | None = None, names: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows of a tar file as a table with a column for each ending, and for each field of JSON, `json.kind`.

    Numbers, texts, arrays and the bytes of images are values; where a row lacks one it is missing.

    Args:
        path: of the file. begin, end: the bytes to read, of `parts`; by default all.
        names: columns that are read; by default all but the names of the rows, `__key__`.

    Raises:
        UserError: a row with two members of one ending, a damaged member (arrays of Python objects are never read), or
            a column that is nowhere.
    """
    with path.open("rb") as whole:
        whole.seek(begin)
        data = whole.read() if end is None else whole.read(end - begin)
    rows: list[dict[str, Any]] = []
    there: dict[str, None] = {KEY: None}
    with BytesIO(data) as file:
        for member, new in _of_rows(file, path):
            own, ending = _name(member)
            if new:
                rows.append({KEY: own} if KEY in names else {})
                seen: set[str] = set()
            if ending in seen:
                raise UserError(f"{path}: the row {own!r} has two members {ending!r}")
            seen.add(ending)
            there[ending] = None
            if not names or ending in names or any(name.startswith(f"{ending}.") for name in names):
                file.seek(member.offset_data)
                try:
                    rows[-1] |= _values(ending, file.read(member.size))
                except (ValueError, EOFError, OSError) as error:
                    raise UserError(f"{path}: {member.name} is damaged or not read: {str(error)[:120]}") from error
    found = {name: None for row in rows for name in row}
    for name in names:
        if name not in found and not set(name.split(".")) & set(_JSON):
            raise UserError(f"{path} has no {name!r}{nearest(name, list(there | found))}")
    columns = list(names) or list(found)
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in columns})


def array_column(columns: Sequence[str]) -> str | None:
    """Return the column that is read as one array without being named: the only one of arrays, beside no image.

    Example:
        >>> array_column(["npy", "cls"]), array_column(["npy", "jpg"]), array_column(["json.kind"])
        ('npy', None, None)
    """
    arrays = [name for name in columns if _last(name) == "npy"]
    return arrays[0] if len(arrays) == 1 and not any(_is_image(name) for name in columns) else None


def _of_rows(file: BinaryIO | BytesIO, path: Path) -> Iterator[tuple[tarfile.TarInfo, bool]]:
    """Yield the members of a tar file, each with whether it begins a row.

    Raises:
        UserError: a member of a row that was over before, which would be taken for a row of its own.
    """
    key = None
    seen: dict[str, set[str]] = {}
    for member in _members(file):
        own, ending = _name(member)
        # A name that comes again with what it had is another row, as in files that were put together.
        if own != key and ending not in seen.get(own, {ending}):
            raise UserError(
                f"{path}: members of the row {own!r} are apart: those of a row follow each other (tar --sort=name)"
            )
        if own in seen or len(seen) < _REMEMBERED:
            seen.setdefault(own, set()).add(ending)
        yield member, own != key
        key = own


def _members(file: BinaryIO | BytesIO) -> Iterator[tarfile.TarInfo]:
    """Yield the files of a tar file that are members of rows, which have a name and an ending, as WebDataset has it.

    What it keeps for itself (`__name__`) is none, nor what macOS writes beside each file (`._name`).
    """
    size = file.seek(0, 2)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps all that it has seen
            stem, dot, _ = member.name.rpartition("/")[2].partition(".")
            if member.isfile() and stem and dot and not stem.startswith("__"):
                yield member
        # At a damaged header tarfile ends, as it does at zeros.
        file.seek(archive.offset)
        if archive.offset < size and any(file.read(_HEADER)):
            raise tarfile.ReadError(f"the header at byte {archive.offset} is damaged")


def _name(member: tarfile.TarInfo) -> tuple[str, str]:
    """Return the name of a member's row, and its ending, which begins at the first dot: (a/b, left.png)."""
    folder, slash, file = member.name.rpartition("/")
    stem, _, ending = file.partition(".")
    return folder + slash + stem, ending.lower()


def _last(ending: str) -> str:
    return ending.rpartition(".")[2]


def _is_image(ending: str) -> bool:
    return f".{_last(ending)}" in IMAGES


def _values(ending: str, data: bytes) -> dict[str, Any]:
    """Return what stands in a member, by the columns that it gives: one, or a column for each field of JSON."""
    kind = _last(ending)
    if _is_image(ending):
        return {ending: data}
    if kind == "npy":
        return {ending: np.load(BytesIO(data), allow_pickle=False)}
    if kind in _JSON:
        found = json.loads(data)
        if b"\\ud" in data.lower():
            json.dumps(found, ensure_ascii=False).encode()  # half a letter of UTF-16 is none, and no file takes it
        if isinstance(found, dict):
            return {f"{ending}.{field}": value for field, value in found.items() if not isinstance(value, dict)}
        return {ending: found}
    if kind in _TEXTS or kind in _NUMBERS:
        text = data.decode("utf-8").strip()
        return {ending: int(text) if kind in _NUMBERS and re.fullmatch(r"[+-]?\d{1,18}", text) else text}
    return {}


def _column(cells: list[Any]) -> "pd.Series[Any]":
    """Return cells as a column: whole numbers and truth values as such, all else as objects that pandas may narrow."""
    if any(isinstance(one, np.ndarray | bytes | list) for one in cells):
        column: pd.Series[Any] = pd.Series([None] * len(cells), dtype=object)
        column[:] = cells
        return column
    return pd.Series(cells)
