"""Where rows end in files of text that are read piece by piece: at ends of line that are within no quotes."""

import re
from pathlib import Path
from typing import BinaryIO

from isotropy.data.csv_file import separator_of
from isotropy.errors import UserError

# The longest row: what a quote that is never closed would otherwise take is the rest of the file.
_LONGEST = 1 << 26
# The longest row of names that has several lines: all is looked through again for every line that follows.
_NAMES = 1 << 16
_QUOTED = re.compile(rb'"[^"]*+"')
# To the quote that closes a value; two in a row are one within it. Nothing is tried twice (possessive quantifiers).
_CLOSING = re.compile(rb'[^"]*+(?:""[^"]*+)*+"')


def header_of(file: BinaryIO, path: Path) -> bytes:
    """Read the row of names, the first that is not blank, with its end; empty where the file has none.

    Raises:
        UserError: rows that end in a carriage return alone, no end of line in 64 MB, or a quote that is not closed.
    """
    line = file.readline(_LONGEST)
    while line and not line.strip():
        line = file.readline(_LONGEST)
    opening = _opening(separator_of(line.decode("utf-8", "replace")))
    # A name in quotes may have several lines, as spreadsheets write it.
    while _open_value(line, 0, opening) is not None:
        more = file.readline(_LONGEST)
        if not more or len(line) > _NAMES:
            raise UserError(f"{path}: a quote in its first line is not closed: close it, or take it out")
        line += more
    if b"\r" in _QUOTED.sub(b"", line).rstrip(b"\r\n"):
        raise UserError(f"{path}: its lines end in a carriage return alone, as of old Macs: save it with line feeds")
    if len(line) == _LONGEST:
        raise UserError(f"{path}: its first line is longer than {_LONGEST >> 20} MB")
    return line


def whole_rows(file: BinaryIO, size: int, separator: str, path: Path) -> bytes:
    """Read about `size` bytes that begin and end with a row; empty at the end of the file.

    A quote opens a value only at its beginning, as readers of such files take it: an inch mark within one does not.

    Raises:
        UserError: a row of more than 64 MB, as after a quote that nothing closes.
    """
    opening = _opening(separator)
    piece = file.read(size) + file.readline(_LONGEST)
    done = 0
    while (begin := _open_value(piece, done, opening)) is not None:
        more = file.read(size)
        if not more:
            break  # whoever reads the rows says what is wrong with them
        piece, done = piece + more + file.readline(_LONGEST), begin
        if len(piece) - begin > _LONGEST:
            place = file.tell() - len(piece) + begin
            raise UserError(f"{path}: a quote at byte {place:,} is not closed within {_LONGEST >> 20} MB: close it")
    if not piece.endswith(b"\n") and file.read(1):
        raise UserError(f"{path}: a row before byte {file.tell():,} is longer than {_LONGEST >> 20} MB")
    return piece


def _opening(separator: str) -> "re.Pattern[bytes]":
    return re.compile(rb"(?:^|[\r\n" + re.escape(separator.encode()) + rb'])[ ]*+"')


def _open_value(text: bytes, begin: int, opening: "re.Pattern[bytes]") -> int | None:
    """Return where a value in quotes begins that does not end in the text, looked for from `begin` on."""
    while found := opening.search(text, begin):
        closed = _CLOSING.match(text, found.end())
        if closed is None:
            return found.start()
        begin = closed.end()
    return None
