import json
import sys

import numpy as np
import pytest

import isotropy
from isotropy.cli.table import show_evidence
from isotropy.errors import UserError
from isotropy.evaluation import EVALUATORS, Measurement, chosen_rows, evaluate
from isotropy.evaluation.evaluate import conclusion
from isotropy.report.html import render
from isotropy.report.summarise import summarise
from isotropy.runs.directory import Run


def noisy(labels, noise, seed):
    return labels[:, None] + noise * np.random.default_rng(seed).normal(size=(len(labels), 3))


@pytest.fixture
def labels():
    return np.random.default_rng(0).integers(2, size=600)


def pair(labels, noise, seed=0):
    return noisy(labels[:300], noise, seed), noisy(labels[300:], noise, seed + 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [(0.1, 3.0, "beats"), (3.0, 0.1, "loses"), (0.1, 0.1, "no measurable difference")],
)
def test_the_verdict(labels, ours, theirs, outcome):
    pairs = {"weak": pair(labels, 5.0), "strong": pair(labels, theirs, 7), "us": pair(labels, ours)}
    found = evaluate(pairs, labels[:300], labels[300:], ours="us", label="kind")
    assert found["outcome"] == outcome and found["best"] == "strong"
    assert found["sentence"].startswith("kind: ")
    assert ("did not help" in found["sentence"]) == (outcome == "loses")
    assert [score["representation"] for score in found["scores"][::2]] == ["us", "weak", "strong"]
    json.dumps(found, allow_nan=False)


def test_all_are_probed_on_the_same_capped_rows(monkeypatch, labels):
    monkeypatch.setattr(sys.modules["isotropy.evaluation.evaluate"], "TRAIN_ROWS", 100)
    seen = []
    real = EVALUATORS["linear"]
    monkeypatch.setitem(EVALUATORS, "linear", lambda *a, **k: seen.append(a[0][:, 0]) or real(*a, **k))
    rows = np.arange(300.0)[:, None]
    train_x, test_x = pair(labels, 0.5)
    pairs = {"us": (np.hstack([rows, train_x]), np.hstack([rows, test_x])), "raw": (rows, rows)}
    found = evaluate(pairs, labels[:300], labels[300:], ours="us")
    assert len(seen[0]) == 100 and np.array_equal(seen[0], seen[1])
    assert abs(labels[seen[0].astype(int)].mean() - labels[:300].mean()) < 0.01
    assert found["rows"]["train"] == 100 and "100 of 300 training rows" in found["notes"][0]


def test_rows_without_a_label_and_classes_never_trained_on_are_said(labels):
    train_y, test_y = labels[:300].astype(object), labels[300:].astype(object)
    train_y[:10], test_y[0], test_y[1] = None, None, 9
    pairs = {"us": pair(labels, 0.5), "raw": pair(labels, 1.0)}
    found = evaluate(pairs, train_y, test_y, ours="us")
    assert found["rows"] == {"train": 290, "test": 299}
    assert any("10 of 300 training rows" in note for note in found["notes"])
    assert any(note.startswith("1 test rows have a class") for note in found["notes"])


def test_choosing_rows_twice_changes_nothing(monkeypatch, labels):
    monkeypatch.setattr(sys.modules["isotropy.evaluation.evaluate"], "TRAIN_ROWS", 50)
    first, _ = chosen_rows(labels, labels)
    again, _ = chosen_rows(labels[first], labels)
    assert len(first) == 50 and np.array_equal(again, np.arange(50))


def test_numbers_are_compared_by_r2(labels):
    y = labels + np.random.default_rng(1).normal(size=600)
    pairs = {"us": pair(y, 0.1), "raw": pair(y, 5.0)}
    found = evaluate(pairs, y[:300], y[300:], ours="us")
    assert found["scores"][0]["metric"] == "R2" and found["outcome"] == "beats" and found["classes"] is None


def test_mistakes_get_one_line(labels):
    pairs = {"trained": pair(labels, 0.5), "raw": pair(labels, 1.0)}
    with pytest.raises(UserError, match="did you mean 'trained'"):
        evaluate(pairs, labels[:300], labels[300:], ours="traind")
    with pytest.raises(UserError, match="only the class 1"):
        evaluate(pairs, np.ones(300, int), labels[300:], ours="trained")
    with pytest.raises(UserError, match="at least one baseline"):
        evaluate({"us": pairs["raw"]}, labels[:300], labels[300:], ours="us")
    with pytest.raises(UserError, match="raw: there are 300 training rows and 299 labels"):
        evaluate(
            pairs | {"trained": (pairs["raw"][0][1:], pairs["raw"][1])}, labels[1:300], labels[300:], ours="trained"
        )


@pytest.mark.parametrize(("low", "high"), [(-0.001, 0.02), (-0.02, 0.001)])
def test_an_interval_across_zero_is_no_difference(low, high):
    us = {"representation": "us", "evaluator": "linear", "labels": 9, "value": 0.8}
    raw = us | {"representation": "raw", "value": 0.79, "difference": {"value": 0.01, "low": low, "high": high}}
    facts = {"label": "kind", "ours": "us", "decided_by": "linear", "scores": [us, raw]}
    assert conclusion(facts)["outcome"] == "no measurable difference"


@pytest.mark.parametrize(
    ("names", "line"),
    [(["liner"], "did you mean 'linear'"), (["knn", "knn"], "given twice"), ([], "choose among linear, knn")],
)
def test_evaluators_that_are_not_there(labels, names, line):
    pairs = {"us": pair(labels, 0.5), "raw": pair(labels, 1.0)}
    with pytest.raises(UserError, match=line):
        evaluate(pairs, labels[:300], labels[300:], ours="us", evaluators=names)


def first_column(train_z, train_y, test_z, test_y, *, task, seed):
    """Score how often the sign of the first column is the class, with all labels and with none."""
    right = ((test_z[:, 0] > 0.5) == test_y).astype(float)[:, None]
    yield Measurement("agreement", 0, right)
    yield Measurement("agreement", len(train_y), right)


def test_an_evaluator_that_a_user_registers_is_shown_everywhere(monkeypatch, labels, tmp_path, capsys):
    monkeypatch.setitem(EVALUATORS, "first_column", first_column)
    pairs = {"us": pair(labels, 0.1), "raw": pair(labels, 3.0)}
    found = evaluate(pairs, labels[:300], labels[300:], ours="us", label="kind", evaluators=("first_column", "knn"))
    assert found["decided_by"] == "first_column" and found["outcome"] == "beats"
    show_evidence(found)
    assert "first column (300)" in capsys.readouterr().out
    runs = []
    for method in ("simclr", "byol"):
        run = Run(tmp_path / method)
        run.folder.mkdir()
        (run.folder / "recipe.toml").write_text(isotropy.Recipe.default(method, "table").to_toml())
        (run.folder / "data.json").write_text("{}")
        run.keep_evidence([found])
        assert run.read_comparisons() == [found]
        assert "first column (0)" in render(summarise(run.folder))
        runs.append(run.folder)
    assert "best by first column:" in isotropy.compare(runs).sentence
