"""From the words of a command to its exit code."""

import sys
import warnings
from functools import partial
from typing import Any

import typer

from isotropy.cli.app import GIVEN, app
from isotropy.cli.show import INTERRUPTED, complain, note
from isotropy.errors import UserError

# Of click, which newer versions of typer carry inside: reached through a name that is public in all of them.
_UsageError: Any = typer.BadParameter.__mro__[1]
# What torch says, on processors and on GPUs, where memory is not enough, and what a library that is loaded late says.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "failed to map segment")
_TOO_LARGE = (
    "memory is not enough: leave rows in their files (--stream), take smaller steps (--set train.batch_size=64, or "
    "train.micro_batch=64 for the same ones), or a smaller network (--set encoder.width=64)"
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's error is one line on stderr and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    problem = ""
    GIVEN[:] = arguments
    with warnings.catch_warnings():
        warnings.showwarning = partial(_as_note, set())
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=UserWarning, module="isotropy")
        try:
            # Not standalone: typer would print a usage error as several lines.
            code = app(arguments or ["--help"], prog_name="isotropy", standalone_mode=False)
        except UserError as error:
            code, problem = 2, str(error)
        except OSError as error:
            code, problem = 2, f"{error.filename or 'a file'}: {error.strerror or error}"
        except (MemoryError, RuntimeError, ImportError) as error:
            if not (isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)):
                raise
            code, problem = 2, _TOO_LARGE
        except _UsageError as error:
            help_of = error.ctx.command_path if error.ctx else "isotropy"
            code, problem = 2, f"{error.format_message()} (see: {help_of} --help)"
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        if code == INTERRUPTED:
            problem = "interrupted; nothing was left half-written"
        if problem:
            complain(problem)
        if code:
            sys.exit(code)


def _as_note(heard: set[str], message: Warning | str, *_: Any, **__: Any) -> None:
    # Several runs of one command prepare the same data.
    if str(message) not in heard:
        heard.add(str(message))
        note(str(message))
