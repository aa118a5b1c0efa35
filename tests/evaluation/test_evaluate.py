import json
import sys

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import isotropy
from isotropy.cli.table import show_evidence
from isotropy.errors import UserError
from isotropy.evaluation import EVALUATORS, Measurement, chosen_rows, evaluate
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
    assert ("behind the best free" in found["sentence"]) == (outcome == "loses")
    names = list(dict.fromkeys(score["representation"] for score in found["scores"]))
    assert names == ["us", "weak", "strong", "label propagation"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("noise", "said"), [(0.3, 0), (1e6, 1)])
def test_what_nothing_reads_better_than_guessing_is_said(labels, noise, said):
    pairs = {"us": pair(labels, noise), "raw": pair(labels, 1e6, seed=1)}
    notes = evaluate(pairs, labels[:300], labels[300:], ours="us", label="kind")["notes"]
    assert sum(note.startswith("Nothing here reads kind measurably better than guessing (") for note in notes) == said


def test_all_are_probed_on_the_same_capped_rows(monkeypatch, labels):
    monkeypatch.setattr(sys.modules["isotropy.evaluation.evaluate"], "TRAIN_ROWS", 100)
    seen = []
    real = EVALUATORS["linear"]
    monkeypatch.setitem(EVALUATORS, "linear", lambda one, asked: seen.append(one.train[:, 0]) or real(one, asked))
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
    line = "label label: in the test part alone: '9' (1 row), which no probe can learn: errors in every score"
    assert line in found["notes"]


def test_test_rows_of_classes_that_were_never_trained_on_get_one_line():
    """As where classes come one after the other and the rows are divided in time."""
    x = np.random.default_rng(0).normal(size=(60, 4))
    y = np.repeat(["spring", "summer", "autumn"], 20)
    pairs = {"us": (x[:40], x[40:]), "raw": (x[:40], x[40:])}
    with pytest.raises(UserError, match="no class of the 20 test rows, such as 'autumn', is in the training part"):
        evaluate(pairs, y[:40], y[40:], ours="us", label="season")


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
    with pytest.raises(UserError, match="raw: 300 training features do not go with 299 labels"):
        evaluate(
            pairs | {"trained": (pairs["raw"][0][1:], pairs["raw"][1])}, labels[1:300], labels[300:], ours="trained"
        )


@pytest.mark.parametrize(("noise", "outcome"), [(0.55, "no measurable difference"), (3.0, "beats")])
def test_an_interval_across_zero_is_no_difference(labels, noise, outcome):
    found = evaluate({"us": pair(labels, 0.5), "raw": pair(labels, noise, 3)}, labels[:300], labels[300:], ours="us")
    gap = found["ranking"][-1]["difference"] or found["ranking"][0]["difference"]
    assert (gap["low"] > 0) == (outcome == "beats") and found["outcome"] == outcome


def test_ours_is_compared_with_the_best_over_all_probes_of_what_is_free():
    """No line through the raw features tells opposite quadrants apart, neighbours do; ours beats the line alone."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    ours = y[:, None] + 1.0 * rng.normal(size=(1200, 1))
    found = evaluate(
        {"us": (ours[:600], ours[600:]), "raw": (x[:600], x[600:])},
        y[:600],
        y[600:],
        ours="us",
        evaluators=["linear", "knn"],
    )
    scores = {(s["representation"], s["evaluator"], s["metric"]): s["value"] for s in found["scores"]}
    assert scores["us", "linear", "accuracy"] > scores["raw", "linear", "accuracy"]
    assert found["outcome"] == "loses" and found["ranking"][0]["evaluator"] == "knn"


def test_the_label_factor_is_what_was_planted():
    """Ours has four columns of the class, raw two: with twice the noise variance it takes more labels to be as good."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4000)
    ours = y[:, None] + 1.0 * rng.normal(size=(4000, 2))
    raw = np.concatenate([ours, 3 * rng.normal(size=(4000, 60))], axis=1)
    pairs = {"us": (ours[:2000], ours[2000:]), "raw": (raw[:2000], raw[2000:])}
    found = evaluate(pairs, y[:2000], y[2000:], ours="us", evaluators=["linear", "few_labels"])
    line = next(row for row in found["few_labels"] if row["size"] == "10 a class")
    assert line["best"] in ("raw", "label propagation") and line["difference"]["low"] > 0
    factor = line["label_factor"]
    assert factor["value"] > 2 and factor["low"] > 1 and factor["low"] <= factor["value"] <= (factor["high"] or 1e9)
    same = evaluate(pairs | {"raw": pairs["us"]}, y[:2000], y[2000:], ours="us", evaluators=["few_labels"])
    assert all(
        row["label_factor"]["value"] == pytest.approx(1, abs=0.5)
        for row in same["few_labels"][1:]
        if row["best"] == "raw"
    )


def test_representations_that_are_measured_side_by_side_have_the_scores_of_one_after_the_other(labels):
    pairs = {name: pair(labels, noise) for name, noise in (("us", 0.5), ("raw", 1.0), ("other", 2.0))}
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        begun = []
        try:
            # Numpy's products round in another way on two threads.
            with threadpool_limits(1):
                one = evaluate(
                    pairs, labels[:300], labels[300:], ours="us", sizes=(2, 20), draws=3, progress=begun.append
                )
        finally:
            torch.set_num_threads(before)
        assert sorted(begun[:3]) == ["other", "raw", "us"] and begun[3:] == ["label propagation"]
        found.append(list(leaves([{**score, "seconds": 0} for score in one["scores"]] + [one["sentence"]])))
    # Processors round products of one thread and of another in ways of their own.
    numbers, others = ([[one for one in each if isinstance(one, float) == kind] for each in found] for kind in (1, 0))
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-5) and others[0] == others[1]


def leaves(value):
    if isinstance(value, dict | list):
        for one in value.items() if isinstance(value, dict) else value:
            yield from leaves(list(one) if isinstance(one, tuple) else one)
    else:
        yield value


def test_imbalanced_classes_are_not_led_by_the_accuracy():
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.1).astype(int)
    pairs = {"us": pair(y[:600], 1.0), "raw": pair(y[:600], 3.0)}
    found = evaluate(pairs, y[:300], y[300:600], ours="us", evaluators=["linear"])
    assert found["metric"] == "AUROC" and found["majority"] == 0.5
    assert any("of the training rows are 0: AUROC decides" in note for note in found["notes"])


def test_what_guessing_scores_stands_beside_every_score_of_imbalanced_classes(capsys):
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.1).astype(int)
    pairs = {"us": pair(y, 1.0), "raw": pair(y, 3.0)}
    found = evaluate(pairs, y[:300], y[300:], ours="us", label="kind")
    drawn = np.mean([(y[:300] == one).mean() for one in y[300:]])
    assert found["search_by_chance"] == pytest.approx(drawn, abs=1e-12)
    assert found["sentence"].count("(.500 by guessing)") == 2
    assert f"({drawn:.3f} by guessing)".replace("0.", ".") in found["sentence"]
    show_evidence(found)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("guessing")]
    assert [line[1] for line in lines] == [".500", ".500"]
    even = np.arange(600) % 3
    found = evaluate({"us": pair(even, 1.0), "raw": pair(even, 3.0)}, even[:300], even[300:], ours="us")
    assert "guessing" not in found["sentence"] and found["search_by_chance"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("linear,knn", r"evaluators = 'linear,knn' is one text: give a list of names, such as \['linear', 'knn'\]"),
        (["liner"], "did you mean 'linear'"),
        (["knn", "knn"], "given twice"),
        ([], "choose among linear, knn"),
    ],
)
def test_evaluators_that_are_not_there(labels, names, line):
    pairs = {"us": pair(labels, 0.5), "raw": pair(labels, 1.0)}
    with pytest.raises(UserError, match=line):
        evaluate(pairs, labels[:300], labels[300:], ours="us", evaluators=names)


@pytest.mark.parametrize(("names", "number"), [(["search"], True), (["clusters", "search"], True), (["trees"], False)])
def test_a_label_of_which_the_evaluators_would_tell_nothing_is_read_by_the_linear_probe(labels, names, number):
    y = labels + np.random.default_rng(0).normal(size=len(labels)) if number else labels
    found = evaluate({"us": pair(labels, 0.5), "raw": pair(labels, 1.0)}, y[:300], y[300:], ours="us", evaluators=names)
    assert {one["evaluator"] for one in found["scores"]} == {"linear"} and "trained encoder reaches" in found[
        "sentence"
    ]
    assert (
        f"{', '.join(names)} alone would tell nothing of the representation here: the linear probe is added."
        in (found["notes"])
    )


def test_labels_that_no_score_is_defined_of_are_refused_and_none_is_nan(labels):
    pairs = {"us": pair(labels, 0.5), "raw": pair(labels, 1.0)}
    numbers = np.random.default_rng(0).normal(size=600)

    def asked(train_y, test_y, **more):
        return evaluate(pairs, train_y, test_y, ours="us", evaluators=["linear", "knn"], **more)

    for value in (np.inf, -np.inf, 1e200):
        with pytest.raises(UserError, match="label y: .* in 1 row is no number that can be predicted"):
            asked(np.append(numbers[:299], value), numbers[300:], label="y")
    with pytest.raises(UserError, match="the label is 2 in every training row: there is nothing to learn"):
        asked(np.full(300, 2.0), numbers[300:], task="numbers")
    with pytest.raises(UserError, match="in every test row: scores need two classes there"):
        asked(labels[:300], np.zeros(300, dtype=int))
    with pytest.raises(UserError, match="there are 2 groups for 300 training labels"):
        asked(labels[:300], labels[300:], groups=[0, 1])
    with pytest.raises(UserError, match="labels must be one value per row"):
        asked(labels[:300, None], labels[300:])
    two = np.where(labels == 2, 1, labels)
    found = asked(two[:300], np.where(two[300:] == 1, 7, 0))
    assert json.dumps(found, allow_nan=False)


def first_column(candidate, problem):
    """Score how often the sign of the first column is the class."""
    right = ((candidate.test[:, 0] > 0.5) == problem.test_y).astype(float)[:, None]
    yield Measurement("agreement", len(problem.train_y), right)


def test_an_evaluator_that_a_user_registers_is_shown_everywhere(monkeypatch, labels, tmp_path, capsys):
    monkeypatch.setitem(EVALUATORS, "first_column", first_column)
    pairs = {"us": pair(labels, 0.1), "raw": pair(labels, 3.0)}
    found = evaluate(pairs, labels[:300], labels[300:], ours="us", label="kind", evaluators=("first_column", "knn"))
    assert found["outcome"] == "beats"
    show_evidence(found)
    assert "agreement" in capsys.readouterr().out
    runs = []
    for method in ("simclr", "byol"):
        run = Run(tmp_path / method)
        run.folder.mkdir()
        (run.folder / "recipe.toml").write_text(isotropy.Recipe.default(method, "table").to_toml())
        (run.folder / "data.json").write_text("{}")
        run.keep_evidence([found])
        assert run.read_comparisons() == [found]
        assert "agreement" in render(summarise(run.folder))
        runs.append(run.folder)
    assert "best by" in isotropy.compare(runs).sentence


def test_label_propagation_is_as_strong_where_search_is_not_asked_for():
    """Its neighbours are those of the best free features, whichever evaluators stand beside."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 4
    near, far = np.eye(4)[y] + 0.3 * rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    given = {name: (x[:160], x[160:]) for name, x in {"us": far, "noise": far[:, :2], "near": near}.items()}
    found = [
        evaluate(given, y[:160], y[160:], ours="us", evaluators=names, sizes=[1, 10], draws=4)
        for names in (["few_labels"], ["search", "few_labels"])
    ]
    spread = [[s["value"] for s in one["scores"] if s["representation"] == "label propagation"] for one in found]
    assert spread[0] == spread[1] and len(spread[0]) == 2 and spread[0][1] > 0.9
