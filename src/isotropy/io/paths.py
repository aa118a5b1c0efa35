"""Paths that a user gives, looked at before anything slow is loaded."""

from pathlib import Path

from isotropy.errors import UserError, nearest


def existing(path: Path) -> Path:
    """Return a path that exists; UserError, with the nearest name beside it, where it does not.

    Example:
        >>> existing(Path("/")).is_dir()
        True
    """
    if path.exists():
        return path
    if not path.parent.is_dir():
        raise UserError(f"{path} does not exist (nor does the folder {path.parent})")
    hint = nearest(path.name, [other.name for other in path.parent.iterdir()])
    raise UserError(f"{path} does not exist{hint if 'did you mean' in hint else ''}")


def existing_folder(folder: Path) -> Path:
    """Return the folder of a run or of a model; UserError where there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such run directory")
    return folder
