"""The table of evidence: every representation on the same rows, with intervals, and what follows in words."""

from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.score import columns, deciding, number, pivot

# Columns that the whole table needs; a narrower terminal is not told the widths.
_WIDE = 88
_COLUMN = 19


def show_evidence(found: dict[str, Any]) -> None:
    """Print the scores of one label: one row per representation, one column per evaluator and number of labels."""
    rows, decisive = found["rows"], deciding(found)
    titles = columns(found)
    wide = OUT.width >= _WIDE + _COLUMN * (len(titles) - 2)
    table = Table(
        title=f"{found['label']}: {decisive[found['ours']]['metric']} on {rows['test']:,} test rows "
        f"(learnt from at most {rows['train']:,} rows); 95% intervals",
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, 2 if wide else 1, 0, 0),
    )
    table.add_column("representation", no_wrap=True)
    if wide:
        table.add_column("width", justify="right", no_wrap=True)
    for title in titles.values():
        table.add_column(title, no_wrap=True)
    table.add_column("ours minus this", no_wrap=True)
    for name, scores in pivot(found).items():
        ours, decider = name == found["ours"], decisive[name]
        table.add_row(
            Text(name, style="bold" if ours else ""),
            *([str(decider["width"])] if wide else []),
            *(_interval(scores[key]) if key in scores else "" for key in titles),
            "" if ours else _signed(decider["difference"]),
        )
    OUT.print(table)
    for text in found["notes"]:
        say(text, "dim")
    say(found["sentence"], "bold")


def _interval(score: dict[str, float]) -> str:
    return f"{number(score['value'])} [{number(score['low'])}, {number(score['high'])}]"


def _signed(score: dict[str, float]) -> str:
    low, high = (_plus(score[name]) for name in ("low", "high"))
    return f"{_plus(score['value'])} [{low}, {high}]"


def _plus(value: float) -> str:
    return number(value) if value < 0 else f"+{number(value)}"
