"""Errors that a user can fix: one line that says what is wrong, where, and what to do."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in what the user gave; the command line prints its one line and exits with code 2."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint that names the valid choice nearest to `name`, or all of them where none is near.

    Example:
        >>> nearest("simclrr", ["simclr", "byol"])
        " (did you mean 'simclr'?)"
        >>> nearest("x", ["simclr", "byol"])
        ' (valid: byol, simclr)'
    """
    choices = sorted(choices)
    close = get_close_matches(str(name), choices, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]!r}?)"
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
