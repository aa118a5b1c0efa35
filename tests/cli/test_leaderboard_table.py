"""The leaderboard on the terminal: everything on 80 columns, with short times and factors."""

import pytest

from isotropy.cli import show
from isotropy.cli.leaderboard import show_leaderboard


def cell(value, **more):
    return {"value": value, "low": value - 0.012, "high": value + 0.014, **more}


def board(*rows, label="digit"):
    return {
        "label": label, "metric": "balanced accuracy", "rows_used": {"train": 10_000, "test": 20_000}, "spent": 610.0,
        "budget": 600.0, "test_rows": 2000, "rows": list(rows),
        "notes": ["Only 80 test rows: the intervals are rough."],
        "recommendation": {"outcome": "train", "sentence": "Train center_subtraction."},
    }  # fmt: skip


METHOD = {
    "name": "center_subtraction", "kind": "method", "all": cell(0.9786), "few": cell(0.8, size="10 a class"),
    "search": cell(0.91), "training_seconds": 123.0, "embedding_seconds": 0.0123, "width": 3072,
    "verdict": "no better than the random encoder",
    "few_labels": [{"size": "10 a class", "label_factor": {"value": None, "measured_to": 123.0}}],
}  # fmt: skip
FREE = {"name": "random convolutions", "kind": "free", "all": cell(0.96), "few": None, "search": None, "width": 9996}


@pytest.fixture(params=[80, 120])
def lines(request, monkeypatch, capsys):
    def shown(found):
        monkeypatch.setattr(show.OUT, "width", request.param)
        monkeypatch.setattr(show.OUT, "soft_wrap", False)
        show_leaderboard(found)
        out = capsys.readouterr().out.splitlines()
        assert all(len(line) <= request.param for line in out), out
        return out

    return shown


def test_the_leaderboard_is_whole_on_a_narrow_terminal(lines):
    text = "\n".join(lines(board(METHOD, FREE)))
    for part in (".979±.013", ".800±.013", ".910±.013", ">x1.2e+02", "2m03s", "12ms", "3072", "9996", "10m10s of 10m"):
        assert part in text, part
    assert "Train center_subtraction." in text and "the intervals are rough" in text
    assert "guessing" not in text


def test_what_guessing_scores_is_the_last_line(lines):
    found = board(METHOD, FREE) | {"majority": 0.25, "search_by_chance": 0.84}
    (line,) = (one.split() for one in lines(found) if one.startswith("guessing"))
    assert line == ["guessing", ".250", ".250", ".840", "-", "-", "-", "-", "-"]


def test_without_a_label_it_shows_what_two_seeds_share(lines):
    rows = [
        {"name": "lfr", "kind": "method", "stability": cell(0.78), "training_seconds": 60.0, "width": 256,
         "embedding_seconds": 0.01, "verdict": "healthy"},
        {"name": "untrained encoder", "kind": "free", "stability": cell(0.5), "width": 256},
    ]  # fmt: skip
    text = "\n".join(lines(board(*rows, label="")))
    assert "no label" in text and ".780±.013" in text and "factor" not in text


def test_a_run_that_diverged_has_no_score(lines):
    failed = {"name": "byol", "kind": "method", "few_labels": [], "verdict": "diverged", "training_seconds": 3.0}
    assert "diverged" in "\n".join(lines(board(FREE, failed)))
