"""Rows of a leaderboard: means over seeds, paired differences, and what is kept in a file."""

import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation import evaluate
from isotropy.evaluation.evaluate import facts_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.leaderboard import scored_rows
from isotropy.evaluation.measured import Measured, concluded, measure
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import Resampled, over_seeds

EVALUATORS = ("linear", "knn", "few_labels", "search")
LABELS = np.random.default_rng(0).integers(3, size=450)
PROBLEM = Problem.of(LABELS[:300], LABELS[300:], sizes=(1, 10), draws=5)


def features(noise, seed=1):
    x = np.eye(3)[LABELS] + noise * np.random.default_rng(seed).normal(size=(450, 3))
    return Features(x[:300], x[300:])


@pytest.fixture(scope="module")
def measured():
    def of(name, noise, seed=1):
        return measure(name, features(noise, seed), PROBLEM, EVALUATORS)

    return {
        "lfr": [of("isotropy (lfr)", 0.4, 2), of("isotropy (lfr)", 0.6, 3)],
        "scarf": [of("isotropy (scarf)", 1.5)],
        "free": [of("raw features", 1.0), of("PCA (3)", 1.1)],
    }


@pytest.fixture(scope="module")
def rows(measured):
    found = scored_rows({name: measured[name] for name in ("lfr", "scarf")}, measured["free"], "accuracy")
    return {row["name"]: row for row in found}


def test_rows_are_sorted_by_the_score_with_all_labels(rows):
    assert list(rows) == ["lfr", "raw features", "PCA (3)", "scarf"]
    assert rows["lfr"]["all"]["value"] > rows["scarf"]["all"]["value"]


@pytest.mark.parametrize("column", ["all", "few", "search"])
def test_the_score_of_a_method_is_the_mean_over_seeds_and_its_interval_holds_every_seed(column, measured, rows):
    alone = [scored_rows({"lfr": [one]}, measured["free"], "accuracy")[0][column]["value"] for one in measured["lfr"]]
    cell = rows["lfr"][column]
    assert cell["value"] == pytest.approx(np.mean(alone))
    assert cell["low"] <= min(alone) < max(alone) <= cell["high"]


def test_a_difference_is_to_the_best_of_everything_free_and_paired(measured, rows):
    free = {name: rows[name]["all"]["value"] for name in ("raw features", "PCA (3)")}
    cell = rows["scarf"]["all"]
    assert cell["best"] == max(free, key=free.get)
    gap = cell["difference"]
    assert gap["value"] == pytest.approx(cell["value"] - free[cell["best"]])
    assert gap["high"] < 0
    best = rows[cell["best"]]["all"]
    assert gap["high"] - gap["low"] < (cell["high"] - cell["low"]) + (best["high"] - best["low"])


def test_a_method_has_a_curve_with_factors(rows):
    lines = rows["lfr"]["few_labels"]
    assert [line["size"] for line in lines] == ["1 a class", "10 a class"]
    assert all(line["difference"]["low"] > 0 for line in lines)
    assert lines[1]["ours"] == pytest.approx(rows["lfr"]["few"]["value"])
    factors = [line["label_factor"]["value"] for line in rows["scarf"]["few_labels"]]
    assert all(factor is not None and factor <= 1 for factor in factors)
    assert "few_labels" not in rows["raw features"]


def test_what_was_measured_comes_back_from_its_file_and_concludes_as_evaluate_does(measured, tmp_path):
    one = measured["scarf"][0]
    one.save(tmp_path / "evidence" / "scarf.npz")
    again = Measured.load(tmp_path / "evidence" / "scarf.npz")
    assert again.scores == one.scores and again.notes == one.notes
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(again.samples, one.samples, strict=True))
    found = concluded(facts_of(PROBLEM, ours=one.name, label="kind", notes=[]), again, measured["free"])
    pairs = {name: features(noise) for name, noise in ((one.name, 1.5), ("raw features", 1.0), ("PCA (3)", 1.1))}
    whole = evaluate(
        {name: (x.train, x.test) for name, x in pairs.items()}, LABELS[:300], LABELS[300:], ours=one.name, label="kind",
        evaluators=("linear", "knn", "search"),
    )  # fmt: skip
    assert found["ranking"] == whole["ranking"]
    assert set(whole) == set(found)


def test_a_damaged_file_says_what_to_do(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="delete it"):
        Measured.load(tmp_path / "x.npz")


def test_seeds_that_differ_widen_the_interval_and_equal_ones_do_not():
    def run(score):
        return Resampled(np.array([score]), np.random.default_rng(0).normal(score, 0.01, size=(2000, 1)))

    same, apart = over_seeds([run(0.6), run(0.6), run(0.6)]), over_seeds([run(0.5), run(0.6), run(0.7)])
    assert same["high"] - same["low"] == pytest.approx(
        run(0.6).interval()["high"] - run(0.6).interval()["low"], rel=0.01
    )
    assert apart["low"] <= 0.5 and apart["high"] >= 0.7
    assert apart["value"] == pytest.approx(0.6)
