"""More training rows than the evaluators take: the linear probe learns from all of them, the others from their part."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from isotropy import train
from isotropy.evaluation import evidence
from isotropy.evaluation.evaluate import evaluate
from isotropy.evaluation.evaluators.linear import linear
from isotropy.evaluation.features import AS_IS, Features
from isotropy.evaluation.problem import Problem

# Functions have the names of their files.
EVALUATE, LINEAR = (import_module(f"isotropy.evaluation.{name}") for name in ("evaluate", "evaluators.linear"))
RNG = np.random.default_rng(0)
X = (RNG.normal(size=(12_600, 6)) * [3, 1, 1, 1, 0.3, 0.1]).astype(np.float32)
NUMBERS = X @ RNG.normal(size=6) + RNG.normal(size=len(X))
CLASSES = np.digitize(NUMBERS, [-2, 2])
KNOWN, FURTHER, ASKED = slice(0, 2000), slice(2000, 12_000), slice(12_000, None)


def problem(y):
    return Problem.of(y[KNOWN], y[ASKED], further_y=y[FURTHER]), Features(X[KNOWN], X[ASKED], X[FURTHER])


def form_of(features, name):
    form = next(form for form in features.forms() if form.name == name)
    return np.concatenate([form.train, form.further]).astype(np.float64), form.test.astype(np.float64)


def test_classes_are_read_as_scikit_learn_reads_them_from_all_rows(monkeypatch):
    monkeypatch.setattr(LINEAR, "TOLERANCE", 1e-5)
    asked, features = problem(CLASSES)
    model = LINEAR.fit_linear(features, asked)
    predicted, detail = model.predict(model.form.test), model.detail
    x, test = form_of(features, detail["form"])
    plain = LogisticRegression(C=detail["C"], max_iter=5000, tol=1e-8).fit(x, CLASSES[:12_000])
    np.testing.assert_allclose(predicted, plain.predict_proba(test), atol=1e-3)
    fewer = LogisticRegression(C=detail["C"], max_iter=5000, tol=1e-8).fit(x[:2000], CLASSES[KNOWN])
    assert np.abs(fewer.predict_proba(test) - predicted).max() > 0.01, "2,000 rows give another answer"


def test_numbers_are_read_as_scikit_learn_reads_them_from_all_rows():
    asked, features = problem(NUMBERS)
    found = next(iter(linear(features, asked)))
    x, test = form_of(features, found.detail["form"])
    plain = Ridge(alpha=found.detail["alpha"]).fit(x, NUMBERS[:12_000])
    np.testing.assert_allclose(found.predicted, plain.predict(test), atol=1e-6)
    assert found.labels == 12_000


def test_forms_are_learnt_without_further_rows():
    _, features = problem(CLASSES)
    for form, plain in zip(features.forms(), Features(X[KNOWN], X[ASKED]).forms(), strict=True):
        np.testing.assert_array_equal(form.test, plain.test)
        assert form.further.shape == (10_000, 6)
    wide = np.random.default_rng(1).normal(size=(90, 1500)).astype(np.float32)
    form = Features(wide[:40], wide[40:60], wide[60:]).as_is
    assert form.name == AS_IS and form.further.shape == (30, form.train.shape[1])


def test_a_class_that_no_training_row_has_is_not_learnt_from_further_rows():
    y = CLASSES.copy()
    y[5000] = 9
    asked, features = problem(y)
    assert asked.classes == (0, 1, 2) and (asked.further_y == -1).sum() == 1
    assert next(iter(linear(features, asked))).labels == 12_000


def test_every_representation_has_further_rows_in_evaluate():
    parts = X[KNOWN], X[ASKED], X[FURTHER]
    pairs = {"us": parts, "raw": tuple(part[:, 1:] for part in parts)}
    y = CLASSES
    found = evaluate(pairs, y[KNOWN], y[ASKED], ours="us", further_y=y[FURTHER], evaluators=("linear", "knn"))
    labels = {(score["representation"], score["evaluator"]): score["labels"] for score in found["scores"]}
    assert labels == {(name, by): count for name in pairs for by, count in (("linear", 12_000), ("knn", 2000))}
    assert all(score["difference"] for score in found["scores"] if score["representation"] == "raw")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_run_says_which_rows_it_learns_from(monkeypatch, device):
    """The device's rule is tried on a CPU."""
    monkeypatch.setitem(evidence.FURTHER_ROWS, "cpu", {"cpu": 0, "cuda": 900}[device])
    monkeypatch.setattr(EVALUATE, "TRAIN_ROWS", 100)
    table = pd.DataFrame(X[:300], columns=list("abcdef")).assign(kind=CLASSES[:300].astype(str))
    table.loc[3, "kind"] = None
    small = {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 64}
    *_, done = train(table, label="kind", method="simclr", epochs=1, settings=small, evaluators=["linear", "trees"])
    (entry,) = done.evidence
    labels = {score["evaluator"]: score["labels"] for score in entry["scores"]}
    assert labels["trees"] == 100 and (labels["linear"] > 200) == (device == "cuda")
    assert any(note.startswith("Probed on 100 of") for note in entry["notes"])
    assert any(note.startswith("The linear probe learns from 2") for note in entry["notes"]) == (device == "cuda")
