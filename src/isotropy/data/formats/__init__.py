"""File formats of the field, one reader a file; registered by suffix in `isotropy.data.readers`."""

from importlib import import_module
from typing import Any

from isotropy.errors import UserError


def package(name: str, what: str) -> Any:
    """Return an optional package; UserError with the command that installs it where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"{what} files need the package {name}: pip install 'isotropy[recordings]' ({error})"
        ) from error
