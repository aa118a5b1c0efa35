import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from isotropy.evaluation import Features, Problem, evaluate
from isotropy.evaluation.baselines.propagation import Propagation
from isotropy.evaluation.baselines.trees import Columns, boost_few
from isotropy.evaluation.evaluators import few_linear, few_read
from isotropy.evaluation.evaluators.few_labels import few_labels


@pytest.fixture
def classes():
    rng = np.random.default_rng(4)
    y = rng.integers(5, size=400)
    return (np.eye(5)[y] + 0.4 * rng.normal(size=(400, 5))).astype(np.float32), y


def problem(y, **options):
    return Problem.of(y[:300], y[300:], **options)


def features(x):
    return Features(x[:300], x[300:])


def by_lines(features, problem, rows, test, forms=None):
    """Return what is read by lines alone."""
    return few_read.read_classes(forms or few_linear.forms_for(features, rows.shape[1]), problem, rows, test, ())


def test_the_curve_rises_and_counts_its_labels(classes):
    x, y = classes
    found = list(few_labels(features(x), problem(y, sizes=(1, 5, 40, 5000), draws=5)))
    assert [one.labels for one in found] == [5, 25, 200], "a size that no class has is left out"
    means = [one.terms.mean() for one in found]
    assert means[0] < means[1] < means[2]
    assert all(one.terms.shape == (5, 100, 1) for one in found)


def test_draws_are_a_function_of_labels_and_seed_and_hold_as_many_of_every_class(classes):
    _, y = classes
    first, again, other = (problem(y, seed=seed) for seed in (0, 0, 1))
    for size in (1, 10, 0.1):
        assert np.array_equal(first.draw(size, 3), again.draw(size, 3))
        assert not np.array_equal(first.draw(size, 3), other.draw(size, 3))
        assert not np.array_equal(first.draw(size, 3), first.draw(size, 4))
    assert np.bincount(y[:300][first.draw(10, 0)]).tolist() == [10] * 5
    assert len(first.draw(0.1, 0)) == 30


def test_all_representations_learn_from_the_same_draws(classes):
    x, y = classes
    pairs = {"us": (x[:300], x[300:]), "same": (x[:300] * 1.0, x[300:])}
    found = evaluate(pairs, y[:300], y[300:], ours="us", evaluators=["few_labels"])
    same = [score for score in found["scores"] if score["representation"] == "same"]
    values = [score["value"] for score in found["scores"] if score["representation"] == "us"]
    assert len(same) == 6 and [score["value"] for score in same] == values


def test_no_label_outside_a_draw_moves_its_prediction(classes):
    x, y = classes
    asked = problem(y)
    rows = np.stack([asked.draw(5, number) for number in range(4)])
    changed = y.copy()
    others = np.setdiff1d(np.arange(300), rows)
    changed[others] = (changed[others] + 1) % 5
    for candidate in (features(x), Columns(x[:300], x[300:], np.zeros(5, bool))):
        read = few_read.few_read if isinstance(candidate, Features) else boost_few
        before, after = (read(candidate, problem(labels), rows, np.arange(100)) for labels in (y, changed))
        assert np.array_equal(before, after)


def test_each_draw_is_the_logistic_regression_that_scikit_learn_fits(monkeypatch, classes):
    x, y = classes
    for module in (few_linear, few_read):
        monkeypatch.setattr(module, "STRENGTHS", (3.0,))
    monkeypatch.setattr(few_linear, "FINAL_STEPS", 1000)
    for width, size in ((5, 20), (400, 4)):  # fewer columns than rows, and more
        z = np.concatenate([x, np.random.default_rng(0).normal(size=(400, width)).astype(np.float32)], axis=1)
        asked, one = problem(y), Features(z[:300], z[300:])
        rows = np.stack([asked.draw(size, number) for number in range(3)])
        found = by_lines(one, asked, rows, np.arange(100), [one.as_is])
        for draw, predicted in zip(rows, found):
            train, test = one.as_is.train[draw], one.as_is.test
            mean = train.mean(0)
            scale = 1 / np.sqrt(((train - mean) ** 2).sum(1).mean())
            plain = LogisticRegression(C=3.0, max_iter=5000, tol=1e-7).fit((train - mean) * scale, y[draw])
            np.testing.assert_allclose(predicted, plain.predict_proba((test - mean) * scale), atol=0.02)


def test_numbers_are_drawn_by_rows(classes):
    x, _ = classes
    found = list(few_labels(features(x), problem(x[:, 0].astype(float) + 0.1, draws=3)))
    assert [one.labels for one in found] == [20, 50, 200, 30]
    assert found[2].value(found[2].terms.mean(axis=1)).mean() > 0.99


def test_labels_spread_along_a_line_and_reach_rows_without_a_neighbour():
    """Two rings of points, one label each: only the graph tells them apart; far rows get the nearest labelled one."""
    angle = np.linspace(0, 1.2, 100, dtype=np.float32)
    x = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1) for a in (angle, angle + np.pi)])
    y = np.repeat([0, 1], 100)
    asked = Problem.of(y, y, sizes=(1,), draws=4)
    graph = Propagation(Features(x, x).as_is, asked.drawn_test_rows())
    assert next(iter(few_labels(graph, asked))).terms.mean() == 1.0
    lonely = Features(np.eye(30, dtype=np.float32)[:20], np.eye(30, dtype=np.float32)[20:])
    asked = Problem.of(np.repeat([0, 1], 10), np.repeat([0, 1], 5), sizes=(1,), draws=2)
    found = few_labels(Propagation(lonely.as_is, asked.drawn_test_rows()), asked)
    assert np.isfinite(next(iter(found)).terms).all()


def test_a_class_of_one_row_does_not_keep_a_draw_from_weighing():
    """One of 41 drawn labels is alone in its class: the others still say what each reading counts."""
    y = np.append(np.arange(200) % 2, 2)
    rows = np.append(np.arange(40), 200)[None]
    held = few_linear.held_out(y[rows], Problem.of(y, y), rows)
    assert held.shape == (1, 41, 3) and not held[0, 40].any() and (held[0, :40].sum(axis=1) == 1).all()


def test_labels_that_features_do_not_tell_are_read_by_the_weakest_fit_and_exact_ones_by_the_strongest(classes):
    _, y = classes
    rng = np.random.default_rng(0)
    rows = np.stack([problem(y).draw(40, number) for number in range(3)])
    held = few_linear.held_out(y[rows], problem(y), rows)
    unrelated, exact = rng.normal(size=(400, 20)), np.eye(5)[y] + 0.01 * rng.normal(size=(400, 5))
    for x, strongest in ((unrelated, 0), (exact, 3)):
        reading = few_linear.LinearReading(features(x).as_is, np.arange(100), rows, y[rows], 5)
        assert (reading.judged(held).sum(axis=2).argmax(axis=0) == strongest).all()
