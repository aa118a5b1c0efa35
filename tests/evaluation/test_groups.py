"""Choices on training rows keep groups apart: what is chosen by a row's own group says nothing of new groups."""

import numpy as np
import pytest

from isotropy.evaluation.evaluate import evaluate
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem

WHO = np.repeat(np.arange(30), 8)
RNG = np.random.default_rng(0)
# Persons are easily recognised, and their label is drawn by chance: only their own rows tell it.
X = (RNG.normal(size=(30, 12))[WHO] + RNG.normal(size=(240, 12)) * 0.05).astype(np.float32)
LABELS = {"classes": RNG.integers(0, 2, 30)[WHO], "numbers": RNG.normal(size=30)[WHO]}


def test_folds_hold_whole_groups():
    problem = Problem.of(LABELS["classes"], LABELS["classes"], groups=WHO, seed=3)
    folds = problem.group_folds(3)
    assert np.bincount(folds).tolist() == [80, 80, 80]
    assert all(len(set(folds[who == WHO])) == 1 for who in range(30))
    assert Problem.of([0, 1], [0, 1], groups=["a", "b"]).group_folds(3) is None, "too few groups"
    assert Problem.of([0, 1], [0, 1]).group_folds(3) is None


@pytest.mark.parametrize("evaluator", [knn, linear])
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_what_only_a_persons_own_rows_tell_is_worth_nothing_in_a_choice(evaluator, task):
    y = LABELS[task]
    with_own, without = (
        next(iter(evaluator(Features(X, X), Problem.of(y, y, task=task, groups=groups)))).validation
        for groups in (None, WHO)
    )
    assert without < with_own - 0.2
    assert without < {"classes": 0.7, "numbers": 0.1}[task]


def test_groups_reach_the_evaluators_through_evaluate():
    y = LABELS["classes"].astype(object)
    y[5] = None
    pairs = {"us": (X, X), "raw": (X[:, :3], X[:, :3])}
    found = [
        evaluate(pairs, y, y, ours="us", evaluators=("knn",), groups=groups)["scores"][0]["validation"]
        for groups in (None, WHO)
    ]
    assert found[0] > 0.9 > 0.7 > found[1]


def test_sizes_that_are_all_impossible_leave_a_score_with_all_labels():
    y = LABELS["classes"]
    pairs = {"us": (X, X), "raw": (X[:, :3], X[:, :3])}
    found = evaluate(pairs, y, y, ours="us", evaluators=("few_labels",), sizes=(5000,))
    assert {score["evaluator"] for score in found["scores"]} == {"linear"}
    assert "Too few training labels for 5,000 a class on the few-label curve; shown: no size." in found["notes"]
