"""The file of results: a run that stands in it is not made again, unless with another recipe."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from progress import alone
from rows import Row, key_of, read_rows

from isotropy.io.atomic import write_atomically


@dataclass(frozen=True)
class Run:
    """One run: `make(quick)` trains and returns its numbers; `settings` is the text that its digest is of."""

    study: str
    data: str
    variant: str
    seed: int
    make: Callable[[bool], Row] = field(compare=False)
    settings: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What names the run in the results."""
        return self.study, self.data, self.variant, self.seed


def digest(settings: str) -> str:
    """Return a short digest of a recipe's TOML (or of any text that settles a run) without its seed."""
    lines = [line for line in settings.splitlines() if not line.startswith("seed = ")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Two calls may fill the same results.
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(path: Path, run: Run, numbers: Row) -> Row:
    """Write a run's row, in place of a stale one; the file is always whole."""
    row = dict(zip(("study", "data", "variant", "seed"), run.key)) | {"digest": digest(run.settings), **numbers}
    row = {name: value for name, value in row.items() if not name.startswith("right ")}
    with _locked(path):
        rows = [old for old in read_rows(path) if key_of(old) != run.key] + [row]
        write_atomically(path, ("\n".join(json.dumps(each) for each in rows) + "\n").encode())
    return row


def fill(path: Path, runs: Iterable[Run]) -> None:
    """Make the runs that have no row of today's recipe, each in one process; killed, it goes on from a checkpoint.

    A row without a digest counts as one, and is named, unless the seed did not reach its method.
    """
    for run in runs:
        rows = [row for row in read_rows(path) if key_of(row) == run.key and row.get("seed_reached") is not False]
        digests = [row.get("digest") for row in rows]
        if None in digests:
            print(
                f"{run.key}: skipped, its row has no digest (converted from older results): its recipe is not checked"
            )
        elif digest(run.settings) not in digests:
            with alone(path.with_name("unfinished") / digest(f"{run.key} {run.settings}")) as mine:
                if mine:
                    say(run, keep(path, run, run.make(False)))
                else:
                    print(f"{run.key}: skipped, another process makes it")


def say(run: Run, row: Row) -> None:
    """Print a run with its numbers."""
    print(run.key, {name: value for name, value in row.items() if isinstance(value, int | float)}, flush=True)
