"""The tables: methods by set, and the table of the README, each beside what is free and beside itself untrained."""

import numpy as np
from pages import markdown
from rows import Rows, select

from defaults.criteria import chosen, sign
from defaults.halves import GOAL, sets_of
from defaults.measured import COLUMNS, ENDS, TRAINING


def rows_of(rows: Rows, half: str) -> dict[tuple[str, str], Rows]:
    """Return the rows of a half by set and method, all seeds of each."""
    found: dict[tuple[str, str], Rows] = {}
    for row in select(rows, study=half):
        found.setdefault((row["data"], row["variant"]), []).append(row)
    return found


def _gain(rows: Rows, column: str, end: str = "") -> str:
    value, low, high = (
        float(np.mean([row[f"{column}_gain{end}{bound}"] for row in rows])) for bound in ("", "_low", "_high")
    )
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _cell(rows: Rows, column: str) -> str:
    known = [row for row in rows if row.get(column) is not None]
    if not known:
        return ""
    score = float(np.mean([row[column] for row in known]))
    best = "/".join(dict.fromkeys(row[f"{column}_best"].replace(" features", "") for row in known))
    tuned = " tuned" if column == "all" and all(row["tuned"] for row in known) else ""
    beside = f"{sign(known, column)} ({_gain(known, column)}, {best})"
    return f"{score:.3f}{tuned} {beside} {sign(known, column, TRAINING)} ({_gain(known, column, TRAINING)})"


def _worth(rows: Rows, end: str = "") -> str:
    """Return with how many times as many labels the best free baseline reaches the score at 10 a class."""
    known = [row for row in rows if row.get("few") is not None]
    if not known:
        return ""
    factors = [row[f"label_factor{end}"] for row in known]
    if None in factors:
        return "never reached"
    return f"{np.exp(np.mean(np.log(np.maximum(factors, 1e-3)))):.1f}"


def table(rows: Rows, half: str, modality: str) -> str:
    """Return methods by set: all labels, ten a class, search; each beside the best free, and untrained."""
    lines = []
    for (name, method), found in rows_of(rows, half).items():
        if found[0]["modality"] == modality:
            cells = [_cell(found, column) for column in COLUMNS]
            lines.append([name, f"`{method}`", str(len(found)), f"{found[0]['epochs']:g}", *cells, _worth(found)])
    heads = ["data", "method", "seeds", "epochs", "all labels", "10 a class (50 rows)", "search", "label factor"]
    return markdown(heads, sorted(lines))


def every_method(rows: Rows) -> str:
    """Return a line per method and set: all labels, ten a class and search, each beside the best that is free."""
    lines = []
    for (name, method), found in rows_of(rows, "every method").items():
        cells = [_beside_free(found, column) for column in COLUMNS]
        lines.append([name, f"`{method}`", str(len(found)), f"{found[0]['epochs']:g}", *cells, _worth(found)])
    best = {row["data"]: [row[f"{column}_best"] for column in COLUMNS] for row in select(rows, study="every method")}
    free = [f"{name}: {', '.join(dict.fromkeys(names))}" for name, names in best.items()]
    heads = ["data", "method", "seeds", "epochs", "all labels", "10 a class", "search", "label factor"]
    said = f"The best that is free, with all labels, ten a class and in search: {'; '.join(free)}."
    return f"{said}\n\n{markdown(heads, sorted(lines))}"


def _beside_free(rows: Rows, column: str) -> str:
    return f"{float(np.mean([row[column] for row in rows])):.3f} {sign(rows, column)} ({_gain(rows, column)})"


def first_table(rows: Rows) -> str:
    """Return a line per set of the report half: the method that `auto` takes, the best free, and it untrained."""
    lines = []
    for name, _ in sets_of("report"):
        if (name in GOAL) and (found := chosen(rows, name)):
            cells = [cell for column in COLUMNS for cell in _shown_beside(found, column)]
            lines.append([name.removeprefix("ucr/"), *cells, _worth(found)])
    heads = [head for title in ("all labels", "10 a class", "search") for head in (title, "best free", "untrained")]
    return markdown(["data", *heads, "worth as many labels"], lines)


def _shown_beside(rows: Rows, column: str) -> tuple[str, str, str]:
    known = [row for row in rows if row.get(column) is not None]
    if not known:
        return "", "", ""
    means = [
        float(np.mean([row[name] for row in known])) for name in (column, *(f"{column}_gain{end}" for end in ENDS))
    ]
    ours, free, untrained = (
        f"{value:.3f}".replace("0.", ".", 1) for value in (means[0], means[0] - means[1], means[0] - means[2])
    )
    if column == "all" and all(row["tuned"] for row in known):
        ours += " tuned"
    marks = [sign(known, column, end) for end in ENDS]
    return ours, f"{marks[0]} {free} {known[0][f'{column}_best']}", f"{marks[1]} {untrained}"


def tables(rows: Rows) -> list[str]:
    """Return the tables of both halves by modality, each under its title."""
    titles = {"choose": "Half to choose on", "report": "Half to report"}
    return [
        f"**{title}: {modality}**\n\n{table(rows, half, modality)}"
        for half, title in titles.items()
        for modality in ("table", "series", "image")
    ]
