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


def test_every_command_has_the_option():
    from typer.main import get_command

    from isotropy.cli.app import app

    # The explorer is a program with a page of its own, and the demo shows what other commands print.
    verbs = {name: verb for name, verb in get_command(app).commands.items() if name not in ("explore", "demo")}
    without = [n for n, verb in verbs.items() if not any("--json" in one.opts for one in verb.params)]
    assert without == []


def test_fit(cli, files, tmp_path):
    path, out = files / "people.csv", tmp_path / "run"
    planned = json.loads(cli("fit", path, "--epochs", 1, "--out", out, *SMALL_TABLE, "--dry-run", "--json").out)
    assert planned["epochs"] == 1 and planned["folder"] == str(out) and not out.exists()
    found = json.loads(cli("fit", path, "--epochs", 1, "--out", out, *QUICK, *SMALL_TABLE, "--json").out)
    assert found["folder"] == str(out) and "name" in found["verdict"] and found["evidence"] == []


def test_what_is_done_with_a_run(cli, run, files, tmp_path):
    path = files / "people.csv"
    found = json.loads(cli("embed", run, path, "--out", tmp_path / "e.csv", "--json").out)
    assert found["rows"] == 96 and found["file"] == str(tmp_path / "e.csv")
    found = json.loads(cli("search", run, "--query", "3,5", "-k", 2, "--json").out)
    assert [len(one["neighbours"]) for one in found] == [2, 2]
    found = json.loads(cli("probe", run, path, "--label", "kind", *QUICK, "--json").out)
    assert found[0]["label"] == "kind" and found[0]["ranking"]
    assert json.loads(cli("report", run, "--json").out) == {"page": str(run / "report.html")}


def test_a_mistake_is_still_one_line_on_stderr(cli, tmp_path):
    said = cli("search", tmp_path / "none", "--json")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1
