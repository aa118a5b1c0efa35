"""The file that a verb is asked to write: where it may be, and that it replaces nothing that is read."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from isotropy.audit.run import FRAME
from isotropy.data.readers import is_one_file
from isotropy.data.recordings.paths import holds_recordings, is_pattern, matches
from isotropy.errors import UserError
from isotropy.finetuning.artefact import ABOUT
from isotropy.io.paths import check_name
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
    if out.suffix == ".parquet":
        check_name(out)
    if (among := next((place for place in _listed(reads) if _would_read(place, out)), None)) is not None:
        lost = out.is_file()
        words = f"is one of the files of {among}, which would be lost" if lost else f"would be one of those of {among}"
        raise UserError(f"--out {out}: {words}: name another")
    if not out.exists():
        return
    if out.name in _OF_A_RUN and out.parent.resolve() == folder.resolve():
        raise UserError(f"--out {out}: is a file of {folder}, which would be lost: name another")
    for place in (file for one in _listed(reads) for file in (matches(one) if is_pattern(one) else [one])):
        if place.is_file() and out.samefile(place):
            raise UserError(f"--out {out}: is the data, which would be lost: name another file")


def _would_read(place: Path, out: Path) -> bool:
    """Return whether who reads a folder or a pattern would find what is written to `out`."""
    whole, here = out.resolve(), place.resolve()
    if is_pattern(place):
        return fnmatch(str(whole), str(here)) if "**" in place.parts else whole.match(str(here))
    return place.is_dir() and here in whole.parents and (is_one_file(place) or holds_recordings(place))


def _listed(reads: Iterable[Any]) -> list[Path]:
    """Return files, folders and patterns, or several of these, one by one."""
    found: list[Path] = []
    for one in reads:
        if isinstance(one, str | Path):
            found.append(Path(one).expanduser())
        elif isinstance(one, list | tuple):
            found += _listed(one)
    return found
