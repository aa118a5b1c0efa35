"""The table of evidence: every representation on the same rows, with intervals, and what follows in words."""

from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.compare import number

# Columns that the whole table needs; a narrower terminal is not told the widths.
_WIDE = 88


def show_evidence(found: dict[str, Any]) -> None:
    """Print the scores of one label."""
    rows, wide = found["rows"], OUT.width >= _WIDE
    table = Table(
        title=f"{found['label']}: {found['score_name']} on {rows['test']:,} test rows "
        f"(probes learn from {rows['train']:,}); 95% intervals",
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, 2 if wide else 1, 0, 0),
    )
    table.add_column("representation", no_wrap=True)
    if wide:
        table.add_column("width", justify="right", no_wrap=True)
    table.add_column("linear probe", no_wrap=True)
    table.add_column("k-NN", no_wrap=True)
    table.add_column("ours - it (linear)", no_wrap=True)
    for entry in found["representations"]:
        ours = entry["name"] == found["ours"]
        table.add_row(
            Text(entry["name"], style="bold" if ours else ""),
            *([str(entry["width"])] if wide else []),
            _interval(entry["linear"]),
            _interval(entry["knn"]),
            "" if ours else _signed(entry["difference"]["linear"]),
        )
    OUT.print(table)
    for text in found["notes"]:
        say(text, "dim")
    say(found["sentence"], "bold")


def _interval(score: dict[str, float]) -> str:
    return f"{number(score['score'])} [{number(score['low'])}, {number(score['high'])}]"


def _signed(score: dict[str, float]) -> str:
    low, high = (_plus(score[name]) for name in ("low", "high"))
    return f"{_plus(score['score'])} [{low}, {high}]"


def _plus(value: float) -> str:
    return number(value) if value < 0 else f"+{number(value)}"
