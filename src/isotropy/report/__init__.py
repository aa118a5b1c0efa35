"""One page about a run: what was read from its directory, then how it is shown."""

from pathlib import Path

from isotropy.io.atomic import write_atomically
from isotropy.report.html import render
from isotropy.report.leaderboard import is_comparison, render_comparison
from isotropy.report.summarise import summarise

__all__ = ["render", "summarise", "write"]


def write(run_dir: str | Path) -> Path:
    """Write `report.html` into a run directory or the folder of a comparison, whole or not at all; return its path.

    Raises:
        UserError: where the directory is not a run, or one of its files cannot be read.
        OSError: where the disk refuses; an earlier report then stays as it was.
    """
    target = Path(run_dir) / "report.html"
    page = render_comparison(target.parent) if is_comparison(target.parent) else render(summarise(run_dir))
    write_atomically(target, page.encode())
    return target
