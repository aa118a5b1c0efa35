"""`isotropy diagnose`, `--stop-on-collapse` and what both leave, on a small table."""

import json
from html import escape
from pathlib import Path

import pytest

import isotropy
from end_to_end.conftest import QUICK, SMALL_TABLE

FIT = ["--method", "simclr", "--epochs", "60", *QUICK, *SMALL_TABLE]


@pytest.fixture
def run(cli, files):
    said = cli("fit", files / "people.csv", "--label", "kind", *FIT, "--out", "run")
    assert said.code == 0, said.err
    return said


def test_fit_ends_with_a_verdict_that_diagnose_repeats(run, cli):
    line = next(line for line in run.out.splitlines() if line.startswith("verdict "))
    found = json.loads(cli("diagnose", "run", "--json").out)
    assert found == isotropy.diagnose("run").to_json() and f" {found['name']}; " in line
    told = cli("diagnose", "run").out
    assert f"verdict     {found['name']}: {found['sentence']}" in told and "kind: accuracy on" in told
    assert escape(found["sentence"]) in Path("run/report.html").read_text()


def test_a_collapse_stops_without_a_checkpoint_and_says_how_to_go_on(cli, files):
    sure = [*FIT, "--set", "views.mask=0", "--set", "optim.lr=30", "--set", "optim.name=sgd"]
    said = cli("fit", files / "people.csv", *sure, "--out", "bad", "--stop-on-collapse")
    assert said.code == 3, said.out
    assert "for --stop-on-collapse" in said.out and "--resume bad" in said.out
    assert cli("diagnose", "bad").out.startswith(("verdict     point collapse", "verdict     div", "verdict     dim"))


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_no_run_is_one_line(cli, where):
    said = cli("diagnose", where)
    assert said.code == 2 and len(said.err.strip().splitlines()) == 1 and not said.out


def test_a_damaged_run_is_one_line(run, cli, tmp_path):
    (tmp_path / "run" / "diagnostics.jsonl").write_text("{}\n{}\n")
    said = cli("diagnose", "run")
    assert said.code == 2 and "damaged" in said.err and len(said.err.strip().splitlines()) == 1
