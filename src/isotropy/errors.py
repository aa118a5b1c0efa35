"""Errors that a user can fix: one line that says what is wrong, where, and what to do."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from mmap import mmap
from typing import Any

# Valid names that an error lists: a table may have hundreds of columns.
_CHOICES = 40


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints its one line and exits with code 2."""


class OutOfMemory(MemoryError):
    """The system gives a process no more memory; the command line says so in one line."""


def need_memory(size: int = 1 << 24) -> None:
    """Raise OutOfMemory where the system does not give a process so many bytes more, 16 MB by default.

    For before a library is called that ends the process in such a case: FBGEMM, with which torch looks vectors up,
    writes the code for that when it is first needed, and calls it even where there was no memory for it.

    Example:
        >>> need_memory()
    """
    try:
        # Not by an allocator, whose habits a large piece would change.
        mmap(-1, size).close()
    except OSError as error:
        raise OutOfMemory(f"no {size:,} bytes of memory are left") from error


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint that names the valid choice nearest to `name`, in capitals or not, or the choices, at most 40.

    Example:
        >>> nearest("simclrr", ["simclr", "byol"])
        " (did you mean 'simclr'?)"
        >>> nearest("AGE", ["Age", "Job"])
        " (did you mean 'Age'?)"
        >>> nearest("x", ["simclr", "byol"])
        ' (valid: byol, simclr)'
    """
    choices = sorted(choices)
    small = [choice.lower() for choice in choices]
    if close := get_close_matches(str(name).lower(), small, n=1, cutoff=0.6):
        return f" (did you mean {choices[small.index(close[0])]!r}?)"
    if len(choices) > _CHOICES:
        choices = [*choices[:_CHOICES], f"and {len(choices) - _CHOICES} more"]
    return f" (valid: {', '.join(choices)})" if choices else ""


def counted(count: int, what: str) -> str:
    """Return how many there are of something.

    Example:
        >>> counted(1, "view"), counted(12000, "row")
        ('1 view', '12,000 rows')
    """
    return f"{count:,} {what}{'s' * (count != 1)}"


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Return names in quotes, the first `limit` of them."""
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def refuse_text(given: Any, what: str) -> None:
    """Raise UserError where one text stands for a list of names: each of its letters would be taken for a name.

    Example:
        >>> refuse_text("linear", "evaluators")
        Traceback (most recent call last):
        isotropy.errors.UserError: evaluators = 'linear' is one text: give a list of names, such as ['linear']
    """
    if isinstance(given, str):
        raise UserError(f"{what} = {given!r} is one text: give a list of names, such as {given.split(',')!r}")


def plain(value: Any) -> Any:
    """Return a value of numpy as Python's own, as it is named in messages.

    Example:
        >>> import numpy as np
        >>> plain(np.str_("a")), plain(np.int64(3))
        ('a', 3)
    """
    return value.item() if hasattr(value, "item") else value
