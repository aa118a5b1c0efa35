"""The tables of evidence: all labels, then few; every representation on the same rows, and the conclusion."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.score import curves, evaluator_title, extras, guessed, lookup, number, with_interval
from isotropy.io.visible import in_line

# Characters of a row with one score, its reader and a difference; each further column needs 19 more.
_NARROW, _COLUMN = 80, 19
# Characters of a name, and of one size of the few-label curve beside it.
_NAME, _SIZE = 22, 8
_GUESSING = Text("guessing", style="dim")


def show_evidence(found: dict[str, Any]) -> None:
    """Print the scores of one label, every representation's with its interval, and the conclusion."""
    rows = found["rows"]
    if found["ranking"]:
        learnt = f"(learnt from at most {rows['train']:,} rows); 95% intervals"
        title = f"{in_line(found['label'])}: {found['metric']} on {rows['test']:,} test rows {learnt}"
        _print(title, *_all_labels(found))
    if curves(found):
        draws = max(score["detail"]["draws"] for curve in curves(found).values() for score in curve.values())
        _print(f"few labels: mean {found['metric']} of {draws} draws, and half its 95% interval", *_few_labels(found))
    for text in found["notes"]:
        say(text, "dim")
    say(found["sentence"], "bold")


def _print(title: str, heads: Sequence[str], lines: Iterable[Sequence[str | Text]]) -> None:
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        # On a narrow terminal names are broken, and scores stay whole.
        table.add_column(head, no_wrap=bool(place), overflow="fold")
    for line in lines:
        table.add_row(*line)
    OUT.print(table)


def _all_labels(found: dict[str, Any]) -> tuple[list[str], list[list[str | Text]]]:
    """Return the heads and the lines of the table with all labels: the ranking, and what was measured beside it."""
    beside = extras(found)[: max(0, (OUT.width - _NARROW) // _COLUMN)]
    lines: list[list[str | Text]] = []
    for line in found["ranking"]:
        name, gap = line["representation"], line["difference"]
        others = (lookup(found, name, *column) for column in beside)
        lines.append(
            [
                _named(name, found),
                _interval(line),
                evaluator_title(line["evaluator"]),
                "" if gap is None else with_interval(gap),
                *("" if score is None else _interval(score) for score in others),
            ]
        )
    guess = guessed(found)
    if found["metric"] in guess:
        cells = [number(guess[metric]) if metric in guess else "" for metric in [metric for _, metric in beside]]
        lines.append([_GUESSING, number(guess[found["metric"]]), "", "", *cells])
    return ["representation", "score", "read by", "trained minus this", *(metric for _, metric in beside)], lines


def _few_labels(found: dict[str, Any]) -> tuple[list[str], list[list[str | Text]]]:
    """Return the heads and the lines of the few-label table; a narrow terminal gets every other size."""
    drawn = curves(found)
    sizes = list(next(iter(drawn.values())))
    while len(sizes) * _SIZE + _NAME > OUT.width and len(sizes) > 1:
        sizes = sizes[1::2]
    order = [line["representation"] for line in found["ranking"]]
    names = sorted(drawn, key=lambda name: order.index(name) if name in order else len(order))
    cells: list[list[str | Text]] = [
        [_named(name, found), *(_halved(drawn[name][size]) if size in drawn[name] else "" for size in sizes)]
        for name in names
    ]
    if (guess := guessed(found).get(found["metric"])) is not None:
        cells.append([_GUESSING, *([number(guess)] * len(sizes))])
    return ["labels", *(size.replace(" a ", "\na ") for size in sizes)], cells


def _named(name: str, found: dict[str, Any]) -> Text:
    return Text(in_line(name), style="bold" if name == found["ours"] else "")


def _interval(score: dict[str, float]) -> str:
    return f"{number(score['value'])} [{number(score['low'])}, {number(score['high'])}]"


def _halved(score: dict[str, float]) -> Text:
    half = number((score["high"] - score["low"]) / 2)
    return Text.assemble(number(score["value"]), "\n", (f"\N{PLUS-MINUS SIGN}{half}", "dim"))
