import numpy as np

from isotropy.evaluation import Problem
from isotropy.evaluation.baselines.trees import Columns, boost, boost_few


def test_columns_without_a_value_among_the_drawn_rows_are_left_out():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = np.stack([y + 0.1 * rng.normal(size=200), np.where(np.arange(200) < 100, np.nan, 1.0)], axis=1)
    columns = Columns(x.astype(np.float32), x.astype(np.float32), np.zeros(2, bool))
    found = boost(columns, Problem.of(y, y), np.arange(100), np.arange(200))
    assert (found.argmax(1) == y).mean() > 0.95


def test_missing_values_and_categories_are_read_natively():
    rng = np.random.default_rng(0)
    codes = rng.integers(12, size=600)
    y = np.isin(codes, [0, 3, 4, 8, 11]).astype(int)
    gone = rng.random(600) < 0.3
    x = np.stack([codes, np.where(gone, np.nan, rng.normal(size=600))], axis=1).astype(np.float32)
    columns = Columns(x, x, np.array([True, False]))
    found = boost(columns, Problem.of(y, y), np.arange(300), np.arange(600))
    assert (found[300:].argmax(1) == y[300:]).mean() > 0.95
    by_gone = boost(columns, Problem.of(gone.astype(int), gone.astype(int)), np.arange(300), np.arange(600))
    assert (by_gone[300:].argmax(1) == gone[300:]).mean() > 0.95


def test_slow_trees_measure_the_first_draws(monkeypatch):
    monkeypatch.setattr("isotropy.evaluation.baselines.trees._SECONDS", 0.0)
    x = np.random.default_rng(0).normal(size=(80, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    problem = Problem.of(y, y)
    rows = np.stack([problem.draw(5, number) for number in range(8)])
    assert len(boost_few(Columns(x, x, np.zeros(2, bool)), problem, rows, np.arange(80))) == 5


def test_draws_of_one_label_of_many_classes_warn_of_nothing():
    """scikit-learn asks whether such classes are a regression, and warnings are errors here."""
    y = np.repeat(np.arange(30), 3)
    x = (y[:, None] + np.random.default_rng(0).normal(size=(90, 2)) / 9).astype(np.float32)
    found = boost(Columns(x, x, np.zeros(2, bool)), Problem.of(y, y), np.arange(0, 90, 3), np.arange(90))
    assert found.shape == (90, 30)
