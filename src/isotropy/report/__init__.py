"""One page about a run: what was read from its directory, then how it is shown."""

import os
import tempfile
from pathlib import Path

from isotropy.report.html import render
from isotropy.report.summarise import summarise

__all__ = ["render", "summarise", "write"]


def write(run_dir: str | Path) -> Path:
    """Write `report.html` into a run directory, whole or not at all, and return its path.

    Raises:
        UserError: where the directory is not a run, or one of its files cannot be read.
        OSError: where the disk refuses; an earlier report then stays as it was.
    """
    target = Path(run_dir) / "report.html"
    page = render(summarise(run_dir))
    handle, name = tempfile.mkstemp(prefix=".report", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target
