"""What to do, from the rows of a leaderboard: train which method, for which number of labels, or do not train.

And what to take once a run is trained, by the same rule: ahead means that the whole paired interval is above 0, and
with few labels at two neighbouring sizes at least.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from isotropy.evaluation.beside import best_free, outcome
from isotropy.evaluation.conclusion import FEW
from isotropy.evaluation.score import SEARCH, evaluator_title, guessed, number, with_interval
from isotropy.runs.compare import unlabelled

Row = dict[str, Any]


def recommend(rows: Sequence[Row], *, label: str, guess: float | None = None) -> dict[str, Any]:
    """Return one recommendation from paired differences, as a function of leaderboard rows alone.

    For each use (all labels, few labels, search) one method is chosen by its scores on training rows and compared with
    the best of what needs no training on the test rows: what is free, and encoders as they were drawn. It is ahead
    where the whole paired interval is above 0.

    Args:
        rows: as `evaluation.leaderboard.scored_rows` gives them, or with name and kind alone where there is no label.
        label: what the label is called; empty where there is none. guess: what guessing scores with all labels.

    Returns:
        outcome: "train", "train for few labels", "train for search", "do not train", or "no label"; method: the one to
        train, None for none; use: what is free and best for the rest, None where there is none or nothing is measurably
        better than guessing; sentence.

    Example:
        >>> ours = {"value": 0.8, "validation": 0.8, "best": "PCA (2)"}
        >>> ours |= {"difference": {"value": -0.1, "low": -0.2, "high": 0.0}}
        >>> rows = [{"name": "lfr", "kind": "method", "all": ours, "few": None, "search": None, "few_labels": []},
        ...         {"name": "PCA (2)", "kind": "free", "all": {"value": 0.9, "evaluator": "knn"}}]
        >>> found = recommend(rows, label="kind")
        >>> found["outcome"], found["use"]
        ('do not train', 'PCA (2)')
    """
    methods = [row for row in rows if row["kind"] == "method"]
    scored = [row for row in methods if row.get("all") or row.get("few_labels")]
    if not label:
        return _found("no label", None, None, _unlabelled(methods))
    free = {row["name"]: row for row in rows if row["kind"] == "free"}
    if not scored:
        return _nothing_trained(free, label)
    all_, how = _chosen(scored, "all", "all")
    few, _ = _chosen(scored, "few", "search")
    searching, _ = _chosen([row for row in scored if row.get("search")], "search", "search")
    span = _ahead(few["few_labels"])
    use = all_["all"]["best"] if all_.get("all") else None
    instead = _instead(all_, free)
    chosen = f" Of {len(scored)} methods it was chosen on {how}; scores are of test rows." if len(scored) > 1 else ""
    if all_.get("all") and _is_ahead(all_["all"]):
        said = f"Train {all_['name']}: with all labels it reaches {_beside(all_, 'all', free)}."
        more = _few_too(all_) + _search_too(all_)
        return _found("train", all_["name"], use, said + more + chosen)
    if span:
        said = f"Train {few['name']} if you have {_range(span)}: {_at(span, few)}.{instead}"
        return _found("train for few labels", few["name"], use, said + _search_too(few) + chosen)
    if searching is not None and _is_ahead(searching["search"]):
        said = f"Train {searching['name']} for search alone: precision at 10 is {_beside(searching, 'search', free)}."
        return _found("train for search", searching["name"], use, said + instead + chosen)
    read = [row["all"] for row in (*scored, *free.values()) if row.get("all")]
    if _as_by_guessing(read, guess):
        said = f"Nothing here reads {label} measurably better than guessing ({number(guess or 0)}), trained or free: "
        return _found("do not train", None, None, f"{said}it takes more labelled rows, or other columns.")
    said = f"Do not train an encoder for {label}.{instead}{_few_instead(few, use, free)}"
    best = f" Of {len(scored)} methods {all_['name']} was chosen on {how}." if len(scored) > 1 else ""
    return _found("do not train", None, use or (few["few"] or {}).get("best"), said + best)


class Taken(NamedTuple):
    """What to take for a use of a label, as "with all labels": what is free by its name, or the embedding (None).

    `ahead` is whether the embedding is measurably better than the best that is free.
    """

    use: str
    free: str | None
    ahead: bool


def to_take(found: dict[str, Any]) -> list[Taken]:
    """Return what to take for each use of a label that was probed: the embedding where it is ahead, else what is free.

    In search it is the embedding also where no difference is measurable, since `isotropy search` has it and what is
    free would have to be made. Where nothing is read better than by guessing, nothing is to be taken.

    Args:
        found: the comparison of the label, in format 3.

    Example:
        >>> level = {"value": 0.0, "low": -0.1, "high": 0.1}
        >>> free = {"representation": "PCA", "value": 0.9, "low": 0.8, "high": 0.95, "difference": level}
        >>> to_take({"ranking": [free], "few_labels": [], "scores": [], "metric": "accuracy", "majority": 0.5})
        [Taken(use='with all labels', free='PCA', ahead=False)]
    """
    if _as_by_guessing(found["ranking"], guessed(found).get(found["metric"])):
        return []
    taken = []
    if best := best_free(line for line in found["ranking"] if line["difference"]):
        ahead = outcome(best["difference"]) == "beats"
        taken.append(Taken("with all labels", None if ahead else best["representation"], ahead))
    if span := _ahead(found["few_labels"]):
        taken.append(Taken(f"with {_range(span)}", None, True))
    elif few := found["few_labels"]:
        line = next((one for one in few if one["size"] == FEW), few[len(few) // 2])
        taken.append(Taken(f"with {_labels(line['size'])}", line["best"], False))
    searched = (one for one in found.get("scores", ()) if one["evaluator"] == "search" and one["metric"] == SEARCH)
    if best := best_free(one for one in searched if one["difference"]):
        said = outcome(best["difference"])
        taken.append(Taken("in search", best["representation"] if said == "loses" else None, said == "beats"))
    return taken


def advice(found: dict[str, Any]) -> str:
    """Return what to take for a label that was probed, as a clause; empty where nothing was measured beside it.

    Example:
        >>> behind = {"value": -0.2, "low": -0.3, "high": -0.1}
        >>> free = {"representation": "boosted trees", "value": 0.9, "low": 0.8, "high": 0.95, "difference": behind}
        >>> search = {"evaluator": "search", "metric": "precision at 10", "representation": "PCA", "value": 0.7}
        >>> advice({"label": "kind", "ranking": [free], "few_labels": [], "metric": "accuracy", "majority": 0.5,
        ...         "scores": [search | {"difference": {"value": 0.1, "low": 0.05, "high": 0.2}}]})
        'for kind take boosted trees on the raw columns with all labels, the embedding in search'
    """
    taken: dict[str, list[str]] = {}
    for use, free, _ in to_take(found):
        taken.setdefault("the embedding" if free is None else named(free), []).append(use)
    if _as_by_guessing(found["ranking"], guessed(found).get(found["metric"])):
        return (
            f"nothing here reads {found['label']} measurably better than guessing: it takes more labelled rows, or "
            "other columns"
        )
    said = ", ".join(f"{what} {' and '.join(uses)}" for what, uses in taken.items())
    return f"for {found['label']} take {said}" if said else ""


def _as_by_guessing(cells: Sequence[Row], guess: float | None) -> bool:
    """Return whether nothing that was measured with all labels is above guessing with its whole interval."""
    return guess is not None and bool(cells) and all(cell["low"] <= guess for cell in cells)


def _unlabelled(methods: Sequence[Row]) -> str:
    said = f"{unlabelled({row['name'] for row in methods})} With a label: isotropy compare PATH --label NAME."
    if any(row.get("stability") for row in methods):
        said += " The overlap of neighbours says how far two seeds agree, and nothing of how good they are."
    return said


def _found(outcome: str, method: str | None, use: str | None, sentence: str) -> dict[str, Any]:
    return {"outcome": outcome, "method": method, "use": use, "sentence": sentence}


def _nothing_trained(free: dict[str, Row], label: str) -> dict[str, Any]:
    best = max((row for row in free.values() if row.get("all")), key=lambda row: float(row["all"]["value"]))
    said = f"Do not train an encoder for {label}: every run diverged. With all labels use {named(best['name'])}: "
    return _found("do not train", None, best["name"], f"{said}{number(best['all']['value'])}.")


def _chosen(rows: Sequence[Row], column: str, by: str) -> tuple[Any, str]:
    """Return the row that does best on training rows, and on which rows it was chosen."""
    known = [row for row in rows if row.get(by) and row[by]["validation"] is not None]
    if rows and len(known) == len(rows):
        return max(known, key=lambda row: float(row[by]["validation"])), "training rows"
    if by != "all" and column != by:
        return _chosen(rows, "all", "all")
    there = [row for row in rows if row.get(column)] or list(rows)
    found = max(there, key=lambda row: float(row[column]["value"]) if row.get(column) else 0.0, default=None)
    return found, "the test rows, which favours it"


def _is_ahead(cell: Row | None) -> bool:
    return bool(cell and cell["difference"] and outcome(cell["difference"]) == "beats")


def _ahead(lines: Sequence[Row]) -> list[Row]:
    """Return the longest stretch of sizes at which the method is ahead of all that needs no training.

    One size alone among several is none: among eight intervals one lies above 0 by chance too often.
    """
    best: list[Row] = []
    run: list[Row] = []
    for line in lines:
        run = [*run, line] if outcome(line["difference"]) == "beats" else []
        best = run if len(run) > len(best) else best
    return best if len(best) > 1 or len(lines) <= 2 else []


def _range(span: Sequence[Row]) -> str:
    first, last = span[0]["size"], _labels(span[-1]["size"])
    return last if len(span) == 1 else f"{first.removesuffix(' a class')} to {last}"


def _labels(size: str) -> str:
    """Return a size as a sentence says it: "10 labels a class", "10 % of the labels"."""
    return f"{size} of the labels" if size.endswith("%") else size.replace(" a class", " labels a class")


def _at(span: Sequence[Row], row: Row) -> str:
    line = next((one for one in span if row.get("few") and one["size"] == row["few"]["size"]), span[len(span) // 2])
    theirs = f"{named(line['best'])} {number(line['value'])}"
    return f"with {_labels(line['size'])} it reaches {number(line['ours'])}, {theirs}{_worth(line)}"


def _worth(line: Row) -> str:
    factor = line["label_factor"]
    if factor["value"] is None:
        most = factor["measured_to"]
        return f" (worth more than {most:.2g} times as many labels)" if most > 1 else ""
    return f" (worth {factor['value']:.2g} times as many labels)"


def _beside(row: Row, column: str, free: dict[str, Row]) -> str:
    cell = row[column]
    theirs = number(free[cell["best"]][column]["value"])
    return f"{number(cell['value'])}, {named(cell['best'])} {theirs} ({with_interval(cell['difference'])})"


def _few_too(row: Row) -> str:
    span = _ahead(row["few_labels"])
    if not span:
        return " With few labels it is not measurably ahead." if row["few_labels"] else ""
    return f" It is ahead with {_range(span)} too: {_at(span, row)}."


def _search_too(row: Row) -> str:
    return (
        f" In search too: precision at 10 is {with_interval(row['search']['difference'])} above."
        if _is_ahead(row.get("search"))
        else ""
    )


def _instead(row: Row, free: dict[str, Row]) -> str:
    """Say what to use with all labels, and how far the chosen method is from it."""
    cell = row.get("all")
    if not cell or not cell["best"]:
        return ""
    best = free[cell["best"]]["all"]
    reader = best.get("evaluator", "")
    how = "" if reader in ("", "trees") else f" ({evaluator_title(reader)})"
    return (
        f" With all labels use {named(cell['best'])}{how}: {number(best['value'])}; {row['name']} reaches "
        f"{number(cell['value'])} and {_not_ahead(cell)} ({with_interval(cell['difference'])})."
    )


def _not_ahead(cell: Row) -> str:
    return "is behind" if outcome(cell["difference"]) == "loses" else "is not measurably ahead"


def _few_instead(row: Row, use: str | None, free: dict[str, Row]) -> str:
    cell = row.get("few")
    if not cell or not cell["best"] or cell["best"] == use:
        return ""
    theirs = number(free[cell["best"]]["few"]["value"])
    ours = f"{row['name']} reaches {number(cell['value'])} and {_not_ahead(cell)}"
    return f" With {_labels(cell['size'])} use {named(cell['best'])}: {theirs}; {ours}."


def named(free: str) -> str:
    """Return what is free as a sentence says it.

    Example:
        >>> named("boosted trees"), named("untrained encoder"), named("PCA (64)")
        ('boosted trees on the raw columns', 'the untrained encoder', 'PCA (64)')
    """
    if free == "boosted trees":
        return "boosted trees on the raw columns"
    return f"the {free}" if free.startswith("untrained encoder") else free
