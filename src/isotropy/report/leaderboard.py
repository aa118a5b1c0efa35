"""The page of a comparison: what to do, the leaderboard, and the few-label differences."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any

from isotropy.errors import UserError
from isotropy.evaluation.score import SEARCH, evaluator_title, guessed, number
from isotropy.io.json_file import read_json
from isotropy.report.figures import typeset, whisker
from isotropy.report.html import page, sentence
from isotropy.report.sections import DOT, section
from isotropy.runs.comparison_folder import ABOUT, LEADERBOARD
from isotropy.runs.comparison_types import Board

OUTCOMES = {
    "train": ("beats", "Train"),
    "train for few labels": ("beats", "Train, for few labels"),
    "train for search": ("beats", "Train, for search"),
    "do not train": ("loses", "Do not train"),
    "no label": ("unproven", "Not proven: no label"),
}
NONE = "-"
_WORDS = ("verdict",)  # columns of words, whose lines may be broken
Row = dict[str, Any]


def is_comparison(folder: Path) -> bool:
    """Return whether a folder is that of a comparison, finished or not."""
    return (folder / ABOUT).is_file()


def render_comparison(folder: Path) -> str:
    """Return the page of a comparison as HTML.

    Raises:
        UserError: it is not finished, or its leaderboard cannot be read.
    """
    place = folder / LEADERBOARD
    if not place.is_file():
        raise UserError(f"{folder}: the comparison is not finished: go on with the command that began it")
    remedy = "repeat the command that made it"
    board = read_json(place, Board, remedy)
    try:
        return page(folder.resolve().name, "\n".join(_parts(folder, board)))
    except (ValueError, KeyError) as error:
        raise UserError(f"{place}: damaged ({error!r}): {remedy}") from error


def _parts(folder: Path, board: dict[str, Any]) -> list[str]:
    found = board["recommendation"]
    kind, outcome = OUTCOMES[found["outcome"]]
    spent = f"{short_time(board['spent'])} of {short_time(board['budget'])}"
    facts = {"Data": board["description"], "Label": board["label"] or "none", "CPU time": spent}
    facts["CPU time of each run"] = short_time(board["share"])
    listed = "".join(f"<div><dt>{what}</dt><dd>{escape(value)}</dd></div>" for what, value in facts.items())
    parts = [
        f'<header><p class="kicker">isotropy{DOT}{escape(folder.resolve().name)}</p>'
        f'<p class="outcome {kind}">{outcome}</p>{sentence(found["sentence"])}'
        f'<dl class="facts">{listed}</dl></header>',
        section("Leaderboard", _about(board), _table(board), _notes(board)),
    ]
    if curves := [row for row in board["rows"] if row.get("few_labels")]:
        parts.append(section("Few labels", _few_labels(curves)))
    runs = [run for row in board["rows"] for run in row.get("runs", [])]
    commands = "\n".join(f"isotropy report {quote(str(folder / run))}" for run in runs)
    parts.append(section("The runs", f'<p class="note">Each is a run directory.</p><pre>{escape(commands)}</pre>'))
    return parts


def _about(board: dict[str, Any]) -> str:
    if not board["label"]:
        return (
            f"<p>On {board['test_rows']:,} held-out rows: the fraction of a row's ten nearest neighbours (by cosine) "
            "that two seeds of a method share. It says how far two runs agree, not which method is better.</p>"
        )
    rows, metric = board["rows_used"], board["metric"]
    return (
        f"<p>{escape(metric[:1].upper() + metric[1:])} of {escape(board['label'])} on {rows['test']:,} test rows, "
        f"learnt from {rows['train']:,} rows, the same for all. Intervals are 95% intervals over test rows, draws of "
        "labels and seeds. Few labels and search are beside; the label factor says how many times as many labels the "
        "best row without training needs, encoders as they were drawn included. Times are CPU time: of the training, "
        "and of embedding 1,000 rows.</p>"
    )


def _table(board: dict[str, Any]) -> str:
    rows, labelled = board["rows"], bool(board["label"])
    main, beside = ("all", ["few", "search"]) if labelled else ("stability", [])
    drawn = [row[main] for row in rows if row.get(main)]
    low, high = min((c["low"] for c in drawn), default=0.0), max((c["high"] for c in drawn), default=1.0)
    margin = max(0.04 * (high - low), 0.005)
    size = next((row["few"]["size"] for row in rows if row.get("few")), "few labels")
    titles = {"few": size, "search": SEARCH}
    columns = [titles[name] for name in beside] + (["label factor"] if labelled else [])
    heads = [*columns, "training", "embedding", "width", "verdict"]
    out = [f'<th>{"All labels" if labelled else "Same neighbours"}</th><th class="n">Score</th><th></th>']
    out += [f'<th class="n">{escape(head)}</th>' for head in heads]
    lines = [f'<table class="scores wide"><thead><tr>{"".join(out)}</tr></thead><tbody>']
    for row in rows:
        cell, trained = row.get(main), row["kind"] == "method"
        reader = (
            f' <span class="range">{escape(evaluator_title(cell["evaluator"]))}</span>' if cell and labelled else ""
        )
        values = [_score(row.get(name)) for name in beside]
        values += [_factor(row, size)] if labelled else []
        values += [short_time(row.get("training_seconds")), short_time(row.get("embedding_seconds"))]
        values += [NONE if row.get("width") is None else f"{row['width']:,}", escape(row.get("verdict") or NONE)]
        cells = "".join(map(_cell, heads, values))
        bar = whisker(cell, low - margin, high + margin) if cell else ""
        lines.append(
            f'<tr class="{"ours" if trained else "base"}"><td>{escape(row["name"])}{reader}</td>'
            f'<td class="n">{number(cell["value"]) if cell else NONE}</td><td class="bar">{bar}</td>{cells}</tr>'
        )
    if labelled and board["metric"] in (guess := guessed(board)):
        same = number(guess[board["metric"]])
        texts = [same, number(guess[SEARCH]) if SEARCH in guess else NONE, *([NONE] * 5)]
        cells = "".join(map(_cell, heads, texts))
        lines.append(f'<tr class="base"><td>guessing</td><td class="n">{same}</td><td class="bar"></td>{cells}</tr>')
    return "".join([*lines, "</tbody></table>"])


def _cell(head: str, text: str) -> str:
    """Return a cell of a table whose rows are cards on a narrow page, where what is not known is left out."""
    known = "" if text == NONE else " known"
    words = " words" if head in _WORDS else ""
    return f'<td class="n extra{known}{words}" data-name="{escape(head)}:">{text}</td>'


def _few_labels(curves: Sequence[Row]) -> str:
    sizes = [line["size"] for line in curves[0]["few_labels"]]
    heads = "".join(f'<th class="n">{escape(size)}</th>' for size in sizes)
    # What is free does not depend on the method: its best is the same for all.
    best = "".join(_cell(line["size"], _best(line)) for line in curves[0]["few_labels"])
    rows = [f'<tr class="base"><td>best without training</td>{best}</tr>']
    for row in curves:
        lines = {line["size"]: line for line in row["few_labels"]}
        cells = "".join(_cell(size, _gap(lines[size]) if size in lines else NONE) for size in sizes)
        rows.append(f'<tr class="ours"><td>{escape(row["name"])}</td>{cells}</tr>')
    return (
        "<p>Each method minus the best without training at that number of labels, paired over test rows and draws; "
        "above 0 outside the interval, training pays.</p>"
        f'<table class="scores wide"><thead><tr><th>Difference</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _best(line: Row) -> str:
    return f'{number(line["value"])} <span class="range below words">{escape(line["best"])}</span>'


def _gap(line: Row) -> str:
    value, low, high = (typeset(line["difference"][name]) for name in ("value", "low", "high"))
    return f'{value} <span class="range below">{low} to {high}</span>'


def _score(score: dict[str, float] | None) -> str:
    if not score:
        return NONE
    return (
        f'{number(score["value"])} <span class="range below">{number(score["low"])} to {number(score["high"])}</span>'
    )


def _factor(row: Row, size: str) -> str:
    line = next((one for one in row.get("few_labels", []) if one["size"] == size), None)
    return NONE if line is None else escape(factor_text(line["label_factor"]))


def _notes(board: dict[str, Any]) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in board.get("notes", []))
    return f'<ul class="note">{notes}</ul>' if notes else ""


def factor_text(factor: dict[str, float | None]) -> str:
    """Return how many times as many labels the best without training needs.

    Example:
        >>> factor_text({"value": 2.34}), factor_text({"value": None, "measured_to": 20.0})
        ('x2.3', '>x20')
    """
    return f">x{factor['measured_to']:.2g}" if factor["value"] is None else f"x{factor['value']:.2g}"


def short_time(seconds: float | None) -> str:
    """Return a time in at most six characters, "-" for none.

    Example:
        >>> short_time(0.0123), short_time(9.44), short_time(150), short_time(7500), short_time(None)
        ('12ms', '9.4s', '2m30s', '2h05m', '-')
    """
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{max(seconds * 1000, 1):.0f}ms"
    if seconds < 59.5:
        return f"{seconds:.2g}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s" if whole % 60 else f"{whole // 60}m"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
