"""The leaderboard on the terminal: methods and everything free below each other, then what to do."""

from typing import Any

from rich.table import Table
from rich.text import Text

from isotropy.cli.show import OUT, say
from isotropy.evaluation.score import SEARCH, guessed, number
from isotropy.report.leaderboard import NONE, factor_text, short_time


def show_leaderboard(board: dict[str, Any]) -> None:
    """Print what leaderboard.json holds: a line per method and per baseline, and the recommendation.

    Scores stand with half of their 95% interval; the intervals themselves are in the file.
    """
    labelled = bool(board["label"])
    rows = board["rows"]
    table = Table(
        title=_title(board), title_justify="left", title_style="", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("", min_width=11)
    size = next((row["few"]["size"] for row in rows if row.get("few")), "few")
    scores = ["all\nlabels", size.replace(" ", "\n", 1), "search"] if labelled else ["same\nneighbours"]
    for head in scores:
        table.add_column(head, no_wrap=True)
    plain = [*(["label\nfactor"] if labelled else []), "train", "embed\n1,000", "width"]
    for head in plain:
        table.add_column(head, no_wrap=True, justify="right")
    table.add_column("verdict")
    for row in rows:
        trained = row["kind"] == "method"
        cells = [_score(row.get(name)) for name in (("all", "few", "search") if labelled else ("stability",))]
        table.add_row(
            Text(row["name"], style="bold" if trained else ""),
            *cells,
            *([_factor(row, size)] if labelled else []),
            short_time(row.get("training_seconds")),
            short_time(row.get("embedding_seconds")),
            NONE if row.get("width") is None else str(row["width"]),
            row.get("verdict", NONE),
        )
    if labelled and (guess := guessed(board)):
        same = number(guess[board["metric"]]) if board["metric"] in guess else NONE
        chance = [same, same, number(guess[SEARCH]) if SEARCH in guess else NONE]
        table.add_row(Text("guessing", style="dim"), *chance, *([NONE] * 5))
    OUT.print(table, soft_wrap=False)
    for text in board.get("notes", []):
        say(text, "dim")
    say(board["recommendation"]["sentence"], "bold")


def _title(board: dict[str, Any]) -> str:
    spent = f"{short_time(board['spent'])} of {short_time(board['budget'])} CPU time"
    if not board["label"]:
        return f"no label: neighbours that two seeds share, on {board['test_rows']:,} held-out rows; {spent}"
    rows = board["rows_used"]
    return f"{board['label']}: {board['metric']} on {rows['test']:,} test rows, {rows['train']:,} learnt from; {spent}"


def _score(score: dict[str, float] | None) -> Text:
    if score is None:
        return Text(NONE)
    half = number((score["high"] - score["low"]) / 2)
    return Text.assemble(number(score["value"]), (f"\N{PLUS-MINUS SIGN}{half}", "dim"))


def _factor(row: dict[str, Any], size: str) -> str:
    line = next((one for one in row.get("few_labels", []) if one["size"] == size), None)
    return NONE if line is None else factor_text(line["label_factor"])
