"""The end of `isotropy fit`: five lines, and what stands in them."""

from pathlib import Path
from time import sleep

import numpy as np
import pytest

from isotropy.cli import show
from isotropy.cli.summary import notes_of, summary
from isotropy.diagnostics.answers import Answer
from isotropy.diagnostics.verdict import Verdict
from isotropy.evaluation import evaluate

HEALTHY = Verdict("healthy", "", answers=(Answer("still learning", "no", ""),))


def classes(shift, label="kind"):
    """Return the evidence of features in which three classes are so far apart, beside features without them."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 80)
    place = np.repeat(np.arange(3.0), 80)[:, None]
    test = np.arange(len(y)) % 2 == 0
    features = {
        "isotropy (vicreg)": rng.normal(size=(240, 4)) + shift * place,
        "raw features": rng.normal(size=(240, 4)),
    }
    if shift < 0:
        features = dict(zip(features, reversed(features.values()), strict=True))
    pairs = {name: (x[~test], x[test]) for name, x in features.items()}
    return evaluate(pairs, y[~test], y[test], ours="isotropy (vicreg)", label=label)


@pytest.mark.parametrize(("shift", "said"), [(3, "ahead of"), (0, "not measurably different from"), (-3, "behind")])
def test_five_lines_say_what_the_embedding_is_worth_beside_what_is_free(shift, said):
    found = classes(shift)
    lines = summary([found], HEALTHY, Path("run"), Path("run/report.html"), "--epochs 9")
    assert [line[:12].strip() for line in lines] == ["few labels", "all labels", "search", "verdict", "next"]
    ours = next(line for line in found["ranking"] if line["representation"] == found["ours"])
    few = next(one for one in found["few_labels"] if one["size"] == "10 a class")
    values = [few["ours"], ours["value"]]
    for line, value in zip(lines, values, strict=False):
        assert f" accuracy {value:.3f}".replace("0.", ".", 1) in line
    assert all(f", {said} the best free (" in line for line in lines[:3])
    assert lines[3] == "verdict     healthy; more time would hardly help"
    assert "run/report.html" in lines[4] and "isotropy diagnose run" in lines[4]
    taken = {3: "for kind take the embedding with all labels ", -3: "for kind take raw features with all labels "}
    assert lines[4].startswith(
        f"next        {taken.get(shift, 'nothing here reads kind measurably better than guess')}"
    )


def test_what_is_free_and_the_untrained_encoder_are_two_questions():
    found = classes(3)
    beside = {"value": 0.9, "low": 0.85, "difference": {"value": -0.05, "low": -0.09, "high": 0.01}, "detail": {}}
    untrained = beside | {"representation": "untrained encoder", "evaluator": "search", "metric": "precision at 10"}
    few = next(one for one in found["few_labels"] if one["size"] == "10 a class")
    found["scores"] = [
        *found["scores"], untrained, untrained | {"evaluator": "few_labels", "detail": {"size": few["size"]}},
    ]  # fmt: skip
    found["ranking"] = [untrained, *found["ranking"]]
    for line in summary([found], HEALTHY, Path("run"), Path("page"), "")[:3]:
        best = line.partition("ahead of the best free (")[2]
        assert best.endswith("raw features), not measurably different from itself untrained (.900)")
    untrained["difference"] = {"value": 0.05, "low": 0.01, "high": 0.09}
    line = summary([found], HEALTHY, Path("run"), Path("page"), "")[1]
    assert ", ahead of the best free (" in line and line.endswith(", raw features) and itself untrained (.900)")


def test_several_labels_have_a_line_each_and_none_has_the_verdict_alone():
    lines = summary([classes(3), classes(0, "place")], HEALTHY, Path("run"), Path("page"), "")
    assert [line.split()[0] for line in lines] == ["kind", "place", "verdict", "next"]
    assert "ahead of" in lines[0] and "not measurably different" in lines[1]
    alone = summary([], HEALTHY, Path("run"), Path("page"), "")
    assert alone[0].startswith(
        "verdict     healthy; probe a label: isotropy probe RUN PATH --label NAME; more time would"
    )
    assert len(alone) == 2


def test_what_to_try_comes_before_more_time():
    wrong = Verdict("point collapse", "", advice=("a lower rate", "another method"))
    assert summary([], wrong, Path("run"), Path("page"), "")[0] == "verdict     point collapse; a lower rate"
    learning = Verdict("healthy", "", answers=(Answer("still learning", "yes", ""),))
    longer = summary([], learning, Path("run"), Path("page"), "--epochs 9")[0]
    assert longer.endswith("; more time would still help (isotropy fit --resume run --epochs 9)")
    behind = Verdict("worse than free", "", advice=("use PCA instead",), answers=HEALTHY.answers)
    more = "more time would hardly help"
    said = f"verdict     worse than free; use PCA instead; {more}"
    assert summary([], behind, Path("run"), Path("page"), "--epochs 9")[0] == said


def test_a_wait_says_what_is_done_on_a_terminal_alone(monkeypatch, capsys):
    with show.waiting("reading") as now:
        now("searching")
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(show, "OUT", show.PlainConsole())
    monkeypatch.setattr(show.OUT, "_force_terminal", True)
    monkeypatch.setattr(show.OUT, "is_interactive", True)
    with show.waiting("reading [it]") as now:
        sleep(0.3)  # drawn every .08 seconds
        show.OUT.print("between")
        now("searching")
        sleep(0.3)
    said = capsys.readouterr().out
    assert "reading [it]" in said and "between" in said and "searching" in said


def test_notes_of_several_labels_name_theirs():
    rare, few, rough = "92% of the training rows are 'no'.", "Too few training labels for 1 %.", "Only 9 test rows."
    y = {"label": "y", "notes": ["said before", rough, rare, few]}
    z = {"label": "z", "notes": ["said before", rough, few, "label z: 12 whole numbers", "MLP on us: not converged."]}
    num = {"label": "num", "notes": ["said before", rough]}
    assert notes_of([y], ["said before"]) == [rough, rare, few], "one label needs no name"
    assert notes_of([y, z, num], ["said before"]) == [
        rough,
        f"label y: {rare}",
        "label y: too few training labels for 1 %.",
        "label z: too few training labels for 1 %.",
        "label z: 12 whole numbers",
        "label z: MLP on us: not converged.",
    ]
    assert notes_of([], []) == []
