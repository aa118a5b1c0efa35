"""The tables of evidence on the terminal: on 80 columns every score is whole, with its interval."""

import re

import numpy as np
import pytest

from isotropy.cli import show
from isotropy.cli.table import show_evidence
from isotropy.evaluation import evaluate


@pytest.mark.parametrize("width", [80, 120])
def test_scores_are_whole_however_long_the_names_are(monkeypatch, capsys, width):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    x = y[:, None] + rng.normal(size=(120, 3))
    pairs = {"isotropy (center_subtraction, joined)": x, "random convolutions": x[:, :1], "raw": x[:, 1:]}
    found = evaluate(
        {name: (one[::2], one[1::2]) for name, one in pairs.items()}, y[::2], y[1::2],
        ours="isotropy (center_subtraction, joined)", label="kind", evaluators=("linear", "few_labels"), draws=3,
    )  # fmt: skip
    monkeypatch.setattr(show.OUT, "width", width)
    monkeypatch.setattr(show.OUT, "soft_wrap", False)
    show_evidence(found)
    out = capsys.readouterr().out
    assert all(len(line) <= width for line in out.splitlines())
    for line in found["ranking"]:
        shown = [f"{line[name]:.3f}".replace("0.", ".", 1) for name in ("value", "low", "high")]
        assert f"{shown[0]} [{shown[1]}, {shown[2]}]" in out
    table = out.partition("few labels")[0]
    assert table.count("[") == table.count("]") == 2 * len(pairs) - 1
    assert re.search(r"isotropy\s", table) and "joined)" in table


def test_what_does_not_fit_goes_on_below_itself(monkeypatch, capsys):
    monkeypatch.setattr(show.OUT, "width", 40)
    monkeypatch.setattr(show.OUT, "soft_wrap", False)
    show.say("few labels  accuracy .989 with 10 a class, not measurably different")
    show.say("a sentence without a head that is too long for one line of 40")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "few labels  accuracy .989 with 10 a"
    assert lines[1].startswith(" " * 12 + "class, not")
    assert lines[-1].startswith("line") or lines[-1][:1] != " "
