import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation import Features, Problem, knn_probe
from isotropy.evaluation.evaluators.choice import choice
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.linear import linear


def brute_force(train, test, values, k, temperature):
    out = []
    for row in test:
        cosine = np.array([row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in train])
        nearest = np.argsort(-cosine)[:k]
        weight = np.exp(cosine[nearest] / temperature)
        out.append((weight[:, None] * values[nearest]).sum(0) / weight.sum())
    return np.array(out)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_votes_equal_brute_force(monkeypatch, k):
    monkeypatch.setattr("isotropy.evaluation.neighbours._CELLS", 200)  # several chunks
    rng = np.random.default_rng(k)
    x, y, test, truth = rng.normal(size=(60, 4)), rng.integers(3, size=60), rng.normal(size=(25, 4)), np.zeros(25, int)
    found = knn_probe(x, y, test, truth, k=k)
    assert np.array_equal(found.predicted, brute_force(x, test, np.eye(3)[y], k, 0.07).argmax(1))


def test_numbers_are_averaged_with_the_same_weights():
    rng = np.random.default_rng(0)
    x, y, test = rng.normal(size=(50, 3)), 1e4 + rng.normal(size=50), rng.normal(size=(20, 3))
    found = knn_probe(x, y, test, np.arange(20.0), k=7)
    assert found.task == "numbers"
    np.testing.assert_allclose(found.predicted, brute_force(x, test, y[:, None], 7, 0.07)[:, 0], atol=1e-4)


def test_no_more_neighbours_than_rows_and_zero_rows_are_no_error():
    found = knn_probe(np.eye(3), ["a", "b", "b"], np.zeros((2, 3)), ["b", "a"], k=20)
    assert found.detail["k"] == 3 and found.score == 0.5


@pytest.mark.parametrize("settings", [{"k": 0}, {"k": 2.5}, {"temperature": 0}, {"temperature": float("nan")}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        knn_probe(np.eye(3), [0, 1, 1], np.eye(3), [0, 1, 1], **settings)


def test_the_form_is_chosen_on_training_rows():
    """Twenty columns of noise are a thousand times larger than those that tell the classes apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    x = np.hstack([y[:, None] + 0.1 * rng.normal(size=(400, 20)), 1000 * rng.normal(size=(400, 20))])
    found = next(iter(knn(Features(x[:200], x[200:]), Problem.of(y[:200], y[200:]))))
    assert found.detail["form"] != "as it is" and found.terms.mean() > 0.85
    assert knn_probe(x[:200], y[:200], x[200:], y[200:]).score < 0.65


def test_its_held_out_score_is_of_the_rows_and_folds_of_the_linear_probe():
    """Leave-one-out on all rows would favour k-NN: 100 rows of a class tell more than the 50 that the other learns."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40), 100)
    x = rng.normal(size=(40, 5))[y] + 0.7 * rng.normal(size=(4000, 5))
    features, problem = Features(x, x[:50]), Problem.of(y, y[:50])
    found, beside = (next(iter(one(features, problem))) for one in (knn, linear))
    by = choice(problem)
    assert by is not None and len(by.rows) == 3000 and beside.detail["chosen_by"] == by.chosen_by
    form = next(form for form in features.forms() if form.name == found.detail["form"]).train
    unit = form / np.linalg.norm(form, axis=1, keepdims=True)
    right = []
    for learnt, out in by.parts():
        cosine = unit[out] @ unit[learnt].T
        nearest = np.argsort(-cosine, axis=1)[:, :20]
        weight = np.exp(np.take_along_axis(cosine, nearest, axis=1) / 0.07)
        votes = (weight[:, :, None] * np.eye(40)[y[learnt][nearest]]).sum(axis=1)
        right.append((votes.argmax(axis=1) == y[out]).mean())
    assert found.validation == pytest.approx(np.mean(right), abs=5e-4)
