"""The file that a verb is asked to write: where it may be, and that it replaces nothing that is read."""

from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import Any

from isotropy.audit.run import FRAME
from isotropy.data.readers import is_one_file
from isotropy.data.recordings.paths import holds_recordings, is_pattern
from isotropy.errors import UserError
from isotropy.finetuning.finetuned import ABOUT
from isotropy.representation import MODEL
from isotropy.representation.files import CONFIG, ROWS
from isotropy.runs.file_types import FILES

# What a folder of a run or a model holds, of the endings that verbs write.
_OF_A_RUN = {*FILES, MODEL, CONFIG, ROWS, FRAME, ABOUT}


def check_out(out: Path, endings: Iterable[str], *, folder: Path, reads: Iterable[Any]) -> None:
    """Refuse a file of another format, in a folder that is not there, or in the place of what is read.

    Args:
        out: the file to write. endings: valid ones. folder: of the run or model.
        reads: paths of the data, or patterns, or lists of these; None is left out.

    Raises:
        UserError: as above, before anything is read.

    Example:
        >>> check_out(Path("e.xlsx"), [".parquet", ".csv"], folder=Path("run"), reads=["new.csv"])
        Traceback (most recent call last):
        isotropy.errors.UserError: --out e.xlsx: the file has to end in .parquet or .csv
    """
    endings = list(endings)
    if out.suffix not in endings:
        raise UserError(f"--out {out}: the file has to end in {' or '.join(endings)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: the folder {out.parent} does not exist")
    if not out.exists():
        return
    if out.name in _OF_A_RUN and out.parent.resolve() == folder.resolve():
        raise UserError(f"--out {out}: is a file of {folder}, which would be lost: name another")
    for place in _places(reads):
        if place.is_file() and out.samefile(place):
            raise UserError(f"--out {out}: is the data, which would be lost: name another file")
        inside = place.is_dir() and place.resolve() in out.resolve().parents
        if inside and (is_one_file(place) or holds_recordings(place)):
            raise UserError(f"--out {out}: is one of the files of {place}, which would be lost: name another")


def _places(reads: Iterable[Any]) -> list[Path]:
    """Return files and folders by path, pattern, or several of these."""
    found: list[Path] = []
    for one in reads:
        if isinstance(one, str | Path):
            found += map(Path, glob(str(Path(one).expanduser()))) if is_pattern(one) else [Path(one).expanduser()]
        elif isinstance(one, list | tuple):
            found += _places(one)
    return found
