"""Every command that answers a person answers a program, too: one JSON value, and nothing else, on stdout."""

import json

import pytest

from .conftest import QUICK, SMALL_TABLE


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    from isotropy.cli import main

    folder = tmp_path_factory.mktemp("json") / "run"
    label = ["--label", "kind"]
    main(["fit", str(files / "people.csv"), *label, "--epochs", "1", "--out", str(folder), *QUICK, *SMALL_TABLE])
    return folder


def verbs():
    from typer.main import get_command

    from isotropy.cli.app import app

    return get_command(app).commands


def test_every_command_has_the_option():
    without = [n for n, verb in verbs().items() if not any("--json" in one.opts for one in verb.params)]
    assert without == []


def test_fit(cli, files, tmp_path):
    path, out = files / "people.csv", tmp_path / "run"
    planned = json.loads(cli("fit", path, "--epochs", 1, "--out", out, *SMALL_TABLE, "--dry-run", "--json").out)
    assert planned["epochs"] == 1 and planned["folder"] == str(out) and not out.exists()
    found = json.loads(cli("fit", path, "--epochs", 1, "--out", out, *QUICK, *SMALL_TABLE, "--json").out)
    assert found["folder"] == str(out) and "name" in found["verdict"] and found["evidence"] == []


def test_every_command_prints_one_value_and_nothing_else(cli, run, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isotropy.cli.demo._FIT", "--label-key digit --method lfr --epochs 0.2 --evaluate knn")
    path, model, shard = files / "people.csv", tmp_path / "model", tmp_path / "e.csv"
    calls = {
        "fit": [path, "--epochs", 1, "--out", "planned", "--dry-run"],
        "embed": [run, path, "--out", shard],
        "search": [run, "--query", "3,5", "-k", 2],
        "probe": [run, path, "--label", "kind", *QUICK],
        "finetune": [run, path, "--label", "kind", "--budget", "2s", "--out", model],
        "predict": [model, path, "--out", tmp_path / "p.csv"],
        "export": [run, "--to", "torchscript"],
        "diagnose": [run],
        "report": [run],
        "methods": ["--modality", "table"],
        "cluster": [run, "-k", 2],
        "explore": [run, "--write-only"],
        "audit": [run],
        "demo": [],
    }
    # That of compare is read in test_compare, which trains for it.
    assert set(calls) == set(verbs()) - {"compare"}
    said = {}
    for verb, arguments in calls.items():
        answer = cli(verb, *arguments, "--json")
        assert answer.code == 0, answer.err
        said[verb] = json.loads(answer.out)
    assert said["fit"]["method"] == "masked" and said["fit"]["rows"] == 96
    assert said["embed"]["rows"] == said["predict"]["rows"] == 96 and said["embed"]["file"] == str(shard)
    assert [len(one["neighbours"]) for one in said["search"]] == [2, 2]
    assert said["probe"][0]["label"] == "kind" and said["probe"][0]["ranking"]
    assert said["report"] == {"page": str(run / "report.html")}
    assert said["explore"]["columns"].keys() >= {"x", "y"} and said["demo"]["copies"] == 12


def test_a_mistake_is_still_one_line_on_stderr(cli, tmp_path):
    said = cli("search", tmp_path / "none", "--json")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
