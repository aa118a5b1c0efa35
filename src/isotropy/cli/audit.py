"""`isotropy audit`: what is wrong with the rows of a run's data."""

import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.audit import KINDS, Audit, audit_run
from isotropy.audit.run import SUMMARY
from isotropy.cli.report import page_anew
from isotropy.cli.show import OUT, note, say, waiting
from isotropy.io.visible import in_line


def audit(folder: Path, *, label: str | None, most: int) -> Any:
    """Run `isotropy audit RUN [--label NAME]`; return what audit.json holds."""
    with waiting("auditing") as now:
        found = audit_run(folder, label, progress=now)
    _show(found, folder, most)
    page_anew(folder)
    return json.loads((folder / SUMMARY).read_text())


def _show(found: Audit, folder: Path, most: int) -> None:
    for line in found.notes:
        note(line)
    total = len(found.frame)
    table = Table(box=None, pad_edge=False)
    table.add_column("issue")
    table.add_column("rows", justify="right")
    table.add_column("")
    table.add_column("found by")
    for kind, count in found.counts.items():
        part = f"{count / total:.1%}" if count else ""
        table.add_row(Text(KINDS[kind]), f"{count:,}", part, Text(found.issues[kind].method))
    say(f"{total:,} rows", "bold")
    OUT.print(table)
    for kind, count in found.counts.items():
        if not count or not most:
            continue
        OUT.print()
        say(f"{KINDS[kind]} ({kind})", "bold")
        for entry in found.listed(kind, most).to_dict("records"):
            say(_told(entry))
        if count > most:
            say(f"  and {count - most:,} more in {folder / 'audit' / kind}.csv")
    OUT.print()
    say(f"{folder / 'audit.parquet'}: every row with its scores (0 is worst); lists in {folder / 'audit'}")


def _told(entry: Mapping[Any, Any]) -> str:
    """Return a row with its file, if it has one, and the reason, which goes on below where the terminal is narrow."""
    within = f" row {entry['file_row']}" if "file_row" in entry else ""
    file = f"{in_line(entry['file'])}{within}  " if "file" in entry else ""
    head = f"  row {entry['row']:<8} {entry['score']:.3f}  {file}"
    width = OUT.width if OUT.is_terminal else sys.maxsize
    return textwrap.fill(str(entry["reason"]), width, initial_indent=head, subsequent_indent=" " * len(head))
