"""Lines on the terminal: what is said, noted and complained about."""

import json
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from isotropy.io.visible import in_line, visible

# Where nothing says how wide the terminal is (a file, a pipe), a table keeps its lines whole.
_PLAIN_WIDTH = 120


class PlainConsole(Console):
    """A console on which nothing that a text says becomes a command, a colour or a hidden character.

    Names of columns, labels and files come from data: brackets are brackets, and what steers a terminal (escape
    sequences, or marks that turn the direction of a line) is shown by its number.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is shown, texts made `visible`; the console's own controls stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a cell's text made `visible`: a `Text` would drop a bell and spread a tab before it is rendered."""
        return super().render_str(visible(text), **options)


# Of several ranks the first one speaks; what goes wrong is said once on every machine.
OUT = PlainConsole(quiet=os.environ.get("RANK", "0") != "0")
ERR = PlainConsole(stderr=True, quiet=os.environ.get("LOCAL_RANK", "0") != "0")
for _console in (OUT, ERR):
    if not _console.is_terminal:
        _console.width, _console.soft_wrap = _PLAIN_WIDTH, True
# A word or two, or nothing, and blanks up to the twelfth character or further.
_HEAD = re.compile(r"(?=.{11} )(?:\S.{0,28}?)? {2,}(?=\S)")
# Exit code of a process that the user stopped, as shells have it.
INTERRUPTED = 130
# Exit code of a training that was stopped because it collapsed.
COLLAPSED = 3


def say(text: str, style: str = "") -> None:
    """Print one line; on a terminal what does not fit goes on below what stands behind the line's head."""
    line = visible(text)
    OUT.print(Text(line if OUT.soft_wrap else hung(line, OUT.width), style=style))


def hung(line: str, width: int) -> str:
    """Return a line that begins with a head, as "verdict     healthy", broken so that the head stands alone.

    Example:
        >>> print(hung("next        open the page, or search", 26))
        next        open the page,
                    or search
    """
    head = _HEAD.match(line)
    if head is None or len(line) <= width:
        return line
    indent = " " * head.end()
    return textwrap.fill(
        line[head.end() :], width, initial_indent=head[0], subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal, until the work inside ends, that something is done; give what says another thing of it."""
    if not OUT.is_terminal or OUT.quiet:
        yield lambda what: None
        return
    with OUT.status(Text(what)) as status:
        yield lambda what: status.update(Text(what))


@contextmanager
def counting(what: str, noun: str = "rows") -> Iterator[Callable[[int, int | None], None]]:
    """Show on a terminal, until the work inside ends, how much of it is done and how long the rest takes.

    Give what takes how many are done, and of how many, None where nobody knows.
    """
    bar = Progress(
        TextColumn(what), BarColumn(), TaskProgressColumn(), TextColumn(f"{{task.completed:,}} {noun}"),
        TimeRemainingColumn(), console=OUT, transient=True, disable=not OUT.is_terminal or OUT.quiet,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def answering(*, as_json: bool) -> Iterator[Callable[[Any], None]]:
    """Give what takes a command's answer: where JSON is wanted it alone is printed; notes and errors are on stderr."""
    answers: list[Any] = []
    before = OUT.quiet
    OUT.quiet = before or as_json
    try:
        yield answers.append
    finally:
        OUT.quiet = before
    if as_json:
        for found in answers:
            OUT.print_json(json.dumps(found))


def note(text: str) -> None:
    """Print one line beside the result, on stderr."""
    ERR.print(Text(f"note: {in_line(text)}", style="yellow"))


def complain(text: str) -> None:
    """Print a user's error, one line on stderr."""
    ERR.print(Text(f"isotropy: {visible(' '.join(text.split()))}", style="red"))


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
