"""Files by path: one, several, all of a pattern, or those of a folder."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from isotropy.data.readers import READERS, is_one_file, suffix_of
from isotropy.decoding.image_files import SUFFIXES as IMAGES
from isotropy.errors import UserError


def named_by_path(dataset: Any) -> bool:
    """Return whether data are a path, or several.

    Example:
        >>> named_by_path("a.csv"), named_by_path(["a.csv", "b.csv"]), named_by_path([[1.0, 2.0]])
        (True, True, False)
    """
    several = isinstance(dataset, list | tuple) and len(dataset) > 0
    return isinstance(dataset, str | Path) or (several and all(isinstance(one, str | Path) for one in dataset))


def first_path(dataset: Any) -> str:
    """Return the first of several paths, or the only one; of a pattern what stands in it, or else its folder.

    Example:
        >>> first_path(["a.csv", "b.csv"]), first_path("in/day*.csv"), first_path("in/*.csv")
        ('a.csv', 'in/day.csv', 'in')
    """
    path = Path(dataset if isinstance(dataset, str | Path) else dataset[0])
    if not is_pattern(path):
        return str(path)
    name = re.sub(r"[*?\[\]]", "", path.name)
    return str(path.parent / name) if name and not name.startswith(".") else str(path.parent)


def resolved(dataset: Any) -> Any:
    """Return the same path, or paths, from the root on, as texts."""
    if isinstance(dataset, str | Path):
        return str(Path(dataset).expanduser().resolve())
    return [resolved(one) for one in dataset]


def is_pattern(dataset: Any) -> bool:
    """Return whether a path is a pattern such as day*.csv."""
    return isinstance(dataset, str | Path) and has_magic(str(dataset)) and not Path(dataset).expanduser().exists()


def holds_recordings(folder: Path) -> bool:
    """Return whether a folder holds files that are read as recordings, no image, and is not one table in partitions."""
    if is_one_file(folder):
        return False
    found = False
    for path in _below(folder):
        if path.suffix.lower() in IMAGES:
            return False
        found = found or suffix_of(path) in READERS
    return found


def files_of(dataset: Any) -> list[Path]:
    """Return the files of a path, a pattern, a folder, or several of these, sorted within each.

    Raises:
        UserError: nothing there, or a folder with files of several formats.
    """
    if not isinstance(dataset, str | Path):
        found = [path for one in dataset for path in files_of(one)]
        if twice := [path for path, count in Counter(found).items() if count > 1]:
            raise UserError(f"{twice[0]} is given twice")
        return found
    path = Path(dataset).expanduser()
    if path.is_dir() and not is_one_file(path):
        return _of_folder(path)
    if is_pattern(path):
        found = matches(path)
        if not found:
            raise UserError(f"{path} matches no file")
        return found
    return [path]


def matches(pattern: Path) -> list[Path]:
    """Return what a pattern matches, sorted; ** is folders of any depth, and what is in them is matched, not they."""
    found = [Path(one) for one in glob(str(pattern.expanduser()), recursive=True)]
    deep = "**" in pattern.parts
    return sorted(path for path in found if not (deep and path.is_dir()))


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones apart."""
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file():
            yield path


def _of_folder(folder: Path) -> list[Path]:
    found = sorted(path for path in _below(folder) if suffix_of(path) in READERS)
    if not found:
        raise UserError(f"{folder} holds no file that is read as a recording ({', '.join(READERS)})")
    kinds = sorted({suffix_of(path) for path in found})
    if len(kinds) > 1:
        raise UserError(f"{folder} holds {' and '.join(kinds)} files: name those to be read, as '{folder}/*{kinds[0]}'")
    return found


def common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that all files are in."""
    folder = files[0].parent
    while any(folder not in path.parents for path in files):
        folder = folder.parent
    return folder
