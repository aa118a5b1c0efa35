"""`isotropy finetune`: a network that predicts a label, and whether that was worth it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from rich.text import Text

from isotropy.cli.budget import seconds_of
from isotropy.cli.inputs import load_on
from isotropy.cli.probe import read_as_the_run, refuse_inputs
from isotropy.cli.show import OUT, duration, note, say, waiting
from isotropy.data import ArrayDataset
from isotropy.errors import UserError
from isotropy.evaluation.score import number, with_interval
from isotropy.evaluation.task import has_label
from isotropy.finetuning.arms import arm_title, compare_arms, short_table
from isotropy.finetuning.artefact import ABOUT
from isotropy.finetuning.finetune import finetune_rows, settings_of
from isotropy.finetuning.rounds import SelfSupervised
from isotropy.io.atomic import write_atomically
from isotropy.representation import Representation
from isotropy.runs.building import build
from isotropy.runs.directory import Run
from isotropy.runs.division import divide
from isotropy.runs.settings import label_names, parse_setting
from isotropy.training import checkpoint

_OF_THE_BUDGET = 0.45  # each for fine-tuning and for the same network from scratch
ARMS = "arms.json"


def finetune(
    folder: Path,
    origin: dict[str, Any],
    *,
    labels: Sequence[str],
    budget: str,
    joint: float,
    settings: Sequence[str],
    seed: int | None,
    out: Path | None,
    device: str,
) -> dict[str, Any]:
    """Run `isotropy finetune RUN PATH --label NAME`; return the arms and where the model is."""
    if len(labels) > 1:
        raise UserError(f"--label {labels[1]}: a model predicts one label; fine-tune once for each")
    origin |= {"label": labels[0]} if labels else {}
    if not {"label", "label_key"} & set(origin):
        raise UserError("finetune needs a label: --label COLUMN, or --label-key ARRAY for an .npz")
    seconds = _OF_THE_BUDGET * seconds_of(budget)
    chosen = settings_of({**dict(parse_setting(text, "lr=1e-4") for text in settings), "joint": joint})
    run, name = Run.opened(folder), label_names(origin)[0]
    place = _place(run_folder=folder, label=name, out=out)
    made = load_on(run.folder, device)
    refuse_inputs(origin, made)
    data = read_as_the_run(run.recipe.data, origin, made)
    say(data.description)
    with waiting("preparing the rows"):
        rows = made.preprocess.transform(data.values)
    seed = run.recipe.train.seed if seed is None else seed
    division = divide(data, seed, label_names(origin))
    label, train, test = division.labels[0], division.train, division.test
    for line in division.notes:
        note(line)
    dataset = ArrayDataset(rows, made.preprocess, index=torch.from_numpy(train))
    untrained = build(run.recipe, made.preprocess, dataset)[0].encoder
    going_on = _method_of(run, made, dataset) if joint > 0 else None
    count = int(has_label(label.values[train]).sum())
    say(
        f"fine-tuning {made.method} ({run.recipe.encoder}, width {made.width}) for {name}: {count:,} of {len(train):,} "
        f"training rows have a label; at most {duration(seconds)}, and as long for the network from scratch"
    )
    given: dict[str, Any] = {"groups": division.groups, "budget": seconds, "seed": seed}
    with waiting("fine-tuning") as now:

        def hear(what: str, done: int, of: int) -> None:
            now(f"{what}: {done} of {of}")

        model = finetune_rows(
            made, rows, label.values, train, label=name, task=label.task, settings=chosen, joint=going_on,
            progress=hear, **given,
        )  # fmt: skip
        model.save(place)
        found = compare_arms(
            model, made, untrained, rows, label.values, train, test, settings=replace(chosen, joint=0.0), progress=hear,
            **given,
        )  # fmt: skip
    _write(found, place / ARMS)
    _show(found, place)
    return {"model": str(place), **found}


def _place(run_folder: Path, label: str, out: Path | None) -> Path:
    """Return the folder of the model; UserError where it holds one, or is no folder."""
    place = _free(run_folder, label) if out is None else out
    if (place / ABOUT).exists() or (place.exists() and not place.is_dir()):
        raise UserError(f"--out {place}: is taken; choose another folder")
    return place


def _method_of(run: Run, made: Representation, dataset: ArrayDataset) -> SelfSupervised:
    """Return the run's method, with its heads from the last checkpoint, to train on beside the label."""
    method, views = build(run.recipe, made.preprocess, dataset)
    newest = checkpoint.last_good(run.checkpoints)
    if newest is None:
        raise UserError(f"--joint: {run.checkpoints} holds no checkpoint with the method's heads")
    checkpoint.load(newest, method, run.recipe.optim.build(method, method.unscheduled))
    return SelfSupervised(method, views)


def _write(found: dict[str, Any], path: Path) -> None:
    try:
        write_atomically(path, json.dumps(found, indent=1).encode())
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from error


def _free(folder: Path, label: str) -> Path:
    """Return RUN-LABEL, numbered where it is taken."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)
    base = folder.resolve().with_name(f"{folder.resolve().name}-{plain}")
    base = folder.parent / base.name
    place, count = base, 2
    while place.exists():
        place, count = base.with_name(f"{base.name}-{count}"), count + 1
    return place


def _show(found: dict[str, Any], place: Path) -> None:
    rows = found["rows"]
    title = (
        f"{found['label']}: {found['metric']} on {rows['test']:,} test rows (learnt from {rows['train']:,} rows); "
        "95% intervals"
    )
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place_, head in enumerate(("model", "score", "fine-tuned minus this")):
        table.add_column(head, no_wrap=True, overflow="ellipsis" if not place_ else "fold")
    for line in short_table(found):
        gap = line["difference"]
        mine = Text(arm_title(line, found), style="bold" if gap is None else "")
        table.add_row(mine, _interval(line), "" if gap is None else with_interval(gap))
    say("")
    OUT.print(table)
    for text in found["notes"]:
        say(text, "dim")
    say(found["sentence"], "bold")
    say("")
    say(f"model       {place} (isotropy.load_finetuned({str(place)!r}).predict(rows))")
    say(f"predict     isotropy predict {place} NEW_DATA --out predictions.csv")


def _interval(score: dict[str, float]) -> str:
    return f"{number(score['value'])} [{number(score['low'])}, {number(score['high'])}]"
