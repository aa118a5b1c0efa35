"""`isotropy compare` on tiny data: to its end, interrupted, repeated, refused, and its page."""

import json
import re
import signal
from html.parser import HTMLParser

import pytest

from end_to_end.conftest import SMALL_TABLE
from isotropy.cli.live import LiveLine
from isotropy.runs import contest

METHODS = ["--methods", "simclr,masked", *SMALL_TABLE]


@pytest.fixture(autouse=True)
def _quick_evidence(monkeypatch):
    monkeypatch.setattr(contest, "DEFAULT", ("linear", "few_labels", "search"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compared") / "people"


@pytest.fixture
def finished(cli, files, folder):
    said = cli("compare", files / "people.csv", "--label", "kind", "--budget", "16s", "--out", folder, *METHODS)
    assert said.code == 0, said.err
    return said


def test_it_ends_in_a_leaderboard_and_one_recommendation(finished, folder):
    out = finished.out
    assert re.search(r"^simclr .*\d±\.\d+", out, re.M) and re.search(r"^raw features ", out, re.M)
    assert re.search(r"^(Train|Do not train|Nothing here reads kind) ", out, re.M)
    assert f"report      {folder / 'report.html'}" in out
    board = json.loads((folder / "leaderboard.json").read_text())
    assert board["recommendation"]["sentence"] in " ".join(out.split())
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["evidence", "masked-0", "simclr-0"]


def test_the_same_command_again_trains_nothing_and_says_the_same(finished, cli, files, folder):
    again = cli("compare", files / "people.csv", "--label", "kind", "--budget", "16s", "--out", folder, *METHODS)
    assert again.code == 0 and "runs to train" not in again.out
    board = json.loads((folder / "leaderboard.json").read_text())
    assert board["recommendation"]["sentence"] in " ".join(again.out.split())


def test_json_is_all_that_is_printed(finished, cli, files, folder):
    said = cli(
        "compare", files / "people.csv", "--label", "kind", "--budget", "16s", "--out", folder, "--json", *METHODS
    )
    board = json.loads(said.out)
    assert [row["name"] for row in board["rows"] if row["kind"] == "method"]


def test_the_runs_can_be_embedded_probed_and_reported(finished, cli, files, folder, tmp_path):
    run = folder / "simclr-0"
    assert cli("embed", run, files / "people.csv", "--out", tmp_path / "z.npy").code == 0
    assert cli("probe", run, files / "people.csv", "--label", "kind", "--evaluate", "knn").code == 0
    assert cli("report", run).code == 0 and (run / "report.html").is_file()


class _Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "line", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("meta", "line", "br"):
            assert self.open.pop() == tag


def test_the_page_has_the_leaderboard_and_the_recommendation(finished, cli, folder):
    (folder / "report.html").unlink()
    assert cli("report", folder).code == 0
    page = (folder / "report.html").read_text()
    board = json.loads((folder / "leaderboard.json").read_text())
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    assert page.count("<tr ") >= len(board["rows"])
    for text in ("Leaderboard", "Few labels", "untrained encoder", f"isotropy report {folder / 'masked-0'}"):
        assert text in page, text
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(cli, files, tmp_path, monkeypatch):
    shown = LiveLine.show

    def interrupted(self, step, health):
        shown(self, step, health)
        if step.number == 10:
            signal.raise_signal(signal.SIGINT)

    command = [
        "compare",
        files / "people.csv",
        "--label",
        "kind",
        "--budget",
        "16s",
        "--out",
        tmp_path / "out",
        *METHODS,
    ]
    monkeypatch.setattr(LiveLine, "show", interrupted)
    said = cli(*command)
    assert said.code == 130
    assert "stopped in simclr-0, whose step was saved; go on with the same command: isotropy compare " in said.err
    assert said.err.count("go on with") == 1
    monkeypatch.setattr(LiveLine, "show", shown)
    unfinished = cli("report", tmp_path / "out")
    assert unfinished.code == 2 and "not finished" in unfinished.err
    assert cli(*command).code == 0
    assert (tmp_path / "out" / "leaderboard.json").is_file()


def test_without_a_label_two_seeds_are_trained_and_nothing_is_ranked(cli, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = cli("compare", files / "people.parquet", "--drop", "kind", "--budget", "16s", *METHODS)
    assert said.code == 0, said.err
    assert "No winner can be named without a label" in said.out
    assert (tmp_path / "runs" / "people-compare" / "masked-1" / "model.json").is_file()
    page = (tmp_path / "runs" / "people-compare" / "report.html").read_text()
    assert "Same neighbours" in page and "Not proven" in page


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--methods", "simclrr"], "did you mean 'simclr'"),
        (["--methods", "ts2vec"], "takes series data"),
        (["--budget", "soon"], "a time is written as"),
        (["--budget", "10ms"], "a time is written as"),
        (["--methods", "masked", "--budget", "0.01s"], "the smallest that works here is"),
        (["--label", "nowhere"], "nowhere"),
        (["--task", "numbers"], "label kind: '"),
    ],
)
def test_mistakes_are_one_line(more, expected, cli, files, tmp_path):
    said = cli("compare", files / "people.csv", "--label", "kind", "--out", tmp_path / "out", *more)
    assert said.code == 2 and expected in said.err
    errors = [line for line in said.err.splitlines() if line.startswith("isotropy:")]
    assert len(errors) == 1


def test_a_folder_with_another_comparison_is_refused(finished, cli, files, folder):
    said = cli("compare", files / "people.csv", "--label", "kind", "--out", folder, "--methods", "masked")
    assert said.code == 2 and "holds a comparison of other methods" in said.err
