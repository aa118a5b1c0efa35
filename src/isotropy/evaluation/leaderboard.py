"""The rows of a leaderboard: trained methods and everything free, on the same test rows, with paired differences."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from isotropy.evaluation.conclusion import FEW, label_curve
from isotropy.evaluation.evaluators import ALL_LABELS
from isotropy.evaluation.measured import Measured
from isotropy.evaluation.resampling import Resampled, over_seeds
from isotropy.evaluation.score import SEARCH, Score

Row = dict[str, Any]
Picked = tuple[Score, Resampled]
COLUMNS = ("all", "few", "search")


def scored_rows(methods: Mapping[str, Sequence[Measured]], free: Sequence[Measured], metric: str) -> list[Row]:
    """Return a row for every method and everything free, best with all labels first; what has no such score is last.

    A method's score is the mean over its seeds, and its interval is over test rows, draws and seeds. Its evaluator is
    the one that does best on held-out training rows; what is free is read by what suits it best on the test rows.

    Args:
        methods: name -> what was measured of each seed. free: of everything that needs no training.
        metric: the one that decides.

    Returns:
        Rows with name, kind ("method" or "free"), width, and under "all", "few" and "search" a score or None: value,
        low, high; of a method also validation (the mean on training rows, None where there is none), best (the free row
        with the highest score) and difference to it (value, low, high; paired); "all" with its evaluator, "few" with
        its size. A method has few_labels, a line per size as in `conclusion.conclude`, its factor from the lowest to
        the highest seed.
    """
    size = _shown_size(list(methods.values()), free)
    picks: dict[str, Callable[[Measured, bool], Picked | None]] = {
        "all": lambda one, trained: with_all_labels(one, metric, trained),
        "few": lambda one, trained: _only(one, "few_labels", size),
        "search": lambda one, trained: _only(one, "search", SEARCH),
    }
    rows: list[Row] = [
        {"name": name, "kind": "method", "width": runs[0].scores[0].width} for name, runs in methods.items()
    ] + [{"name": one.name, "kind": "free", "width": one.scores[0].width} for one in free]
    for column, pick in picks.items():
        others = {one.name: found for one in free if (found := pick(one, False)) is not None}
        best = max(others, key=lambda name: others[name][0].value, default=None)
        for row in rows:
            if row["kind"] == "free":
                row[column] = _cell([others[row["name"]]], column) if row["name"] in others else None
                continue
            runs = [found for one in methods[row["name"]] if (found := pick(one, True)) is not None]
            row[column] = _cell(runs, column) if runs else None
            if runs:
                beside = None if best is None else over_seeds([own.less(others[best][1]) for _, own in runs])
                row[column] |= {"validation": _validation(runs), "best": best, "difference": beside}
    for row in rows:
        if row["kind"] == "method":
            row["few_labels"] = _curve(methods[row["name"]], free, metric)
    return sorted(rows, key=lambda row: np.inf if row["all"] is None else -row["all"]["value"])


def with_all_labels(one: Measured, metric: str, trained: bool) -> Picked | None:
    """Return the score with all labels and its resamples: what was trained by the reader that training rows choose."""
    found = [pair for pair in _pairs(one) if pair[0].evaluator in ALL_LABELS and pair[0].metric == metric]
    if trained and found:
        return max(found, key=lambda pair: -np.inf if pair[0].validation is None else pair[0].validation)
    return max(found, key=lambda pair: pair[0].value, default=None)


def _only(one: Measured, evaluator: str, wanted: str | None) -> Picked | None:
    found = (pair for pair in _pairs(one) if pair[0].evaluator == evaluator)
    return next((pair for pair in found if wanted in (pair[0].metric, pair[0].detail.get("size"))), None)


def _pairs(one: Measured) -> list[Picked]:
    return list(zip(one.scores, one.samples, strict=True))


def _shown_size(methods: Sequence[Sequence[Measured]], free: Sequence[Measured]) -> str | None:
    """Return ten labels a class, or where that was not measured, the size in the middle of the curve."""
    every = [one for runs in methods for one in runs] + list(free)
    labels = {s.detail["size"]: s.labels for one in every for s in one.scores if s.evaluator == "few_labels"}
    if not labels:
        return None
    sizes = sorted(labels, key=lambda size: labels[size])
    return FEW if FEW in labels else sizes[len(sizes) // 2]


def _cell(runs: Sequence[Picked], column: str) -> Row:
    cell: Row = over_seeds([sample for _, sample in runs])
    score = runs[0][0]
    if column == "all":
        cell["evaluator"] = score.evaluator
    if column == "few":
        cell["size"] = score.detail["size"]
    return cell


def _validation(runs: Sequence[Picked]) -> float | None:
    found = [score.validation for score, _ in runs]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if len(known) == len(found) else None


def _curve(runs: Sequence[Measured], free: Sequence[Measured], metric: str) -> list[Row]:
    beside = [pair for one in free for pair in _pairs(one)]
    curves = [label_curve([*_pairs(one), *beside], one.name, metric) for one in runs]
    lines = []
    for same in zip(*curves, strict=True):
        line = same[0]
        if len(same) > 1:
            best = next(_only(one, "few_labels", line["size"]) for one in free if one.name == line["best"])
            own = [_only(one, "few_labels", line["size"]) for one in runs]
            assert best is not None
            gaps = [pair[1].less(best[1]) for pair in own if pair is not None]
            line |= {
                "ours": float(np.mean([one["ours"] for one in same])),
                "difference": over_seeds(gaps),
                "label_factor": _factor([one["label_factor"] for one in same]),
            }
        lines.append(line)
    return lines


def _factor(seeds: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """Return the geometric mean of the factors, and their extremes; None where a seed's is not reached."""
    found: dict[str, float | None] = {"measured_to": seeds[0]["measured_to"]}
    for name, over in (("value", np.mean), ("low", np.min), ("high", np.max)):
        values = [seed[name] for seed in seeds]
        known = [value for value in values if value is not None]
        if name == "low":
            found[name] = float(min(known)) if known else None
        else:
            found[name] = float(np.exp(over(np.log(known)))) if len(known) == len(values) and min(known) > 0 else None
    return found
