"""The table of evidence: every representation on the same rows, with intervals, and the conclusion."""

from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.score import columns, deciding, number, pivot

# Characters that a row of two scores, a difference and the width needs; a narrower terminal is not told the widths.
_WIDE = 88
# From so many scores of a representation on, representations stand side by side and scores below each other.
_MANY = 3


def show_evidence(found: dict[str, Any]) -> None:
    """Print the scores of one label, every representation's with its interval, and the conclusion."""
    rows, decisive = found["rows"], deciding(found)
    many, wide = len(columns(found)) >= _MANY, OUT.width >= _WIDE
    table = Table(
        title=f"{found['label']}: {decisive[found['ours']]['metric']} on {rows['test']:,} test rows "
        f"(learnt from at most {rows['train']:,} rows); 95% intervals",
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
        padding=(0, 2 if wide else 1, 0, 0),
    )
    lines = _lines(found, widths=wide and not many)
    titles, *cells = zip(*lines) if many else lines
    for title in titles:
        table.add_column(title, no_wrap=True)
    for row in cells:
        table.add_row(*row)
    OUT.print(table)
    for text in found["notes"]:
        say(text, "dim")
    say(found["sentence"], "bold")


def _lines(found: dict[str, Any], *, widths: bool) -> list[list[str | Text]]:
    """Return the table row by row: a title and its cells, the titles of the columns first."""
    titles, decisive = columns(found), deciding(found)
    lines: list[list[str | Text]] = [
        ["representation", *(["width"] if widths else []), *titles.values(), "ours minus this"]
    ]
    for name, scores in pivot(found).items():
        ours, decider = name == found["ours"], decisive[name]
        lines.append(
            [
                Text(name, style="bold" if ours else ""),
                *([str(decider["width"])] if widths else []),
                *(_interval(scores[key]) if key in scores else "" for key in titles),
                "" if ours else _signed(decider["difference"]),
            ]
        )
    return lines


def _interval(score: dict[str, float]) -> str:
    return f"{number(score['value'])} [{number(score['low'])}, {number(score['high'])}]"


def _signed(score: dict[str, float]) -> str:
    low, high = (_plus(score[name]) for name in ("low", "high"))
    return f"{_plus(score['value'])} [{low}, {high}]"


def _plus(value: float) -> str:
    return number(value) if value < 0 else f"+{number(value)}"
