"""Runs that were stopped, killed, or left without room: they say how to go on, and end in the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import isotropy.runs.recorder
from end_to_end.conftest import QUICK, SMALL_IMAGES, SMALL_SERIES, SMALL_TABLE
from isotropy.io import atomic
from isotropy.methods import SimCLR
from isotropy.runs import prepare
from isotropy.training import checkpoint

TESTS = Path(__file__).resolve().parents[1]
SAME = [
    "recipe.toml", "metrics.jsonl", "diagnostics.jsonl", "encoder.safetensors", "embedding.safetensors", "model.json",
    "embeddings.parquet",
]  # fmt: skip
SIMCLR = ["--method", "simclr", "--label", "kind", *QUICK, *SMALL_TABLE]
KILLED = {
    "lfr": ["waves.npz", "--key", "X_train", "--method", "lfr", "--epochs", 12, *SMALL_SERIES],
    "simclr": ["people.csv", "--epochs", 40, "--method", "simclr", "--label", "kind", *SMALL_TABLE],
    "byol": ["people.parquet", "--method", "byol", "--epochs", 20, *SMALL_TABLE],
    "vicreg": ["digits.npz", "--method", "vicreg", "--epochs", 12, *SMALL_IMAGES],
}


def same(one, two, names=SAME):
    """Assert that two runs hold the same bits."""
    for name in names:
        assert (Path(one) / name).read_bytes() == (Path(two) / name).read_bytes(), name


def files_of(run):
    return {str(path.relative_to(run)) for path in Path(run).rglob("*")}


@pytest.fixture(scope="module")
def killed(files, tmp_path_factory):
    """Return the folder in which `driven` trained every method in peace, under fire, and until Ctrl-C."""
    folder = tmp_path_factory.mktemp("killed")
    plan = {name: ["fit", str(files / path), *map(str, rest)] for name, (path, *rest) in KILLED.items()}
    (folder / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, "-m", "end_to_end.driven", "plan.json"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("method", KILLED)
def test_a_run_that_was_killed_ends_in_the_bits_of_one_that_was_not(method, killed):
    said = json.loads((killed / "report.json").read_text())[method]
    assert said["kills"] >= 3
    assert said["before_any"] >= 1, "one of them before the first checkpoint"
    assert said["resumes"] >= 2
    once, often = killed / method / "once", killed / method / "often"
    same(once, often)
    ends = [checkpoint.paths(run / "checkpoints")[-1] for run in (once, often)]
    assert ends[0].name == ends[1].name
    first, second = (load_file(path) for path in ends)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    left = {path.name for path in often.rglob("*")} - {path.name for path in once.rglob("*")}
    assert not [name for name in left if not name.startswith("step-")], "no leftover of a kill"


@pytest.mark.parametrize("method", ["simclr", "byol"])
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(method, killed, cli, files, monkeypatch):
    assert json.loads((killed / "report.json").read_text())[method]["code"] == 130
    monkeypatch.chdir(killed)
    stopped = f"{method}/stopped"
    assert f"go on with: isotropy fit --resume {stopped}" in (killed / f"{stopped}.log").read_text().splitlines()[-1]
    assert not (killed / stopped / "model.json").exists(), "it was stopped on its way"
    said = cli("embed", stopped, files / "people.csv", "--out", "e.npy")
    assert "is the run finished?" in said.err
    assert cli("fit", "--resume", stopped).code == 0
    same(stopped, f"{method}/once")


@pytest.fixture
def run(files, cli):
    """Return a run that was stopped in the middle, with two checkpoints, and how to train it in one go."""

    def fit(name, stop_at=None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(isotropy.runs.recorder, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
            if stop_at:
                patch.setattr(isotropy.runs.recorder, "_metrics", raising_at(stop_at))
            return cli("fit", files / "people.csv", "--epochs", 4, *SIMCLR, "--out", name)

    said = fit("run", stop_at=7)
    assert (said.code, said.out.splitlines()[-1]) == (130, "interrupted; go on with: isotropy fit --resume run")
    assert [path.name for path in checkpoint.paths(Path("run/checkpoints"))] == names(5, 6)
    return fit


def raising_at(number):
    real = isotropy.runs.recorder._metrics

    def metrics(step):
        if step.number == number:
            raise KeyboardInterrupt
        return real(step)

    return metrics


def names(*steps):
    return [f"step-{step:09d}.safetensors" for step in steps]


def test_a_torn_checkpoint_is_passed_over(run, cli):
    newest = Path("run/checkpoints") / names(6)[0]
    newest.write_bytes(newest.read_bytes()[:-100])
    said = cli("fit", "--resume", "run", *QUICK)
    assert said.code == 0, said.err
    assert said.err.splitlines()[:1] == [f"note: {newest}: damaged, or not a checkpoint of isotropy; it is passed over"]
    assert run("whole").code == 0
    same("run", "whole")


def test_checkpoints_that_are_all_torn_are_refused(run, cli):
    for path in checkpoint.paths(Path("run/checkpoints")):
        path.write_bytes(b"")
    said = cli("fit", "--resume", "run", *QUICK)
    assert said.code == 2
    last = said.err.splitlines()[-1]
    assert last == "isotropy: run/checkpoints: no checkpoint can be read; delete the folder to begin from the start"


def test_other_data_a_changed_recipe_or_a_shorter_log_are_refused(run, cli, files, tmp_path):
    frame = pd.read_csv(files / "people.csv")
    frame.assign(pay=frame["pay"] + 1).to_csv("other.csv", index=False)
    frame.head(90).to_csv("fewer.csv", index=False)
    frame.drop(columns="pay").to_csv("less.csv", index=False)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path, line in [
        ("other.csv", "run: the data is not what the run began with (96 rows then, 96 now, or other values)"),
        ("fewer.csv", "run: the data is not what the run began with (96 rows then, 90 now, or other values)"),
        ("less.csv", "lack 1 column of the training: 'pay'"),
        ("nope.csv", "nope.csv does not exist"),
    ]:
        said = cli("fit", "--resume", "run", path, *QUICK)
        assert (said.code, said.err.count("\n")) == (2, 1), said.err
        assert line in said.err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    recipe = (tmp_path / "run/recipe.toml").read_text()
    (tmp_path / "run/recipe.toml").write_text(recipe.replace("epochs = 4.0", "epochs = 5.0"))
    said = cli("fit", "--resume", "run", *QUICK)
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert "belongs to another training: steps was 8 and is 10 now" in said.err
    (tmp_path / "run/recipe.toml").write_text(recipe)
    (tmp_path / "run/metrics.jsonl").write_text("")
    said = cli("fit", "--resume", "run", *QUICK)
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert "run/metrics.jsonl: has 0 bytes, and the checkpoint knows of" in said.err
    (tmp_path / "run/data.json").write_text("{}")
    assert "run/data.json: damaged" in cli("fit", "--resume", "run", *QUICK).err


def test_data_that_moved_is_given_with_the_resume(run, cli, files, tmp_path):
    (tmp_path / "moved.csv").write_bytes((files / "people.csv").read_bytes())
    recipe = tmp_path / "run/recipe.toml"
    recipe.write_text(recipe.read_text().replace("people.csv", "gone.csv"))
    assert "gone.csv does not exist" in cli("fit", "--resume", "run", *QUICK).err
    assert cli("fit", "--resume", "run", "moved.csv", *QUICK).code == 0


def test_a_disk_that_fills_up_during_a_checkpoint_keeps_the_last_good_one(run, cli):
    fsync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        # Three logs are brought to the disk before the checkpoint.
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        fsync(handle)

    before = files_of("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isotropy.runs.recorder, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        patch.setattr(atomic.os, "fsync", full)
        said = cli("fit", "--resume", "run", *QUICK)
    assert said.code == 2
    assert said.err == (
        "isotropy: run/checkpoints/step-000000007.safetensors: the checkpoint of step 7 could not be written "
        "(No space left on device); the earlier ones are untouched: make room and resume\n"
    )
    assert files_of("run") == before, "the last good ones stay, and nothing half-written"
    assert cli("fit", "--resume", "run", *QUICK).code == 0


@pytest.mark.parametrize(
    "name", ["embeddings.parquet", "probes.json", "measured.json", "encoder.safetensors", "model.json"]
)
def test_a_disk_that_is_full_at_the_end_leaves_a_run_that_can_be_finished(name, run, cli):
    real = os.replace

    def full(dataset, target):
        if Path(target).name == name:
            raise OSError(28, "No space left on device")
        real(dataset, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic.os, "replace", full)
        said = cli("fit", "--resume", "run", *QUICK)
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert "No space left on device" in said.err
    assert not [path for path in files_of("run") if "/." in f"/{path}"]
    assert cli("fit", "--resume", "run", *QUICK).code == 0
    assert run("whole").code == 0
    same("run", "whole")


def test_a_loss_that_is_not_a_number_names_step_and_term_and_keeps_the_checkpoint(run, cli):
    real = SimCLR.loss
    kept = {path: path.read_bytes() for path in checkpoint.paths(Path("run/checkpoints"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimCLR, "loss", lambda self, **outputs: {"contrast": real(self, **outputs)["contrast"] * np.nan})
        patch.setattr(prepare, "seconds_per_epoch", lambda prepared: 1.0)
        said, fresh = cli("fit", "--resume", "run", *QUICK), run("fresh")
    assert said.code == 2
    assert said.err == (
        "isotropy: the loss term 'contrast' became nan at step 7: stopped before the weights moved; lower optim.lr "
        "in run/recipe.toml; the last good checkpoint is kept, go on with: isotropy fit --resume run\n"
    )
    assert kept == {path: path.read_bytes() for path in checkpoint.paths(Path("run/checkpoints"))}
    assert (fresh.code, fresh.err.count("\n")) == (2, 1)
    assert fresh.err.startswith("isotropy: the loss term 'contrast' became nan at step 1")
    assert fresh.err.endswith("lower optim.lr and begin again, as no checkpoint was due yet\n")
    assert "Failed" in Path("fresh/report.html").read_text(encoding="utf-8")
    for command in (("audit", "fresh"), ("cluster", "fresh"), ("search", "fresh", "--query", "0")):
        said = cli(*command)
        assert said.code == 2 and said.err.startswith("isotropy: fresh: its training failed: the loss term"), said.err
    assert cli("fit", "--resume", "run", *QUICK).code == 0
