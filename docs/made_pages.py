"""Write the pages that a script makes, or say which of them are stale."""

import argparse
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_or_check(pages: Callable[[], dict[Path, str]], description: str | None) -> None:
    """Write what differs from the files that are there; with --check only name it, and exit with 1."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if not options.check:
            path.write_text(text)
        print(path.relative_to(ROOT))
    if options.check and stale:
        raise SystemExit(1)
