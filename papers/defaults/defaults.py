"""What the methods that are tried by default are worth at a user's budget, beside everything that is free."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from runner import Claim, Paper, Row, Rows, Run, markdown, select

from isotropy.batch import take
from isotropy.data import Data
from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.evaluate import PROPAGATION, chosen_rows, propagation_of
from isotropy.evaluation.evidence import both_parts, free, with_parts_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.leaderboard import scored_rows, with_all_labels
from isotropy.evaluation.measured import Measured, measure
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import Resampled, resample
from isotropy.evaluation.task import Task
from isotropy.finetuning.finetune import TUNED, finetune_rows
from isotropy.finetuning.held_out import parts
from isotropy.finetuning.settings import FineTuning
from isotropy.representation import Representation
from isotropy.runs.auto import method_for
from isotropy.runs.defaults import COMPARED, DEFAULT_BUDGET
from isotropy.runs.prepare import default_epochs, prepare
from isotropy.runs.recipe import Recipe

EVALUATORS = ("linear", "knn", "trees", "few_labels", "search")
SIZES = {"classes": (10, 50, 200), "numbers": (50, 200, 1000)}
COLUMNS = ("all", "few", "search")
# A gain is one over the best of what is free, or over our embedding with its encoder untrained.
TRAINING = "_training"
ENDS = ("", TRAINING)
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


@dataclass(frozen=True)
class _Beside:
    """What was measured beside a method: everything free but our encoder, and our embedding with it untrained."""

    free: list[Measured]
    untrained: list[Measured]


@lru_cache(maxsize=1)
def _beside(name: str, folder: Path | None, encoder: str) -> _Beside:
    """Return what was measured of everything that needs no training; the untrained encoder is that of seed 0."""
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
    outside = {title: one for title, one in candidates.items() if title != UNTRAINED}
    forms = {one.name: form for one in found if (form := one.searched_form) is not None}
    spread = measure(PROPAGATION, propagation_of(outside, forms, problem), problem, ("few_labels",))
    return _Beside(
        [*(one for one in found if one.name in outside), *([spread] if spread.scores else [])],
        [one for one in found if one.name not in outside],
    )


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
    tuned = _tuned(trained, made.prepared.rows, ours, embedded[0], name, folder, quick)
    beside = _beside(name, folder, recipe.encoder)
    row = made.row | {"width": ours.scores[0].width, "encoder": recipe.encoder, "embedding": recipe.embedding}
    row |= {"metric": problem.leading} | _facts(data, len(rows[0])) | {"tuned": tuned is not None}
    for end, others in zip(ENDS, (beside.free, beside.untrained), strict=True):
        method = next(
            one for one in scored_rows({ours.name: [ours]}, others, problem.leading) if one["kind"] == "method"
        )
        line = next((one for one in method["few_labels"] if one["size"] == (method["few"] or {}).get("size")), None)
        row["frozen"] = runner.short(method["all"]["value"])
        if tuned is not None:
            method["all"] = _of_tuned(tuned, others, problem.leading)
        for column in COLUMNS:
            row |= _columns(column, method[column], end)
        row[f"label_factor{end}"] = None if line is None else runner.short(line["label_factor"]["value"], ".3g")
    return row


def _tuned(
    trained: Representation, stored: Any, ours: Measured, z: Any, name: str, folder: Path | None, quick: bool
) -> Resampled | None:
    """Return the score of fine-tuning with all labels where held-out training rows prefer it to what is frozen.

    That is the linear probe, by a standard error of the loss, and what reads the frozen embedding `z` of the training
    rows best, by the metric on the same held-out rows.
    """
    data, problem, (train, test) = _problem(name, folder)
    settings = FineTuning(epochs=1) if quick else FineTuning()
    model = finetune_rows(
        trained, stored, np.asarray(data.labels), train, task=cast(Task | None, data.task), settings=settings
    )
    if model.detail["chosen"] != TUNED:
        return None
    pairs = parts(problem.train_y, model.task, settings.validation, settings.folds, few=settings.few(trained.encoder))
    reader = with_all_labels(ours, problem.leading, True)
    assert reader is not None
    read = [_held_out(z, problem, reader[0].evaluator, *pair) for pair in pairs]
    found = model.detail["validation"]
    if np.average(read, weights=[len(out) for _, out in pairs]) >= found[TUNED]["score"]:
        return None
    predicted = model.predictions_stored(take(stored, torch.from_numpy(test)))
    return resample([next(problem.measured(predicted))], seed=problem.seed)[0]


def _held_out(z: Any, problem: Problem, evaluator: str, fit: Any, out: Any) -> float:
    """Return what an evaluator that learns from some training rows scores on others."""
    some = Problem.of(problem.train_y[fit], problem.train_y[out], task=problem.task)
    found = measure("held out", Features(z[fit], z[out]), some, (evaluator,))
    return next(score.value for score in found.scores if score.metric == problem.leading)


def _of_tuned(tuned: Resampled, others: list[Measured], metric: str) -> Any:
    """Return the cell of a fine-tuned network beside the best of others, as `scored_rows` has it."""
    found = {one.name: pair for one in others if (pair := with_all_labels(one, metric, False)) is not None}
    best = max(found, key=lambda one: found[one][0].value)
    return tuned.interval() | {"best": best, "difference": tuned.minus(found[best][1])}


def _facts(data: Data, rows: int) -> Row:
    shape = np.asarray(data.values).shape
    return {"modality": data.modality, "rows": rows, "columns": shape[1], "length": shape[-1]}


def _columns(name: str, cell: Any, end: str) -> Row:
    """Return a score with its interval, and the paired difference to the best of what is beside it, by name + `end`."""
    if cell is None:
        return {name: None}
    short = {name: cell["value"], f"{name}_low": cell["low"], f"{name}_high": cell["high"]}
    gap = cell["difference"] or {"value": None, "low": None, "high": None}
    gain = f"{name}_gain{end}"
    short |= {gain: gap["value"], f"{gain}_low": gap["low"], f"{gain}_high": gap["high"]}
    return {key: runner.short(value) for key, value in short.items()} | {f"{name}_best{end}": cell["best"]}


def _baseline(name: str, which: str, encoder: str, folder: Path | None, quick: bool) -> Row:
    """Return the scores of everything free of a kind: `which` is the beginning of its name."""
    data, problem, rows = _problem(name, folder)
    beside = _beside(name, folder, encoder)
    found = scored_rows({}, [*beside.free, *beside.untrained], problem.leading)
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
    "untrained encoder",
)
ONLY = {"patches": "image", "summary features": "series", "random convolutions": "series", "boosted trees": "table"}


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: set by set, what is free with the first."""
    for half in HALVES:
        for name, modality in sets_of(half):
            for method in COMPARED[modality]:
                recipe = Recipe.default(method, modality).changed({"train.seed": seed})
                settings = f"{recipe.to_toml()}{FineTuning()}"
                yield Run(half, name, method, seed, partial(_one, recipe, name, folder), settings)
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


def sign(rows: Rows, column: str, end: str = "") -> str:
    """Return + where every seed's paired interval of a gain is above 0, - where all are below, else =."""
    gain = f"{column}_gain{end}"
    gaps = [(row.get(f"{gain}_low"), row.get(f"{gain}_high")) for row in rows]
    if any(low is None for low, _ in gaps):
        return ""
    return "+" if all(low > 0 for low, _ in gaps) else "-" if all(high < 0 for _, high in gaps) else "="


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


def first_table(rows: Rows) -> str:
    """Return a line per set of the report half: the method that `auto` takes, the best free, and it untrained."""
    lines = []
    for name, _ in sets_of("report"):
        if (name in GOAL) and (found := _chosen(rows, name)):
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


def _counted(column: str, above: int, ends: tuple[str, ...], least: float = -1.0) -> Any:
    """Return a criterion: the method that is chosen for a set is above what is beside it on so many of the ten sets."""

    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = [chosen for name in GOAL if (chosen := _chosen(rows, name))]
        marks = [{sign(one, column, end) for end in ends} for one in found]
        up, down = sum(mark == {"+"} for mark in marks), sum("-" in mark for mark in marks)
        gaps = [np.mean([row.get(f"{column}_gain{end}") or 0.0 for row in one]) for one in found for end in ends]
        worst = min(gaps, default=0.0)
        lost = down > 0 if least <= -1 else worst < least
        said = f"above on {up}, below on {down} of {len(found)} sets; worst {worst:+.3f}"
        return said, "holds" if up >= above and not lost and len(found) == len(GOAL) else "does not hold"

    return criterion


def _factors(ends: tuple[str, ...]) -> Any:
    def criterion(rows: Rows) -> tuple[str, str] | None:
        found = [chosen for name in GOAL if (chosen := _chosen(rows, name))]
        factors = [
            min(np.mean([row[f"label_factor{end}"] or np.inf for row in one]) for end in ends)
            for one in found
            if "label_factor" in one[0]
        ]
        three, five = (int(np.sum(np.array(factors) >= least)) for least in (3, 5))
        said = f"at least 3 on {three}, at least 5 on {five} of {len(found)}"
        return said, "holds" if three >= 4 and five >= 2 else "does not hold"

    return criterion


def _chosen(rows: Rows, name: str) -> Rows:
    """Return the rows of a set that the method has which `auto` takes for it."""
    found = select(rows, study="report", data=name)
    if not found:
        return []
    facts = found[0]
    return select(found, variant=method_for(facts["modality"]))


PLACE = "goal, on ten sets of the report half"
CLAIMS = [
    claim
    for beside, ends in (("everything free", ENDS[:1]), ("that and our embedding untrained", ENDS))
    for claim in (
        Claim(f"10 labels a class: above {beside} on 7 of 10, below on none", PLACE, "report",
              _counted("few", 7, ends)),
        Claim(f"label factor at 10 a class beside {beside}: at least 3 on 4 sets, at least 5 on 2", PLACE, "report",
              _factors(ends)),
        Claim(f"all labels: above {beside} on 4 of 10, below on none", PLACE, "report", _counted("all", 4, ends)),
        Claim(f"search: above {beside} on 5 of 10, below by more than .01 on none", PLACE, "report",
              _counted("search", 5, ends, -0.01)),
    )
]  # fmt: skip


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
