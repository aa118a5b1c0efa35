"""Choices on training rows keep groups apart: what is chosen by a row's own group says nothing of new groups."""

import numpy as np
import pytest

from isotropy.evaluation.evaluate import evaluate
from isotropy.evaluation.evaluators import few_linear
from isotropy.evaluation.evaluators.few_labels import few_labels
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.evaluators.search import search
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


def test_search_chooses_by_rows_of_other_groups():
    y = LABELS["classes"]
    own, others = (
        next(iter(search(Features(X, X), Problem.of(y, y, groups=groups)))).validation for groups in (None, WHO)
    )
    assert own > 0.8 > 0.7 > others, "of ten neighbours seven are the person's own"


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_few_labels_choose_by_rows_of_other_groups(task):
    """Of two forms the one that tells persons apart wins by a person's own rows; over all of them the other one."""
    rng = np.random.default_rng(1)
    effect = rng.normal(size=30)
    y = (effect > 0).astype(int)[WHO] if task == "classes" else effect[WHO]
    weak = effect[WHO, None] + 0.7 * rng.normal(size=(240, 1))
    x = np.hstack([weak, 30 * X])  # as it is, persons drown what is common; standardised it is one column of 13
    new = effect[:, None][WHO] + 0.7 * rng.normal(size=(240, 1))
    test = np.hstack([new, 30 * rng.normal(size=(30, 12))[WHO]])
    mean = [
        np.mean([m.value(m.terms.mean(axis=1)).mean() for m in few_labels(Features(x, test), problem)])
        for problem in (Problem.of(y, y, task=task, sizes=(60,), draws=5, groups=groups) for groups in (None, WHO))
    ]
    assert mean[1] > mean[0]


@pytest.mark.parametrize("copies", [1, 40])
def test_a_draw_holds_out_whole_groups_where_the_first_one_has_a_class_alone(copies):
    codes, groups = np.repeat([[0, 0, 1, 2, 1, 2]], copies, axis=1), np.repeat([0, 0, 1, 1, 2, 2], copies)
    problem = Problem.of(codes[0], codes[0], groups=groups)
    held_out = few_linear.held_out(codes, problem, np.arange(len(groups))[None])[0]
    assert held_out.any()
    for fold in held_out.T[held_out.any(axis=0)]:
        assert not set(groups[fold]) & set(groups[~fold]), "no group is on both sides"


def test_few_labels_of_one_group_choose_by_rows():
    y = np.arange(40) % 2
    problem = Problem.of(y, y, groups=[0] * 20 + [1] * 20, sizes=(2,), draws=3)
    assert len(list(few_labels(Features(y[:, None], y[:, None]), problem))) == 1


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
