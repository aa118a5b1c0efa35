"""A finished run that is trained longer: as one long run where the schedule is constant, refused where it cannot be."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import isotropy
from isotropy.errors import UserError
from isotropy.runs import longer, planning, prepare
from isotropy.runs.budget import Parts
from isotropy.runs.directory import Run
from isotropy.runs.events import Finished, Planned, Stepped
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train
from isotropy.training import checkpoint

SMALL = {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 16}
CONSTANT = {"optim.warmup": 0.0, "optim.final": 1.0}
ROWS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.arange(80) % 2
SAME = ("recipe.toml", "metrics.jsonl", "encoder.safetensors", "embeddings.parquet", "probes.json")


def recipe(method="simclr", **settings):
    return Recipe.default(method, "table").changed(SMALL | CONSTANT | settings)


def data():
    return isotropy.read(ROWS, label=LABELS)


def end(events):
    *_, last = events
    assert isinstance(last, Finished)
    return last


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run of three epochs, each of four steps; an epoch takes a second."""
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 1.0)
    monkeypatch.setattr(planning, "parts_of_budget", lambda prepared, budget: Parts(budget - 2))
    end(train(data(), recipe(), epochs=3, out=tmp_path / "run", evaluators=("knn",)))
    return tmp_path / "run"


# LFR ends in the middle of a pass that moves its predictors, and chooses its projectors but once.
@pytest.mark.parametrize(("method", "first", "then"), [("simclr", 3, 6), ("simclr", 1.25, 2.5), ("lfr", 0.7, 2)])
def test_with_a_constant_schedule_it_ends_in_the_bits_of_one_long_run(method, first, then, tmp_path):
    settings = {"method.target_width": 8, "method.predictor_passes": 2} if method == "lfr" else {}
    short, long = tmp_path / "short", tmp_path / "long"
    end(train(data(), recipe(method, **settings), epochs=first, out=short, evaluators=("knn",)))
    (short / "clusters.json").write_text('{"clusters": []}')
    (short / "audit").mkdir()
    for name in ("audit.parquet", "audit.json", "audit/outlier.csv"):
        (short / name).write_text("{}")
    end(train(data(), resume=short, epochs=then, evaluators=("knn",)))
    # They are of the embeddings of the shorter training.
    assert not (short / "clusters.json").exists() and not list(short.glob("audit*"))
    end(train(data(), recipe(method, **settings), epochs=then, out=long, evaluators=("knn",)))
    ends = [checkpoint.paths(folder / "checkpoints")[-1] for folder in (short, long)]
    one, other = (load_file(path) for path in ends)
    assert ends[0].name == ends[1].name and one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    for name in SAME:
        one, other = ((folder / name).read_text(errors="replace") for folder in (short, long))
        assert without_seconds(one) == without_seconds(other), name
    assert Run(short).finished and Run(short).about["training"] == Run(long).about["training"]


def without_seconds(text):
    return "\n".join(line for line in text.splitlines() if '"seconds"' not in line)


def test_it_may_be_done_again_and_its_plan_says_what_is_left(run):
    planned, *events = train(data(), resume=run, epochs=5, evaluators=("knn",))
    assert isinstance(planned, Planned)
    assert (planned.epochs, planned.done, planned.reason, planned.seconds) == (5, 3, "longer", 2.0)
    assert [event.step.number for event in events if isinstance(event, Stepped)] == list(range(13, 21))
    end(train(data(), resume=run, epochs=6, evaluators=("knn",)))
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [*range(1, 25)]
    assert Run(run).extends == [12, 20]


def test_a_rate_that_decays_is_that_of_the_longer_schedule(tmp_path):
    decaying = recipe(**{"optim.warmup": 0.1, "optim.final": 0.0})
    end(train(data(), decaying, epochs=3, out=tmp_path / "run", evaluators=("knn",)))
    end(train(data(), resume=tmp_path / "run", epochs=6, evaluators=("knn",)))
    rates = [json.loads(line)["lr"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    optim = decaying.optim
    wanted = [
        optim.lr * optim.rate((n + 0.5) / steps) for steps, ns in ((12, range(12)), (24, range(12, 24))) for n in ns
    ]
    assert rates == pytest.approx(wanted, rel=1e-12) and rates[12] > 10 * rates[11]


def test_a_budget_is_for_all_of_the_run(run):
    before = (run / "recipe.toml").read_text()
    planned = next(train(data(), resume=run, budget=10))
    # Eight seconds are for training, which took next to nothing so far, and an epoch takes one.
    assert (planned.epochs, planned.reserved) == (3 + int(8 - Run(run).trained_seconds), 2)
    assert (run / "recipe.toml").read_text() == before and Run(run).finished, "nothing is written before it begins"


def test_what_was_exported_stays_until_the_longer_run_is_finished_and_a_stop_is_resumed(run, tmp_path):
    kept = {name: (run / name).read_bytes() for name in ("encoder.safetensors", "model.json", "probes.json")}
    for event in train(data(), resume=run, epochs=6, evaluators=("knn",)):
        if isinstance(event, Stepped) and event.step.number == 15:
            event.stop()
    assert {name: (run / name).read_bytes() for name in kept} == kept
    assert isotropy.load(run).encoder.width == 8 and len(isotropy.load(run).transform(ROWS)) == 80
    assert not Run(run).finished and Run(run).recipe.train.epochs == 6
    with pytest.raises(UserError, match="is not finished, and only a finished run is trained longer"):
        train(data(), resume=run, epochs=9)
    end(train(data(), resume=run, evaluators=("knn",)))
    end(train(data(), recipe(), epochs=6, out=tmp_path / "long", evaluators=("knn",)))
    assert (run / "metrics.jsonl").read_bytes() == (tmp_path / "long" / "metrics.jsonl").read_bytes()
    assert (run / "encoder.safetensors").read_bytes() == (tmp_path / "long" / "encoder.safetensors").read_bytes()


def test_killed_before_its_first_checkpoint_it_goes_on_from_the_shorter_run(run):
    events = train(data(), resume=run, epochs=6, evaluators=("knn",))
    while not isinstance(next(events), Stepped):
        pass
    events.close()
    for path in checkpoint.paths(run / "checkpoints"):
        if int(path.stem.removeprefix("step-")) > 12:
            path.unlink()
    numbers = [event.step.number for event in train(data(), resume=run, evaluators=("knn",)) if hasattr(event, "step")]
    assert numbers[0] == 13 and Run(run).finished


def test_labels_that_were_probed_on_the_shorter_run_are_dropped(run):
    Run(run).keep_evidence([{"label": "other"}])
    end(train(data(), resume=run, epochs=4, evaluators=("knn",)))
    assert [entry["label"] for entry in Run(run).read_json("probes.json")] == ["label"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"epochs": 3}, "has been trained for 3 epochs: 3 in all is no longer"),
        ({"epochs": 2.5}, "2.5 in all is no longer"),
        (
            {"budget": 2.001},
            "3 epochs took . s, and of a budget of 2 s in all 0 s are for training: give more than . s$",
        ),
        ({"epochs": 9, "budget": 60}, "give epochs or budget, not both"),
        ({"budget": -3}, "budget = -3 must be a number of seconds above 0"),
        ({"epochs": 9, "method": "byol"}, "resume goes on with the settings of the run"),
        ({}, "is finished; look at it .*, or train it longer with: isotropy fit --resume .* --epochs 9 .or --budget"),
    ],
)
def test_what_is_no_longer_is_refused_in_a_line(run, arguments, line, monkeypatch):
    monkeypatch.setattr(Run, "trained_seconds", 5.0) if "budget" in arguments else None
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=line) as refused:
        next(train(data(), resume=run, **arguments))
    assert "\n" not in str(refused.value)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_other_data_and_lost_checkpoints_are_refused(run):
    with pytest.raises(UserError, match="the data is not what the run began with"):
        next(train(isotropy.read(ROWS + 1, label=LABELS), resume=run, epochs=6))
    for path in checkpoint.paths(run / "checkpoints"):
        path.unlink()
    with pytest.raises(UserError, match="no checkpoint is left to train on from"):
        train(data(), resume=run, epochs=6)


def test_a_recipe_that_was_edited_is_no_extension(run):
    edited = run / "recipe.toml"
    end(train(data(), resume=run, epochs=4, evaluators=("knn",)))
    edited.write_text(edited.read_text().replace("epochs = 4.0", "epochs = 7.0"))
    (run / "model.json").unlink()
    with pytest.raises(UserError, match="steps was 16 and is 28 now"):
        list(train(data(), resume=run))
    assert longer.epochs_done(Run(run), prepare.prepare(Run(run).recipe, data())) == 4
