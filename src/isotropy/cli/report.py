"""`isotropy report`: write the page anew."""

from pathlib import Path

from isotropy import report as pages
from isotropy.cli.show import say
from isotropy.runs.directory import Run


def report(folder: Path) -> None:
    """Run `isotropy report RUN`."""
    say(str(pages.write(Run.opened(folder).folder)))
