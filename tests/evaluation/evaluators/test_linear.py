import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.linear_model import LogisticRegression

from isotropy.errors import UserError
from isotropy.evaluation import linear_probe
from isotropy.evaluation.baselines import pca
from isotropy.evaluation.splits import split


def test_digits_reach_what_logistic_regression_reaches():
    x, y = load_digits(return_X_y=True)
    train, test = split(y, seed=0)
    found = linear_probe(x[train], y[train], x[test], y[test])
    assert found.score > 0.94 and found.detail["converged"]
    assert found.score == found.terms.mean() == (found.predicted == y[test]).mean()


def test_strength_is_chosen_on_the_training_part_only():
    """The test part is planted so that the largest C would be best there; the choice must not move."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 60)).astype(np.float32)
    y = (x[:, 0] + 2 * rng.normal(size=120) > 0).astype(int)
    overfitted = LogisticRegression(C=100, max_iter=1000).fit(x, y)
    other_x = rng.normal(size=(300, 60)).astype(np.float32)
    planted = overfitted.predict(other_x)
    honest = linear_probe(x, y, other_x, rng.integers(2, size=300))
    tempted = linear_probe(x, y, other_x, planted)
    assert tempted.detail == honest.detail and tempted.detail["C"] < 100
    assert np.array_equal(tempted.predicted, honest.predicted)


def test_the_probe_never_sees_test_labels_or_test_features():
    x, y = load_iris(return_X_y=True)
    first = linear_probe(x[::2], y[::2], x[1::2], y[1::2])
    shuffled = linear_probe(x[::2], y[::2], x[1::2], y[1::2][::-1])
    assert np.array_equal(first.predicted, shuffled.predicted)
    # More and wilder test rows must not move the standardisation of the others.
    more = linear_probe(x[::2], y[::2], np.concatenate([x[1::2], 1e3 + x]), np.concatenate([y[1::2], y]))
    assert np.array_equal(more.predicted[: len(first.predicted)], first.predicted)


def test_rows_without_a_label_are_dropped():
    x, y = load_iris(return_X_y=True)
    holes = y.astype(float)
    holes[::7] = np.nan
    kept = np.isfinite(holes)
    found = linear_probe(x, holes, x, holes)
    assert found.task == "classes" and len(found.terms) == kept.sum()
    assert np.array_equal(found.predicted, linear_probe(x[kept], y[kept], x[kept], y[kept]).predicted)


def test_a_class_with_one_member_and_one_never_seen():
    x = np.array([[0.0], [0.1], [0.2], [5.0], [0.05], [9.0]])
    y = np.array(["a", "a", "a", "b", "a", "new"])
    found = linear_probe(x[:4], y[:4], x[4:], y[4:])
    assert found.scores["accuracy"] == 0.5 and found.detail["C"] == 1.0


def test_numbers_are_regressed():
    x, y = make_regression(200, 10, noise=5.0, random_state=0)
    found = linear_probe(x[:150], y[:150], x[150:], y[150:])
    residual = y[150:] - found.predicted
    assert found.task == "numbers"
    assert found.score == pytest.approx(1 - (residual**2).sum() / ((y[150:] - y[150:].mean()) ** 2).sum())
    assert found.score > 0.97


def test_a_fit_that_stops_early_says_so(monkeypatch):
    monkeypatch.setattr(sys.modules["isotropy.evaluation.evaluators.linear"], "FINAL_STEPS", 1)
    x, y = load_digits(return_X_y=True)
    assert linear_probe(x[:300], y[:300], x[300:400], y[300:400]).detail["converged"] is False


@pytest.mark.parametrize(
    ("train_y", "test_y", "said"),
    [
        (np.zeros(4), np.zeros(2), "only the class 0.0"),
        (np.full(4, np.nan), np.zeros(2), "no row of the training part"),
        (np.array([0, 1, 0, 1]), np.full(2, np.nan), "no row of the test part"),
        (np.array([0, 1, 0]), np.zeros(2), "do not go with 3 labels"),
        (np.array([0.5, 1.5, 0.1, 0.2]), np.array([1.0, 1.0]), "in every test row"),
    ],
)
def test_bad_labels_get_one_line(train_y, test_y, said):
    x = np.arange(8.0).reshape(4, 2)
    with pytest.raises(UserError, match=said):
        linear_probe(x, train_y, x[:2], test_y)


def test_features_that_are_not_finite_or_differ_in_width_are_refused():
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    with pytest.raises(UserError, match="NaN or infinite"):
        linear_probe(np.where(x == 3, np.nan, x), y, x, y)
    with pytest.raises(UserError, match="wide"):
        linear_probe(x, y, x[:, :1], y)


def test_leading_directions_of_pca_stay_leading_where_noise_has_as_many_columns():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(9), 60)
    x = (rng.normal(size=(9, 12)) @ rng.normal(size=(12, 300)))[y] + 1.5 * rng.normal(size=(540, 300))
    order = rng.permutation(540)
    train, test = order[:270], order[270:]
    train_z, test_z = pca(x[train], x[test], width=270)
    found = linear_probe(train_z, y[train], test_z, y[test])
    assert found.score > 0.95 and found.detail["form"] == "as it is"


def test_the_metric_of_a_probe_can_be_named():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(int)
    x = y[:, None] + rng.normal(size=(400, 2))
    parts = x[:200], y[:200], x[200:], y[200:]
    led, plain = linear_probe(*parts), linear_probe(*parts, metric="accuracy")
    assert (led.metric, plain.metric) == ("AUROC", "accuracy") and set(np.unique(plain.terms)) <= {0.0, 1.0}
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        linear_probe(*parts, metric="acuracy")
