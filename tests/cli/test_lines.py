"""What the terminal shows: the live line, the table of evidence at 80 columns, times in words."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.table import Table

from isotropy.cli import fit, live, search, show, table
from isotropy.cli.budget import seconds_of
from isotropy.data import Data
from isotropy.diagnostics.answers import Answer
from isotropy.diagnostics.verdict import Verdict
from isotropy.errors import UserError
from isotropy.evaluation import evaluate
from isotropy.evaluation.score import read_comparison

RUN = Path(__file__).parents[1] / "fixtures" / "run-0.1" / "finished"


def step(number, *, seconds=0.1, waited=0.02):
    """Return what the line reads of a step: 8 steps of 50 rows make an epoch of two."""
    return SimpleNamespace(
        number=number, steps=16, epoch=number / 8, terms={"invariance": 1.23456, "variance": 20.0}, rows=50,
        seconds=seconds, waited=waited,
    )  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test sets."""
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(live, "perf_counter", lambda: now.time)
    return now


def watched(clock, numbers, health):
    """Return the line after steps that took half a second each."""
    line = live.LiveLine(2.0)
    for number in numbers:
        clock.time += 0.5
        line.show(step(number), health)
    return line.line(step(numbers[-1]), health)


def test_the_line_says_where_training_is_how_it_goes_and_how_long_it_takes(clock):
    line = watched(clock, range(1, 5), {"effective_rank": 12.34, "mean_norm": 0.456})
    assert line == (
        "epoch 0.5/2 | invariance 1.235  variance 20 | 100 samples/s | data 20% | rank 12.3 | mean 0.46 | 6 s left"
    )
    line = watched(clock, range(1, 17), {"effective_rank": None, "mean_norm": 1.0})
    assert line.endswith("rank none | mean 1.00 | took 8 s")


def test_the_loss_is_the_mean_of_the_last_steps_and_not_the_last_batchs(clock):
    line = live.LiveLine(2.0)
    for number in range(1, 101):
        one = step(number)
        one.terms = {"contrast": 1000.0 if number <= 50 else 1.0 + number % 2}
        line.show(one, {})
    assert " | contrast 1.5 | " in line.line(one, {})


def test_the_live_line_names_the_verdict_and_whether_more_is_learnt():
    def said(name, learning):
        return fit._label(Verdict(name, "", answers=(Answer("still learning", learning, ""),)))

    assert said("healthy", "yes") == "healthy, still learning"
    assert said("healthy", "no") == "healthy, no longer learning"
    assert said("not collapsed", "not known") == "not collapsed"
    assert said("unknown", "yes") == "still learning" and said("unknown", "not known") == ""
    assert said("point collapse", "yes") == "point collapse", "more time does not help"


def test_the_epoch_never_exceeds_its_total():
    line = live.LiveLine(1.669)
    assert line.line(step(16), {}).startswith("epoch 1.669/1.669 | ")
    assert line.line(step(8), {}).startswith("epoch 1.000/1.669 | ")


def test_a_resumed_training_tells_its_time_from_its_own_steps(clock):
    assert watched(clock, range(9, 13), {}).endswith("| data 20% | 2 s left"), "4 steps of half a second are left"


def test_the_line_is_folded_between_its_parts():
    line = (
        "epoch 100.0/600 | invariance 1.235  variance 20  covariance 0.7 | 2,262 samples/s | data 4% | 1 min 06 s left"
    )
    assert live.folded(line, 200) == line
    for width in (40, 80, 100):
        lines = live.folded(line, width).split("\n")
        assert " | ".join(lines) == line
        assert len(lines) > 1
        assert all(len(part) <= width or " | " not in part for part in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_evidence_is_whole_on_a_narrow_terminal(width, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    names = ["isotropy (vicreg)", "raw features", "PCA (2304)", "untrained encoder", "summary features"]
    pairs = {name: (rng.normal(size=(100, 3)), rng.normal(size=(100, 3))) for name in names}
    found = evaluate(pairs, y[:100], y[100:], ours=names[0], label="kind")
    monkeypatch.setattr(show.OUT, "width", width)
    monkeypatch.setattr(show.OUT, "soft_wrap", False)
    table.show_evidence(found)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines)
    assert not any("…" in line for line in lines)
    for name in names:
        row = next(line for line in lines if line.startswith(name))
        ours = name == found["ours"]
        assert row.count("[") == row.count("]") == (1 if ours else 2), "no interval is cut"
    few = next(place for place, line in enumerate(lines) if line.startswith("few labels"))
    assert all(any(line.startswith(name) for line in lines[few:]) for name in names)


def test_times_in_words_and_from_words():
    assert [show.duration(s) for s in (0.2, 59.4, 60, 3599, 3600, 9000)] == [
        "1 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "2 h 30 min",
    ]  # fmt: skip
    assert [seconds_of(t) for t in ("90s", "10m", "1h30m", "0.5h", "1m 5s")] == [90, 600, 5400, 1800, 65]
    for text in ("", "10", "s", "0s", "10 min", "-5m", "1m1h"):
        with pytest.raises(UserError, match="a time is written as 90s, 10m or 1h30m"):
            seconds_of(text)


def test_a_complaint_is_one_line(capsys):
    show.complain("one\n  two\nthree " + "x" * 300)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("isotropy: one two three xxx")


@pytest.mark.parametrize(
    "name", ["pay [/bold", "[red]pay[/]", "a[/]b", ":smile:", "\x1b]0;title\x1b[2J", "\u202eyap\x9b1A"]
)
def test_what_data_say_is_shown_and_never_obeyed(name, capsys):
    found = json.loads(RUN.joinpath("probes.json").read_text())[0]
    found = read_comparison(found | {"label": name, "sentence": f"{name}: as it is.", "notes": [name]})
    table.show_evidence(found | {"metric": name})
    show.say(name)
    show.note(name)
    show.complain(name)
    said = "".join(capsys.readouterr())
    assert said.count(show.visible(name)) >= 5
    assert all(character == "\n" or character.isprintable() for character in said)


STEERING = "a\nb\tc\x07d\x0b"
SEEN = r"a\nb\tc\x07d\x0b"


def test_a_value_stays_in_its_line_and_in_its_cell(capsys):
    frame = pd.DataFrame({"n\tn": [1, 2], "job": [STEERING, "e\nf"]})
    labels = np.array([STEERING, STEERING], dtype=object)
    data = Data(frame, "table")
    rows, scores = np.array([[1]]), np.array([[0.5]], dtype=np.float32)
    search._show(search._Found(data, data, ["row 0"], [0], rows, scores, {"label": labels}), 0)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [rf"row 0          {SEEN}  n\tn 1  job {SEEN}", rf"  1    0.5000  {SEEN}  n\tn 2  job e\nf"]
    show.note(f"label {STEERING}")
    assert capsys.readouterr().err == f"note: label {SEEN}\n"


def test_only_ends_of_lines_of_our_own_are_kept(capsys):
    show.say("one\n  t\two\x07")
    cells = Table(box=None, show_header=False, padding=0)
    cells.add_row("one\nt\two\x07")
    show.OUT.print(cells)
    assert capsys.readouterr().out.split("\n") == ["one", r"  t\two\x07", "one      ", r"t\two\x07", ""]
