"""What is measured of a method, and of everything that is free beside it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import data_sets as sets
import numpy as np
import torch
from rows import Row, short
from train import epochs_within, train_once

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
from isotropy.finetuning.finetune import finetune_rows
from isotropy.finetuning.held_out import parts
from isotropy.finetuning.settings import FineTuning
from isotropy.representation import Representation
from isotropy.runs.defaults import COMPARED, DEFAULT_BUDGET
from isotropy.runs.prepare import default_epochs, prepare
from isotropy.runs.recipe import Recipe

EVALUATORS = ("linear", "knn", "trees", "few_labels", "search")
SIZES = {"classes": (10, 50, 200), "numbers": (50, 200, 1000)}
COLUMNS = ("all", "few", "search")
# A gain is one over the best of what is free, or over our embedding with its encoder untrained.
TRAINING = "_training"
ENDS = ("", TRAINING)


@lru_cache(maxsize=1)
def problem_of(name: str, folder: Path | None) -> tuple[Data, Problem, list[Any]]:
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
    data, problem, rows = problem_of(name, folder)
    prepared = prepare(Recipe.default(COMPARED[data.modality][0], data.modality).changed({"encoder": encoder}), data)
    parts = with_parts_of(prepared.recipe.embedding, data.modality)
    initial = prepared.representation()
    own = {UNTRAINED: initial.embedding.parts}
    candidates = {
        title: Features(*one, parts=own.get(title)) if isinstance(one, tuple) else one
        for title, one in free(initial, prepared.rows, rows[0], rows[1], parts).items()
    }
    found = [measure(title, one, problem, EVALUATORS) for title, one in candidates.items()]
    outside = {title: one for title, one in candidates.items() if title != UNTRAINED}
    forms = {one.name: form for one in found if (form := one.searched_form) is not None}
    spread = measure(PROPAGATION, propagation_of(outside, forms, problem), problem, ("few_labels",))
    return _Beside(
        [*(one for one in found if one.name in outside), *([spread] if spread.scores else [])],
        [one for one in found if one.name not in outside],
    )


def one(
    recipe: Recipe, name: str, folder: Path | None, quick: bool, *, seconds: float = DEFAULT_BUDGET, tune: bool = True
) -> Row:
    """Train one method at its default length, at most for a budget, and measure it beside what is free.

    Args:
        seconds: the budget, of CPU time. tune: fine-tune, too.
    """
    data, problem, rows = problem_of(name, folder)
    epochs = default_epochs(recipe, len(data.part("train")))
    if not quick:
        epochs = min(epochs, epochs_within(recipe, data, seconds))
    made = train_once(recipe.changed({"train.epochs": epochs}), data, quick=quick, default_views=True)
    trained = made.prepared.representation()
    embedded = both_parts(trained.embed_stored, made.prepared.rows, *rows)
    ours = measure(recipe.method, Features(*embedded, parts=trained.embedding.parts), problem, EVALUATORS)
    tuned = _tuned(trained, made.prepared.rows, ours, embedded[0], name, folder, quick) if tune else None
    beside = _beside(name, folder, recipe.encoder)
    row = made.row | {"width": ours.scores[0].width, "encoder": recipe.encoder, "embedding": recipe.embedding}
    row |= {"metric": problem.leading} | _facts(data, len(rows[0])) | {"tuned": tuned is not None}
    for end, others in zip(ENDS, (beside.free, beside.untrained), strict=True):
        method = next(
            one for one in scored_rows({ours.name: [ours]}, others, problem.leading) if one["kind"] == "method"
        )
        line = next((one for one in method["few_labels"] if one["size"] == (method["few"] or {}).get("size")), None)
        row["frozen"] = short(method["all"]["value"])
        if tuned is not None:
            method["all"] = _of_tuned(tuned, others, problem.leading)
        for column in COLUMNS:
            row |= _columns(column, method[column], end)
        row[f"label_factor{end}"] = None if line is None else short(line["label_factor"]["value"], ".3g")
    return row


def _tuned(
    trained: Representation, stored: Any, ours: Measured, z: Any, name: str, folder: Path | None, quick: bool
) -> Resampled | None:
    """Return the score of fine-tuning with all labels where held-out training rows prefer it to what is frozen.

    That is what reads the frozen embedding `z` of the training rows best, by the metric on the same held-out rows.
    """
    data, problem, (train, test) = problem_of(name, folder)
    settings = FineTuning(epochs=1) if quick else FineTuning()
    model = finetune_rows(
        trained, stored, np.asarray(data.labels), train, task=cast(Task | None, data.task), settings=settings
    )
    pairs = parts(
        problem.train_y, cast(Task, model.task), settings.validation, settings.folds, few=settings.few(trained.encoder)
    )
    reader = with_all_labels(ours, problem.leading, True)
    assert reader is not None
    read = [_held_out(z, problem, reader[0].evaluator, *pair) for pair in pairs]
    found = model.detail["validation"]
    if np.average(read, weights=[len(out) for _, out in pairs]) >= found[model.detail["chosen"]]["score"]:
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
    numbers = {name: cell["value"], f"{name}_low": cell["low"], f"{name}_high": cell["high"]}
    gap = cell["difference"] or {"value": None, "low": None, "high": None}
    gain = f"{name}_gain{end}"
    numbers |= {gain: gap["value"], f"{gain}_low": gap["low"], f"{gain}_high": gap["high"]}
    return {key: short(value) for key, value in numbers.items()} | {f"{name}_best{end}": cell["best"]}


def baseline(name: str, which: str, encoder: str, folder: Path | None, quick: bool) -> Row:
    """Return the scores of everything free of a kind: `which` is the beginning of its name."""
    data, problem, rows = problem_of(name, folder)
    beside = _beside(name, folder, encoder)
    found = scored_rows({}, [*beside.free, *beside.untrained], problem.leading)
    row = next((one for one in found if one["name"].startswith(which)), None)
    facts = {"metric": problem.leading} | _facts(data, len(rows[0]))
    if row is None:
        return facts
    return facts | {
        key: short(row[column][end])
        for column in COLUMNS
        if row[column]
        for key, end in ((column, "value"), (f"{column}_low", "low"), (f"{column}_high", "high"))
    }
