"""Few labels of few rows: read by lines and by spreading, as it suits the drawn labels, whoever's features they are."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from isotropy.evaluation import label_graph
from isotropy.evaluation.averaging import average_weights
from isotropy.evaluation.baselines.propagation import ALPHA, Propagation
from isotropy.evaluation.evaluators import few_linear as lines
from isotropy.evaluation.evaluators import few_read
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem


def rings(count=300, seed=0):
    """Return two rings in each other, which no line divides, seen from a point above them, and each row's ring."""
    rng = np.random.default_rng(seed)
    y, angle = np.arange(2 * count) % 2, rng.uniform(0, 2 * np.pi, 2 * count)
    x = (1 + 2 * y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.normal(size=(2 * count, 2))
    return np.hstack([x, np.ones((2 * count, 1))]).astype(np.float32), y


def asked(x, y, size=10, draws=6):
    problem = Problem.of(y[:300], y[300:])
    rows = np.stack([problem.draw(size, number) for number in range(draws)])
    return Features(x[:300], x[300:]), problem, rows, np.arange(300)


def few_linear(features, problem, rows, test):
    """Return what is read by lines alone."""
    forms = lines.forms_for(features, rows.shape[1])
    return few_read.read_classes(forms, problem, rows, test, ())


def right(predicted, y):
    return (predicted.argmax(2) == y[300:]).mean()


def test_the_kernel_is_the_end_of_the_spreading():
    x, _ = rings(40)
    graph = Propagation(Features(x[:40], x[40:]).as_is, np.arange(40))
    step, start = torch.from_numpy(graph.weights.toarray()), torch.eye(80)
    spread = start
    for _ in range(600):
        spread = ALPHA * step @ spread + (1 - ALPHA) * start
    torch.testing.assert_close(graph.kernel, spread, atol=1e-5, rtol=1e-3)


def test_what_no_line_divides_is_read_by_spreading_and_what_one_does_by_the_line():
    x, y = rings()
    assert right(few_linear(*asked(x, y)), y) < 0.7 < 0.9 < right(few_read.few_read(*asked(x, y)), y)
    rng = np.random.default_rng(1)
    line = np.hstack([y[:, None] + 0.3 * rng.normal(size=(600, 1)), rng.normal(size=(600, 30))]).astype(np.float32)
    assert right(few_read.few_read(*asked(line, y)), y) >= right(few_linear(*asked(line, y)), y) - 0.01


def test_no_label_outside_a_draw_and_no_test_label_moves_a_prediction():
    x, y = rings()
    features, problem, rows, test = asked(x, y)
    before = few_read.few_read(features, problem, rows, test)
    other = y.copy()
    others = np.setdiff1d(np.arange(600), rows)
    other[others] = 1 - other[others]
    assert np.array_equal(few_read.few_read(features, Problem.of(other[:300], other[300:]), rows, test), before)


def test_one_label_a_class_spreads_over_the_features_as_they_are():
    x, y = rings()
    noise = 0.02 * np.random.default_rng(2).normal(size=(len(x), 40)).astype(np.float32)
    noisy = np.hstack([x, noise])  # standardised, the noise would be all that there is
    given = asked(noisy, y, size=1)
    assert right(few_linear(*given), y) < 0.7 < 0.9 < right(few_read.few_read(*given), y)


def test_a_row_that_one_label_a_class_does_not_reach_keeps_the_linear_answer(monkeypatch):
    x, y = rings()
    given = asked(x, y, size=1)
    monkeypatch.setattr(few_read, "REACHED", np.inf)
    np.testing.assert_allclose(few_read.few_read(*given), few_linear(*given), atol=1e-6)


def test_more_labels_are_read_by_what_read_fewer():
    """A reader that larger draws cannot have would make them look worse than smaller ones."""
    x, y = rings(1000, seed=2)
    features, problem = Features(x[:1000], x[1000:]), Problem.of(y[:1000], y[1000:], sizes=(10, 50, 200, 400))
    assert problem.possible_sizes()[0] == [10, 50, 200, 400]
    scores, by_line = [], []
    for size in problem.sizes:
        rows = np.stack([problem.draw(size, number) for number in range(5)])
        for found, read in ((scores, few_read.few_read), (by_line, few_linear)):
            found.append((read(features, problem, rows, np.arange(1000)).argmax(2) == problem.test_y).mean())
    assert max(by_line) < 0.7 < 0.9 < scores[0] and (np.diff(scores) > -0.005).all()


def test_of_many_rows_some_are_nodes_and_the_others_hang_on_them(monkeypatch):
    x, y = rings()
    whole = label_graph.LabelGraph(Features(x[:300], x[300:]).as_is, np.arange(300))
    places = np.array([3, 50, 120])
    exact = Propagation(Features(x[:300], x[300:]).as_is, np.arange(300)).kernel[:, places].numpy()
    labels = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    (given,) = whole.spread(places[None], labels[None])
    np.testing.assert_allclose(np.vstack([whole.train @ given, whole.test @ given]), exact @ labels, rtol=1e-5)
    monkeypatch.setattr(label_graph, "MOST_NODES", 150)
    part = label_graph.LabelGraph(Features(x[:300], x[300:]).as_is, np.arange(300))
    assert part.kernel.shape == (150, 150) and np.allclose([part.train.sum(1), part.test.sum(1)], 1, atol=1e-6)
    assert right(few_read.few_read(*asked(x, y)), y) > 0.75 > 0.65 > right(few_linear(*asked(x, y)), y)


def test_held_out_rows_are_judged_by_the_other_rows_of_the_draw_alone():
    x, y = rings()
    features, problem, rows, test = asked(x + np.random.default_rng(4).normal(size=x.shape), y)  # so that votes differ
    target = np.eye(2, dtype=np.float32)[problem.train_y[rows]]
    held = np.arange(20)[:, None] % 3 == np.arange(3)
    kernel = Propagation(features.as_is, test).kernel.numpy()
    graph = label_graph.LabelGraph(features.as_is, test)
    mine = few_read.GraphReading(graph, rows, problem.train_y[rows], 2).judged(np.repeat(held[None], len(rows), axis=0))
    for draw, places in enumerate(rows):
        for out in held.T:
            found = kernel[np.ix_(places[out], places[~out])] @ target[draw][~out]
            for number, power in enumerate((1, 3)):
                votes = (found / found.sum(axis=1, keepdims=True)) ** power
                chance = votes / votes.sum(axis=1, keepdims=True) * 21 / 22 + 1 / 44  # of 20 labels each may be wrong
                np.testing.assert_allclose(mine[number, draw, out], np.log(chance[target[draw][out] == 1]), rtol=1e-3)


def fitted(form, places, learnt, strength):
    """Return scikit-learn's regression on some of the drawn rows, and what makes its features of a form's."""
    mean = form.train[places].mean(0)
    scale = 1 / np.sqrt(((form.train[places] - mean) ** 2).sum(1).mean())
    x, y = learnt
    # For two classes scikit-learn has one vector of weights: the same fit at twice the strength.
    model = LogisticRegression(C=2 * strength, max_iter=20_000, tol=1e-9).fit((x - mean) * scale, y)
    return lambda rows: model.predict_proba((rows - mean) * scale)


def test_lines_are_the_average_that_a_slow_transcription_makes(monkeypatch):
    """Each form's regressions as scikit-learn fits them, each of which counts as its held-out rows are probable."""
    for name, value in {
        "CHOICE_STEPS": 2000,
        "CHOICE_TOLERANCE": 1e-7,
        "FINAL_STEPS": 2000,
        "FINAL_TOLERANCE": 1e-7,
    }.items():
        monkeypatch.setattr(lines, name, value)
    x, y = rings(seed=3)
    features, problem, rows, test = asked(x + 0.3 * np.random.default_rng(0).normal(size=x.shape), y, draws=2)
    held = lines.held_out(problem.train_y[rows], problem, rows)
    for draw, places in enumerate(rows):
        own, judged, told = problem.train_y[places], [], []
        for form in features.forms():  # twenty rows are more than three columns: whitened, too
            for strength in lines.STRENGTHS:
                log = np.zeros(len(places))
                for out in held[draw].T:
                    learnt = form.train[places[~out]], own[~out]
                    chance = fitted(form, places, learnt, strength)(form.train[places[out]])
                    log[out] = np.log(chance[np.arange(out.sum()), own[out]])
                judged.append(log)
                told.append(fitted(form, places, (form.train[places], own), strength)(form.test))
        weights = average_weights(np.array(judged)[:, None], held[draw].any(1)[None])[:, 0]
        expected = np.einsum("j,jmk->mk", weights, np.array(told))
        np.testing.assert_allclose(few_linear(features, problem, rows, test)[draw], expected, atol=2e-3)


def test_lines_and_spreading_are_averaged_by_their_weights():
    x, y = rings(seed=3)
    features, problem, rows, test = asked(x, y, draws=2)
    codes, forms = problem.train_y[rows], list(features.forms())
    held = lines.held_out(codes, problem, rows)
    readings = [lines.LinearReading(form, test, rows, codes, 2) for form in forms]
    graphs = [few_read.GraphReading(label_graph.LabelGraph(form, test), rows, codes, 2) for form in forms]
    judged = np.concatenate([one.judged(held) for one in (*readings, *graphs)])
    weights = average_weights(judged, held.any(2))
    expected = sum(one.predict(part) for one, part in zip(readings, np.split(weights[:12], 3)))
    expected = expected + sum(one.predict(part) for one, part in zip(graphs, np.split(weights[12:], 3)))
    np.testing.assert_allclose(few_read.few_read(features, problem, rows, test), expected, atol=0.01)
    assert weights[12:].sum() > 1, "spreading counts for more than lines"


def test_whitened_features_are_read_where_a_draw_has_more_rows_than_they_have_columns():
    x = np.random.default_rng(0).normal(size=(50, 6)) * [9, 1, 1, 1, 1, 1]
    assert [[form.name for form in lines.forms_for(Features(x, x), rows)] for rows in (6, 7)] == [
        ["as it is", "standardised"], ["as it is", "standardised", "whitened"]
    ]  # fmt: skip


def test_draws_are_read_alike_however_many_are_read_at_once(monkeypatch):
    x, y = rings()
    together = few_read.few_read(*asked(x, y))
    features, problem, rows, test = asked(x, y)
    first = few_read.few_read(features, problem, rows[:1], test)
    np.testing.assert_allclose(first, together[:1], atol=2e-3)


def test_rows_that_no_label_reaches_keep_the_linear_answer():
    x, y = rings()
    x[450:] += 1000
    found = few_read.few_read(*asked(x, y))
    assert np.isfinite(found).all() and np.allclose(found.sum(2), 1, atol=1e-4)
