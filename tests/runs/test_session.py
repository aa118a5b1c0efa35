"""A run from Python: the order of its events, what stops it, what is written, and what is refused at once."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import isotropy
from isotropy.errors import UserError
from isotropy.runs import planning, prepare
from isotropy.runs.budget import Parts
from isotropy.runs.directory import Run
from isotropy.runs.events import Evaluated, Finished, Planned, Recorded, Stepped, Stopped, Trained
from isotropy.runs.monitor import verdict_due
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train
from isotropy.training import checkpoint

RECIPE = Recipe.default("simclr", "table").changed(
    {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16, "train.epochs": 6}
)
ROWS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.arange(80) % 2
# The evidence is the subject of other tests.
QUICK = ("linear",)
LOGS = ("metrics", "diagnostics", "timing")


def lines(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def saved(folder):
    return [int(path.stem.removeprefix("step-")) for path in checkpoint.paths(folder / "checkpoints")]


def test_the_events_come_in_order_and_the_directory_holds_what_they_said(tmp_path):
    every = train(ROWS, RECIPE, label=LABELS, out=tmp_path / "run", evaluators=QUICK)
    planned, *events, trained, evaluated, finished = every
    assert isinstance(planned, Planned) and (planned.epochs, planned.reason) == (6, "recipe")
    assert isinstance(trained, Trained) and isinstance(evaluated, Evaluated) and isinstance(finished, Finished)
    steps = [event for event in events if isinstance(event, Stepped)]
    records = [event.record for event in events if isinstance(event, Recorded)]
    assert [event.step.number for event in steps] == list(range(1, 25))
    assert all(isinstance(later, Stepped) for event, later in zip(events, events[1:], strict=False)
               if isinstance(event, Recorded))  # fmt: skip
    folder = finished.folder
    metrics, seen, timing = (lines(folder, name) for name in LOGS)
    assert [line["step"] for line in metrics] == [line["step"] for line in timing] == list(range(1, 25))
    assert all(line["loss"] == pytest.approx(sum(line["terms"].values())) for line in metrics)
    assert [line["step"] for line in seen] == [0, 1, 10, 20, 24]
    assert seen == finished.records and seen[1:] == records
    assert seen[0]["linear_cka"] == pytest.approx(1), "the untrained encoder comes first"
    assert steps[0].health == {**seen[0], **seen[1]}
    assert steps[10].health == steps[9].health, "the newest is given with every step"
    assert [line["step"] for line in seen if "effective_rank" in line] == [0, 1, 20, 24]
    assert saved(folder)[-1] == 24, "the last step is always kept"
    assert Run(folder).read_json("probes.json") == finished.evidence == [evaluated.evidence]
    assert isotropy.diagnose(folder) == finished.verdict
    again = isotropy.load(folder).transform(ROWS)
    assert np.array_equal(finished.representation.transform(ROWS), again)


def test_without_a_folder_nothing_is_written_and_the_same_comes_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, kept = train(ROWS, RECIPE, label=LABELS, out="run", evaluators=QUICK)
    before = sorted(tmp_path.rglob("*"))
    *_, free = train(ROWS, RECIPE, label=LABELS, evaluators=QUICK)
    assert sorted(tmp_path.rglob("*")) == before and free.folder is None
    assert free.records == kept.records and free.verdict == kept.verdict
    assert np.array_equal(free.representation.transform(ROWS), kept.representation.transform(ROWS))


def test_without_a_monitor_the_weights_are_the_same_and_nothing_is_recorded():
    *events, plain = train(ROWS, RECIPE, monitor=False)
    *_, watched = train(ROWS, RECIPE)
    assert not any(isinstance(event, Recorded) for event in events)
    assert (plain.records, plain.verdict) == ([], None)
    assert np.array_equal(plain.representation.transform(ROWS), watched.representation.transform(ROWS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    list(train(ROWS, RECIPE, label=LABELS, out=folder, evaluators=QUICK))
    return folder


@pytest.mark.parametrize("way", ["stop", "break", "close"])
def test_what_ends_after_a_step_leaves_a_checkpoint_and_goes_on_to_the_same_end(way, whole, tmp_path):
    folder, last = tmp_path / "stopped", None
    events = train(ROWS, RECIPE, label=LABELS, out=folder)
    for event in events:
        last = event
        if isinstance(event, Stepped) and event.step.number == 5:
            if way == "stop":
                event.stop()
            elif way == "break":
                break
            else:
                events.close()
    del events
    assert isinstance(last, Stopped) is (way == "stop")
    assert saved(folder) == [5] and not Run(folder).finished
    with pytest.raises(UserError, match="was in memory"):
        next(train(resume=folder))
    planned, *events, finished = train(isotropy.read(ROWS, label=LABELS), resume=folder, evaluators=QUICK)
    assert planned.reason == "resume"
    assert [event.step.number for event in events if isinstance(event, Stepped)] == list(range(6, 25))
    for name in ("metrics.jsonl", "diagnostics.jsonl", "encoder.safetensors", "embeddings.parquet"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    with pytest.raises(UserError, match="is finished"):
        train(resume=folder)


def test_a_run_that_is_stopped_without_saving_keeps_the_checkpoint_before(tmp_path):
    for event in train(ROWS, RECIPE, out=tmp_path / "run"):
        if isinstance(event, Recorded) and event.record["step"] == 10:
            event.stop(save=False)
    assert isinstance(event, Stopped) and (event.step.number, event.saved) == (10, False)
    assert saved(tmp_path / "run") == []


def test_after_the_last_step_there_is_nothing_to_stop():
    for event in train(ROWS, RECIPE):
        if isinstance(event, Stepped) and event.step.number == event.step.steps:
            event.stop()
    assert isinstance(event, Finished)


def test_a_path_is_remembered_and_settings_change_the_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(ROWS, columns=list("abc")).assign(kind=LABELS).to_csv("rows.csv", index=False)
    changes = {"settings": {"method.temperature": 0.2}, "seed": 3, "epochs": 1}
    events = train("rows.csv", RECIPE, label="kind", out="auto", evaluators=QUICK, **changes)
    planned = next(events)
    assert not list(tmp_path.glob("runs/*")), "nothing is written before the plan was seen"
    *_, finished = events
    recipe = Run(finished.folder).recipe
    assert finished.folder.as_posix() == "runs/rows-simclr" and planned.reason == "epochs"
    assert (recipe.train.seed, recipe.train.epochs, recipe.method_options) == (3, 1.0, {"temperature": 0.2})
    assert recipe.data == {"label": "kind", "path": str(tmp_path / "rows.csv")}
    assert finished.evidence[0]["label"] == "kind"


def test_a_budget_and_the_default_length_become_epochs(monkeypatch):
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 2.0)
    monkeypatch.setattr(planning, "parts_of_budget", lambda prepared, budget, spent: Parts(budget))
    planned = next(train(ROWS, RECIPE, budget=8))
    assert (planned.epochs, planned.reason, planned.seconds) == (4.0, "budget", 8.0)
    assert next(train(ROWS, method="simclr")).epochs == 90.0, "three minutes"
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 0.01)
    planned = next(train(ROWS, method="simclr"))
    assert (planned.epochs, planned.reason) == (200.0, "default"), "on a fast machine data and recipe decide alone"


def test_a_network_of_ones_own_is_copied_and_compared_with_itself():
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    before = network[0].weight.detach().clone()
    *_, finished = train(ROWS, RECIPE, encoder=network, label=LABELS, evaluators=QUICK)
    assert torch.equal(network[0].weight, before)
    assert finished.representation.encoder.width == 4
    assert finished.records[0]["linear_cka"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "train needs data, or resume"),
        ({"data": ROWS, "epochs": 1, "budget": 3}, "give epochs or budget, not both"),
        ({"data": ROWS, "budget": -1}, "budget = -1 must be a number of seconds above 0"),
        ({"data": ROWS, "budget": "60s"}, "budget = '60s' must be a number of seconds above 0"),
        ({"data": isotropy.read(ROWS), "label": LABELS}, "give label to isotropy.read"),
        ({"data": ROWS, "encoder": torch.nn.Linear(3, 2), "out": "run"}, "a network of your own is in no recipe"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_once(arguments, line):
    with pytest.raises(UserError, match=line):
        train(**arguments)


def test_verdicts_are_due_at_the_same_records_after_a_resumption_and_ever_more_seldom():
    due = [count for count in range(1, 2001) if verdict_due(count)]
    assert due[:50] == [*range(1, 51)], "a short training is judged at each record"
    gaps = [later - before for before, later in zip(due, due[1:], strict=False)]
    assert max(gap / before for before, gap in zip(due, gaps, strict=False) if before >= 50) < 0.05, "never much later"
    assert sum(due) < 120_000, "all verdicts together read far fewer records than 2000 x 2000 / 2"


def test_a_label_is_scored_by_the_evaluators_that_were_named_and_the_first_decides():
    *_, evaluated, _ = train(ROWS, RECIPE, label=LABELS, evaluators=("knn", "few_labels"), label_budget=[1, 10])
    assert list(dict.fromkeys(score["evaluator"] for score in evaluated.evidence["scores"])) == ["knn", "few_labels"]


def test_what_is_done_after_the_training_is_told(tmp_path):
    told = []
    *_, finished = train(ROWS, RECIPE, label=LABELS, progress=told.append, evaluators=QUICK, out=tmp_path / "run")
    assert told[0] == f"embedding: 0 of {len(ROWS)} rows" and f"probing {finished.representation.title}" in told
    assert len(told) == len(set(told)) > 3
