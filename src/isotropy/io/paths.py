"""Paths that a user gives, looked at before anything slow is loaded."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from isotropy.errors import UserError, nearest

# What a folder of a run has that one of data does not, as `isotropy.runs` names it, which would load torch.
_RECIPE, _CHECKPOINTS = "recipe.toml", "checkpoints"


def existing(path: Path) -> Path:
    """Return a path of data that exists; UserError, with the nearest name beside it, where it does not, and of a run.

    Example:
        >>> existing(Path("/")).is_dir()
        True
    """
    if (path / _RECIPE).is_file() and (path / _CHECKPOINTS).is_dir():
        raise UserError(
            f"{path} is a run, where data are wanted: isotropy diagnose {path} shows it, and isotropy fit --resume "
            f"{path} trains it longer"
        )
    if path.exists():
        return path
    if not path.parent.is_dir():
        raise UserError(f"{path} does not exist (nor does the folder {path.parent})")
    hint = nearest(path.name, [other.name for other in path.parent.iterdir()])
    raise UserError(f"{path} does not exist{hint if 'did you mean' in hint else ''}")


def check_name(path: Path) -> None:
    r"""Raise UserError for a place below a name that is not UTF-8, where no .parquet file can be.

    Example:
        >>> check_name(Path("caf\udce9"))
        Traceback (most recent call last):
        isotropy.errors.UserError: the name caf\xe9 is not UTF-8, as a place for .parquet has to be: choose another
    """
    for place in (path.absolute(), *path.absolute().parents):
        name = place.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if name != place.name:
            raise UserError(f"the name {name} is not UTF-8, as a place for .parquet has to be: choose another")


def existing_folder(folder: Path) -> Path:
    """Return the folder of a run or of a model; UserError where there is none, with the nearest beside it or in runs.

    Example:
        >>> existing_folder(Path("/")) == Path("/")
        True
    """
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file, and no run directory, which stands before the data")
    near = dict(_folders_near(folder))
    close = get_close_matches(folder.name, near, n=1)
    raise UserError(f"{folder}: no such run directory" + (f" (did you mean {str(near[close[0]])!r}?)" if close else ""))


def _folders_near(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of what is in runs, where `isotropy fit` writes, and beside a folder."""
    for parent in (Path("runs"), folder.parent):
        if parent.is_dir():
            yield from ((path.name, path) for path in sorted(parent.iterdir()) if path.is_dir())
