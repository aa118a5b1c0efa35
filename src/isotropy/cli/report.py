"""`isotropy report`: write the page anew."""

from pathlib import Path

from isotropy import report as pages
from isotropy.cli.show import say
from isotropy.report.leaderboard import is_comparison
from isotropy.runs.directory import Run


def report(folder: Path, *, umap: bool) -> None:
    """Run `isotropy report RUN [--umap]`, or of the folder of a comparison."""
    say(str(pages.write(folder if is_comparison(folder) else Run.opened(folder).folder, umap=umap)))
