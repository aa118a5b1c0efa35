"""The table of evidence: every representation on the same rows, with intervals, and what follows in words."""

from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.compare import number


def show_evidence(found: dict[str, Any]) -> None:
    """Print the scores of one label."""
    rows = found["rows"]
    table = Table(
        title=f"{found['label']}: {found['score_name']} on {rows['test']:,} test rows "
        f"(probes learn from {rows['train']:,}); 95% intervals",
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column("representation", no_wrap=True)
    table.add_column("width", justify="right")
    table.add_column("linear probe", no_wrap=True)
    table.add_column("k-NN", no_wrap=True)
    table.add_column("ours - it (linear)", no_wrap=True)
    for entry in found["representations"]:
        ours = entry["name"] == found["ours"]
        table.add_row(
            Text(entry["name"], style="bold" if ours else ""),
            str(entry["width"]),
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
    return " ".join(
        (f"{score['score']:+.3f}", f"[{score['low']:+.3f}, {score['high']:+.3f}]"),
    )
