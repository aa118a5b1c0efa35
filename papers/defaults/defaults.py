"""What the methods that are tried by default are worth at a user's budget, beside everything that is free."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from runner import Claim, Paper, Row, Rows, Run, markdown, select

from isotropy.data import Data
from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.evaluate import PROPAGATION, chosen_rows, propagation_of
from isotropy.evaluation.evidence import both_parts, free, with_parts_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.leaderboard import scored_rows
from isotropy.evaluation.measured import Measured, measure
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.task import Task
from isotropy.runs.auto import method_for
from isotropy.runs.defaults import COMPARED, DEFAULT_BUDGET
from isotropy.runs.prepare import default_epochs, prepare
from isotropy.runs.recipe import Recipe

EVALUATORS = ("linear", "knn", "trees", "few_labels", "search")
SIZES = {"classes": (10, 50, 200), "numbers": (50, 200, 1000)}
COLUMNS = ("all", "few", "search")
# One half of the sets is for choosing encoders, methods and rules on; the other is reported once they are chosen.
HALVES: dict[str, dict[str, tuple[str, ...]]] = {
    "choose": {
        "table": ("adult", "california_housing", "phoneme", "wine_quality/colour"),
        "series": ("har",),
        "image": ("cifar10", "fashion"),
    },
    "report": {
        "table": ("dry_bean", "gesture_phase", "abalone", "german_credit", "wine_quality/quality"),
        "series": ("epilepsy",),
        "image": ("tiny_imagenet", "digits"),
    },
}


# The ten sets of the report half on which the goals are counted.
GOAL = (
    *HALVES["report"]["table"], "epilepsy", "ucr/CricketX", "ucr/RefrigerationDevices", *HALVES["report"]["image"],
)  # fmt: skip


def ucr(half: str) -> list[str]:
    """Return the UCR sets of a half: every other one of their sorted names, the first of which is for choosing."""
    return [f"ucr/{name}" for name in sets.UCR[0 if half == "choose" else 1 :: 2]]


def sets_of(half: str) -> Iterator[tuple[str, str]]:
    """Yield name and modality of the sets of a half."""
    for modality, names in HALVES[half].items():
        for name in (*names, *(ucr(half) if modality == "series" else ())):
            yield name, modality


@lru_cache(maxsize=1)
def _problem(name: str, folder: Path | None) -> tuple[Data, Problem, list[Any]]:
    """Return a set, its label as a problem, and the training and test rows that are probed."""
    data = sets.whole(name, folder)
    parts, labels = [data.part("train"), data.part("test")], np.asarray(data.labels)
    chosen = chosen_rows(*(labels[part] for part in parts), task=cast(Task | None, data.task))
    rows = [part[some] for part, some in zip(parts, chosen, strict=True)]
    problem = Problem.of(*(labels[part] for part in rows), task=cast(Task | None, data.task))
    return data, replace(problem, sizes=SIZES[problem.task]), rows


@lru_cache(maxsize=1)
def _free(name: str, folder: Path | None, encoder: str) -> list[Measured]:
    """Return what was measured of everything that needs no training, the untrained encoder of seed 0 among it."""
    data, problem, rows = _problem(name, folder)
    prepared = prepare(Recipe.default(COMPARED[data.modality][0], data.modality).changed({"encoder": encoder}), data)
    parts = with_parts_of(prepared.recipe.embedding, data.modality)
    initial = prepared.representation()
    own = {UNTRAINED: initial.embedding.parts}
    candidates = {
        title: Features(*one, parts=own.get(title)) if isinstance(one, tuple) else one
        for title, one in free(initial, prepared.rows, *rows, parts).items()
    }
    found = [measure(title, one, problem, EVALUATORS) for title, one in candidates.items()]
    forms = {one.name: form for one in found if (form := one.searched_form) is not None}
    spread = measure(PROPAGATION, propagation_of(candidates, forms, problem), problem, ("few_labels",))
    return [*found, spread] if spread.scores else found


def _one(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train one method at its default length, at most for the default budget, and measure it beside what is free."""
    data, problem, rows = _problem(name, folder)
    epochs = default_epochs(recipe, len(data.part("train")))
    if not quick:
        epochs = min(epochs, runner.epochs_within(recipe, data, DEFAULT_BUDGET))
    made = runner.train_once(recipe.changed({"train.epochs": epochs}), data, quick=quick)
    trained = made.prepared.representation()
    embedded = both_parts(trained.embed_stored, made.prepared.rows, *rows)
    ours = measure(recipe.method, Features(*embedded, parts=trained.embedding.parts), problem, EVALUATORS)
    beside = _free(name, folder, recipe.encoder)
    mine = scored_rows({recipe.method: [ours]}, beside, problem.leading)
    method = next(row for row in mine if row["kind"] == "method")
    row = (
        made.row
        | {
            "width": ours.scores[0].width,
            "encoder": recipe.encoder,
            "embedding": recipe.embedding,
            "metric": problem.leading,
        }
        | _facts(data, len(rows[0]))
    )
    for column in COLUMNS:
        row |= _columns(column, method[column])
    row |= {"untrained_" + key: value for key, value in _untrained(mine).items()}
    line = next((one for one in method["few_labels"] if one["size"] == (method["few"] or {}).get("size")), None)
    return row | {"label_factor": None if line is None else runner.short(line["label_factor"]["value"], ".3g")}


def _facts(data: Data, rows: int) -> Row:
    shape = np.asarray(data.values).shape
    return {"modality": data.modality, "rows": rows, "columns": shape[1], "length": shape[-1]}


def _columns(name: str, cell: Any) -> Row:
    """Return a score with its interval, the best of what is free, and the paired difference to it."""
    if cell is None:
        return {name: None}
    short = {name: cell["value"], f"{name}_low": cell["low"], f"{name}_high": cell["high"]}
    gap = cell["difference"] or {"value": None, "low": None, "high": None}
    short |= {f"{name}_gain": gap["value"], f"{name}_gain_low": gap["low"], f"{name}_gain_high": gap["high"]}
    return {key: runner.short(value) for key, value in short.items()} | {f"{name}_best": cell["best"]}


def _untrained(mine: list[Any]) -> Row:
    found = next(row for row in mine if row["name"].startswith("untrained"))
    return {column: runner.short(found[column]["value"]) for column in COLUMNS if found[column]}


def _baseline(name: str, which: str, encoder: str, folder: Path | None, quick: bool) -> Row:
    """Return the scores of everything free of a kind: `which` is the beginning of its name."""
    data, problem, rows = _problem(name, folder)
    found = scored_rows({}, _free(name, folder, encoder), problem.leading)
    row = next((one for one in found if one["name"].startswith(which)), None)
    facts = {"metric": problem.leading} | _facts(data, len(rows[0]))
    if row is None:
        return facts
    return facts | {
        key: runner.short(row[column][end])
        for column in COLUMNS
        if row[column]
        for key, end in ((column, "value"), (f"{column}_low", "low"), (f"{column}_high", "high"))
    }


FREE = (
    "raw features",
    "PCA",
    "summary features",
    "random convolutions",
    "boosted trees",
    "patches",
    "label propagation",
)
ONLY = {"patches": "image", "summary features": "series", "random convolutions": "series", "boosted trees": "table"}


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: set by set, what is free with the first."""
    for half in HALVES:
        for name, modality in sets_of(half):
            for method in COMPARED[modality]:
                recipe = Recipe.default(method, modality).changed({"train.seed": seed})
                yield Run(half, name, method, seed, partial(_one, recipe, name, folder), recipe.to_toml())
            if seed == 0:
                encoder = Recipe.default(COMPARED[modality][0], modality).encoder
                for which in FREE:
                    if ONLY.get(which, modality) == modality:
                        yield Run(f"free, {half}", name, which, 0, partial(_baseline, name, which, encoder, folder))


# Pages


def rows_of(rows: Rows, half: str) -> dict[tuple[str, str], Rows]:
    """Return the rows of a half by set and method, all seeds of each."""
    found: dict[tuple[str, str], Rows] = {}
    for row in select(rows, study=half):
        found.setdefault((row["data"], row["variant"]), []).append(row)
    return found


def sign(rows: Rows, column: str) -> str:
    """Return + where every seed's paired interval against the best free is above 0, - where all are below, else =."""
    gaps = [(row.get(f"{column}_gain_low"), row.get(f"{column}_gain_high")) for row in rows]
    if any(low is None for low, _ in gaps):
        return ""
    return "+" if all(low > 0 for low, _ in gaps) else "-" if all(high < 0 for _, high in gaps) else "="


def _cell(rows: Rows, column: str) -> str:
    known = [row for row in rows if row.get(column) is not None]
    if not known:
        return ""
    score, gain = (np.mean([row[name] for row in known]) for name in (column, f"{column}_gain"))
    low, high = (np.mean([row[f"{column}_gain_{end}"] for row in known]) for end in ("low", "high"))
    best = "/".join(dict.fromkeys(row[f"{column}_best"].replace(" features", "") for row in known))
    return f"{score:.3f} {sign(known, column)} ({gain:+.3f} [{low:+.3f}, {high:+.3f}], {best})"


def _worth(rows: Rows) -> str:
    """Return with how many times as many labels the best free baseline reaches the score at 10 a class."""
    known = [row for row in rows if row.get("few") is not None]
    if not known:
        return ""
    factors = [row["label_factor"] for row in known]
    if None in factors:
        return "never reached"
    return f"{np.exp(np.mean(np.log(np.maximum(factors, 1e-3)))):.1f}"


def table(rows: Rows, half: str, modality: str) -> str:
    """Return methods by set: all labels, ten a class, search; each with its paired difference to the best free."""
    lines = []
    for (name, method), found in rows_of(rows, half).items():
        if found[0]["modality"] == modality:
            cells = [_cell(found, column) for column in COLUMNS]
            lines.append([name, f"`{method}`", str(len(found)), f"{found[0]['epochs']:g}", *cells, _worth(found)])
    heads = ["data", "method", "seeds", "epochs", "all labels", "10 a class (50 rows)", "search", "label factor"]
    return markdown(heads, sorted(lines))


def first_table(rows: Rows) -> str:
    """Return a line per set of the report half: the method that `auto` takes beside the best of what is free."""
    lines = []
    for name, _ in sets_of("report"):
        if (name in GOAL) and (found := _chosen(rows, name)):
            cells = [cell for column in COLUMNS for cell in _beside(found, column)]
            lines.append([name.removeprefix("ucr/"), *cells, _worth(found)])
    heads = [
        "data",
        "all labels",
        "best free",
        "10 a class",
        "best free",
        "search",
        "best free",
        "worth as many labels",
    ]
    return markdown(heads, lines)


def _beside(rows: Rows, column: str) -> tuple[str, str]:
    known = [row for row in rows if row.get(column) is not None]
    if not known:
        return "", ""
    score, gain = (float(np.mean([row[name] for row in known])) for name in (column, f"{column}_gain"))
    ours, free = (f"{value:.3f}".replace("0.", ".", 1) for value in (score, score - gain))
    return f"{ours} {sign(known, column)}", f"{free} {known[0][f'{column}_best']}"


def _counted(column: str, above: int, least: float = -1.0) -> Any:
    """Return a criterion: the method that is chosen for a set is above everything free on so many of the ten sets."""

    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = [chosen for name in GOAL if (chosen := _chosen(rows, name))]
        marks = [sign(one, column) for one in found]
        worst = min((np.mean([row.get(f"{column}_gain") or 0.0 for row in one]) for one in found), default=0.0)
        lost = "-" in marks if least <= -1 else worst < least
        said = f"above on {marks.count('+')}, below on {marks.count('-')} of {len(found)} sets; worst {worst:+.3f}"
        return said, "holds" if marks.count("+") >= above and not lost and len(found) == len(GOAL) else "does not hold"

    return criterion


def _factors(rows: Rows) -> tuple[str, str] | None:
    found = [chosen for name in GOAL if (chosen := _chosen(rows, name))]
    factors = [np.mean([row["label_factor"] or np.inf for row in one]) for one in found if "label_factor" in one[0]]
    three, five = (int(np.sum(np.array(factors) >= least)) for least in (3, 5))
    return f"at least 3 on {three}, at least 5 on {five} of {len(found)}", "holds" if three >= 4 and five >= 2 else (
        "does not hold"
    )


def _chosen(rows: Rows, name: str) -> Rows:
    """Return the rows of a set that the method has which `auto` takes for it."""
    found = select(rows, study="report", data=name)
    if not found:
        return []
    facts = found[0]
    return select(found, variant=method_for(facts["modality"]))


PLACE = "goal, on ten sets of the report half"
CLAIMS = [
    Claim("10 labels a class: above everything free on 7 of 10, below on none", PLACE, "report", _counted("few", 7)),
    Claim("label factor at 10 a class at least 3 on 4 sets, at least 5 on 2", PLACE, "report", _factors),
    Claim("all labels: above everything free on 4 of 10, below on none", PLACE, "report", _counted("all", 4)),
    Claim("search: above on 5 of 10, below by more than .01 on none", PLACE, "report", _counted("search", 5, -0.01)),
]


def tables(rows: Rows) -> list[str]:
    """Return the tables of both halves by modality, each under its title."""
    titles = {"choose": "Half to choose on", "report": "Half to report"}
    return [
        f"**{title}: {modality}**\n\n{table(rows, half, modality)}"
        for half, title in titles.items()
        for modality in ("table", "series", "image")
    ]


PAPER = Paper(__file__, __doc__, runs, CLAIMS, [], seeds=1, back=tables)

if __name__ == "__main__":
    PAPER.main()
