"""`isotropy report`: write the page anew."""

from pathlib import Path

from isotropy import report as pages
from isotropy.cli.show import say, waiting
from isotropy.report.leaderboard import is_comparison
from isotropy.runs.directory import Run


def page_anew(folder: Path) -> None:
    """Write a run's page again, with what was just found out about it, and say where it is."""
    with waiting("writing the page"):
        page = pages.write(folder)
    say(f"{page}: the page, written again")


def report(folder: Path, *, umap: bool) -> dict[str, str]:
    """Run `isotropy report RUN [--umap]`, or of the folder of a comparison; return where the page is."""
    with waiting("writing the page"):
        page = pages.write(folder if is_comparison(folder) else Run.opened(folder).folder, umap=umap)
    say(str(page))
    return {"page": str(page)}
