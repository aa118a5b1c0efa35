"""Lines on the terminal: what is said, noted and complained about."""

import os

from rich.console import Console
from rich.text import Text

# Where nothing says how wide the terminal is (a file, a pipe), a table keeps its lines whole.
_PLAIN_WIDTH = 120
# Of several ranks the first one speaks; what goes wrong is said once on every machine.
OUT = Console(highlight=False, quiet=os.environ.get("RANK", "0") != "0")
ERR = Console(stderr=True, highlight=False, quiet=os.environ.get("LOCAL_RANK", "0") != "0")
for _console in (OUT, ERR):
    if not _console.is_terminal:
        _console.width, _console.soft_wrap = _PLAIN_WIDTH, True
# Exit code of a process that the user stopped, as shells have it.
INTERRUPTED = 130
# Exit code of a training that was stopped because it collapsed.
COLLAPSED = 3


def say(text: str, style: str = "") -> None:
    """Print one line."""
    OUT.print(Text(text, style=style))


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    ERR.print(Text(f"note: {text}", style="yellow"))


def complain(text: str) -> None:
    """Print a user's error, one line on stderr."""
    ERR.print(Text(f"isotropy: {' '.join(text.split())}", style="red"))


def duration(seconds: float) -> str:
    """Return a time as a person says it.

    Example:
        >>> duration(7.3), duration(94), duration(4000)
        ('7 s', '1 min 34 s', '1 h 06 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{max(whole, 1)} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def counted(number: float, noun: str) -> str:
    """Return a number with its noun, which is plural except for exactly one.

    Example:
        >>> counted(1.0, "epoch"), counted(1.5, "epoch")
        ('1 epoch', '1.5 epochs')
    """
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
