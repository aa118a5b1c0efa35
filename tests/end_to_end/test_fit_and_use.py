"""From a file to a trained encoder, and everything that a finished run is for."""

import json
import os
import re
import shlex
import subprocess
import sys
from html import escape

import numpy as np
import pandas as pd
import pytest

import isotropy
from end_to_end.conftest import QUICK, SMALL_IMAGES, SMALL_SERIES, SMALL_TABLE
from isotropy import report
from isotropy.runs import defaults, planning, prepare
from isotropy.runs.budget import Parts

HOLDS = {
    "recipe.toml", "data.json", "metrics.jsonl", "diagnostics.jsonl", "timing.jsonl", "checkpoints", "probes.json",
    "encoder.safetensors", "embedding.safetensors", "model.json", "embeddings.parquet", "report.html",
    "measured.json",
}  # fmt: skip
WAVES = ["--key", "X_train", "--test-key", "X_test", "--epochs", 1]
FITS = {
    "lfr-csv": ["people.csv", "--method", "lfr", "--label", "kind", "--epochs", 2, *SMALL_TABLE],
    "simclr-csv": ["people.csv", "--method", "simclr", "--epochs", 2, *SMALL_TABLE],
    "byol-parquet": ["people.parquet", "--method", "byol", "--label", "rank", "--epochs", 2, *QUICK, *SMALL_TABLE],
    "lfr-series": [
        "waves.npz",
        "--method",
        "lfr",
        *WAVES,
        "--label-key",
        "y_train",
        "--test-label-key",
        "y_test",
        *SMALL_SERIES,
    ],
    "simclr-images": ["digits.npz", "--label-key", "y", "--epochs", 1, *SMALL_IMAGES],
    "vicreg-folder": ["pets", "--method", "vicreg", "--label", "folder", "--size", 16, "--epochs", 1, *SMALL_IMAGES],
    "byol-folder": ["pets", "--method", "byol", "--size", 16, "--epochs", 1, *SMALL_IMAGES],
}


def embeddings(path):
    """Return the embeddings of a run, (N, width) float32."""
    frame = pd.read_parquet(path)
    return frame[[name for name in frame.columns if re.fullmatch(r"z\d+", name)]].to_numpy()


@pytest.mark.parametrize("name", FITS)
def test_fit_makes_a_run_of_any_data(name, files, cli, tmp_path):
    path, *options = FITS[name]
    said = cli("fit", files / path, *options, "--out", "run")
    assert said.code == 0, said.err
    assert {path.name for path in (tmp_path / "run").iterdir()} == HOLDS
    lines = said.out.splitlines()
    assert lines[0].startswith(f"{path}{',' if path.endswith('z') else ':'}"), "first, what was taken for what"
    assert re.search(r"epochs?, about \d+ s on cpu in (float32|bf16) \(epochs set by --epochs\)$", lines[1]), (
        "then the plan"
    )
    rows = {"people": 96, "waves.": 96, "digits": 48, "pets": 40}[path[:6]]
    made = embeddings("run/embeddings.parquet")
    assert made.shape[0] == rows
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert made.std(0).max() > 1e-3
    probed = json.loads((tmp_path / "run/probes.json").read_text())
    if "--label" in options or "--label-key" in options:
        names = {score["representation"] for score in probed[0]["scores"]}
        assert {"raw features", "untrained encoder"} <= names
        ended = [line[:12].strip() for line in lines[lines.index("") + 1 :]]
        assert "all labels" in ended and ended[-2:] == ["verdict", "next"] and len(ended) <= 5
        told = cli("diagnose", "run").out
        assert all(name in told for name in names)
        assert probed[0]["sentence"] in told
    else:
        assert probed == []
        assert "probe a label: isotropy probe RUN PATH" in lines[-2]
    assert "open run/report.html" in lines[-1]
    parts = set(pd.read_parquet("run/embeddings.parquet")["part"])
    held_out = "--label" in options or "--label-key" in options or "--test-key" in options
    assert parts == ({"train", "test"} if held_out else {"train"})
    made_again = isotropy.load("run")
    assert np.array_equal(made_again.transform(files / path), made) or path == "waves.npz"


def test_a_fresh_process_gives_the_embeddings_of_the_run(files, cli):
    options = ["--label", "kind", "--epochs", 1, *QUICK, *SMALL_TABLE]
    assert cli("fit", files / "people.csv", *options, "--out", "run").code == 0
    code = (
        "import isotropy, numpy, pandas, sys; "
        "frame = pandas.read_csv(sys.argv[1]).iloc[::-1]; "
        "numpy.save('fresh.npy', isotropy.load('run').transform(frame))"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, str(files / "people.csv")], check=True, env=environment, timeout=120)
    assert np.array_equal(np.load("fresh.npy")[::-1], embeddings("run/embeddings.parquet"))


def test_a_label_changes_nothing_but_the_probes(files, cli):
    """The same rows are trained on, so the same encoder comes out: no method sees a label."""
    split = pd.read_csv(files / "people.csv")
    split["split"] = np.where(np.arange(len(split)) % 4 == 0, "test", "train")
    split.to_csv("one.csv", index=False)
    split.assign(kind=split["kind"].sample(frac=1, random_state=0).to_numpy()).to_csv("two.csv", index=False)
    for name in ("one", "two"):
        said = cli("fit", f"{name}.csv", "--label", "kind", "--epochs", 1, *QUICK, *SMALL_TABLE, "--out", name)
        assert said.code == 0, said.err
    assert np.array_equal(embeddings("one/embeddings.parquet"), embeddings("two/embeddings.parquet"))


def test_a_budget_and_the_default_become_epochs(files, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "seconds_per_epoch", lambda prepared: 2.0)
    monkeypatch.setattr(planning, "parts_of_budget", lambda prepared, budget, spent: Parts(budget))
    monkeypatch.setattr(defaults, "DEFAULT_BUDGET", 4.0)
    exact = ("--precision", "float32")
    said = cli("fit", files / "people.csv", *exact, "--budget", "2s", *SMALL_TABLE, "--out", "a")
    assert "1 epoch, about 2 s on cpu in float32 (--budget 2s)" in said.out
    said = cli("fit", files / "people.csv", *exact, *SMALL_TABLE, "--out", "b")
    assert "2 epochs, about 4 s on cpu in float32 (the default; --epochs or --budget change it)" in said.out
    assert "epochs = 2.0" in (tmp_path / "b/recipe.toml").read_text()
    said = cli("fit", files / "people.csv", *exact, "--set", "train.epochs=1", *SMALL_TABLE, "--out", "c")
    assert "1 epoch, about 2 s on cpu in float32 (epochs set by --set train.epochs)" in said.out


def test_runs_without_a_name_are_numbered_and_a_recipe_runs_again(files, cli, tmp_path):
    for folder in ("runs/people-byol", "runs/people-byol-2"):
        said = cli("fit", files / "people.csv", "--method", "byol", "--epochs", 1, "--seed", 3, *SMALL_TABLE)
        assert f"{folder}/report.html" in said.out
        assert (tmp_path / folder / "model.json").is_file()
    first = embeddings("runs/people-byol/embeddings.parquet")
    assert np.array_equal(first, embeddings("runs/people-byol-2/embeddings.parquet"))
    said = cli("fit", files / "people.csv", "--recipe", "runs/people-byol/recipe.toml", "--out", "again")
    assert said.code == 0, said.err
    assert np.array_equal(first, embeddings("again/embeddings.parquet"))


def test_columns_that_say_nothing_are_dropped_with_one_warning(files, cli):
    frame = pd.read_csv(files / "people.csv").assign(year=2024, note=np.nan)
    frame.to_csv("wide.csv", index=False)
    said = cli("fit", "wide.csv", "--label", "kind", "--epochs", 1, *QUICK, *SMALL_TABLE, "--out", "run")
    assert said.code == 0
    assert [line for line in said.err.splitlines() if "dropped" in line] == [
        "note: columns dropped (constant: 'year'; all missing: 'note')"
    ]


def test_probe_takes_another_label_and_report_is_written_anew(files, cli, tmp_path):
    path = files / "people.csv"
    options = ["--label", "kind", "--drop", "rank", "--epochs", 1, *QUICK, *SMALL_TABLE]
    fitted = cli("fit", path, *options, "--out", "run")
    assert fitted.code == 0, fitted.err
    said = cli("probe", "run", path, "--label", "rank")
    assert said.code == 0, said.err
    assert "rank: accuracy on" in said.out
    assert "no test part is named" in said.err
    # Lists may have commas, or be given in parts.
    parts = ["--evaluate", "knn", "--evaluate", "linear,search", "--label-budget", "1", "--label-budget", "5"]
    told = json.loads(cli("probe", "run", path, "--label", "rank", *parts, "--json").out)[0]
    assert {score["evaluator"] for score in told["scores"]} == {"knn", "linear", "search", "few_labels"}
    assert {one["size"] for one in told["few_labels"]} == {"1 a class", "5 a class"}
    assert cli("probe", "run", path, "--label", "rank", "--seed", 1, *QUICK).code == 0
    probed = json.loads((tmp_path / "run/probes.json").read_text())
    assert [entry["label"] for entry in probed] == ["kind", "rank"], "the newest in place of an older one"
    (tmp_path / "run/report.html").unlink()
    said = cli("report", "run")
    assert (said.code, said.out.strip()) == (0, "run/report.html")
    page = (tmp_path / "run/report.html").read_text()
    assert "rank" in page
    assert "untrained encoder" in page


@pytest.mark.parametrize("folder", ["run", "deep/a b/it's"])
def test_the_commands_on_the_page_work_where_the_user_stands(folder, files, cli, tmp_path):
    path = files / "people.csv"
    options = ["--label", "kind", "--drop", "rank", "--epochs", 1, *QUICK, *SMALL_TABLE]
    said = cli("fit", path, *options, "--out", folder)
    assert said.code == 0, said.err
    page = (tmp_path / folder / "report.html").read_text()
    commands = dict(report.summarise(folder)["commands"])
    assert all(escape(command) in page for command in commands.values())
    assert set(commands) == {"Load it in Python", "Embed new data", "Probe another label"}, "nothing is left to resume"
    for name in ("Embed new data", "Probe another label"):
        words = shlex.split(commands[name])
        quick = QUICK if name == "Probe another label" else []
        said = cli(*[{"DATA": path, "COLUMN": "rank"}.get(word, word) for word in words[1:]], *quick)
        assert (words[0], said.code) == ("isotropy", 0), said.err
    known = {"new_rows": pd.read_csv(path)}
    exec(commands["Load it in Python"], known)
    assert np.array_equal(known["vectors"], embeddings("embeddings.parquet"))
    (tmp_path / folder / "model.json").unlink()
    ((what, command),) = report.summarise(folder)["commands"]
    assert what == "Resume the training"
    assert cli(*shlex.split(command)[1:], *QUICK).code == 0


def test_methods_lists_all_that_there_are(cli):
    said = cli("methods")
    assert said.code == 0
    assert all(f"\n{name} " in said.out for name in ("byol", "lfr", "simclr", "vicreg"))


def test_help_comes_without_arguments_and_for_every_verb(cli):
    assert "Commands:" in cli().out
    for verb in ("fit", "embed", "probe", "report", "methods"):
        said = cli(verb, "--help")
        assert (said.code, said.err) == (0, "")
        assert said.out.startswith(f"Usage: isotropy {verb}")
