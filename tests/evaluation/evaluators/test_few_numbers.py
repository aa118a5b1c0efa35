"""Numbers of few rows are the average of ridge regressions that rows left out weigh."""

import numpy as np
from sklearn.linear_model import Ridge as Plain

from isotropy.evaluation.averaging import average_weights
from isotropy.evaluation.evaluators.few_linear import forms_for
from isotropy.evaluation.evaluators.few_numbers import ALPHAS, Ridge, few_numbers
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem


def made(rows=60, columns=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) * [5, 1, 1, 1] + 3
    return x, x @ [0.1, 1, 0, 0] + 0.5 * rng.normal(size=rows)


def test_each_strength_is_scikit_learns_and_its_rows_are_left_out_one_by_one():
    x, y = made(12)
    mine = Ridge(x, y)
    for number, alpha in enumerate(ALPHAS):
        np.testing.assert_allclose(mine(x)[number], Plain(alpha=alpha).fit(x, y).predict(x), atol=1e-8)
        for out in range(12):
            others = np.arange(12) != out
            told = Plain(alpha=alpha).fit(x[others], y[others]).predict(x[[out]])[0]
            np.testing.assert_allclose(mine.left_out()[number, out], y[out] - told, atol=1e-8)


def test_numbers_are_the_average_that_a_slow_transcription_makes():
    x, y = made()
    for groups in (None, np.arange(40) // 4):
        features, problem = Features(x[:40], x[40:]), Problem.of(y[:40], y[40:], groups=groups)
        draw, test = problem.draw(20, 0), np.arange(20)
        assert [form.name for form in forms_for(features, 20)] == ["as it is", "standardised", "whitened"]
        fold = np.arange(20) if groups is None else np.unique(groups[draw], return_inverse=True)[1] % 3
        missed, told = [], []
        for form in features.forms():
            train = form.train[draw].astype(float)
            scale = 1 / np.sqrt(train.var(axis=0).sum())
            for alpha in ALPHAS:
                error = np.empty(20)
                for one in np.unique(fold):
                    out = fold == one
                    model = Plain(alpha=alpha).fit(train[~out] * scale, y[draw][~out])
                    error[out] = y[draw][out] - model.predict(train[out] * scale)
                missed.append(error)
                told.append(Plain(alpha=alpha).fit(train * scale, y[draw]).predict(form.test * scale))
        variance = (np.array(missed) ** 2).mean(axis=1, keepdims=True)
        density = -(np.log(variance) + np.array(missed) ** 2 / variance) / 2
        weights = average_weights(density[:, None], np.ones((1, 20), dtype=bool))[:, 0]
        found = few_numbers(features, problem, draw[None], test)[0]
        np.testing.assert_allclose(found, weights @ np.array(told), rtol=1e-4)


def test_two_rows_labels_that_hardly_vary_and_constant_columns_leave_numbers_finite():
    x, y = made()
    for columns, label in ((x, y), (x, np.where(np.arange(60) < 39, 1.0, y)), (np.ones_like(x), y)):
        features, problem = Features(columns[:40], columns[40:]), Problem.of(label[:40], label[40:], task="numbers")
        for size in (2, 20):
            rows = np.stack([problem.draw(size, number) for number in range(3)])
            assert np.isfinite(few_numbers(features, problem, rows, np.arange(20))).all()
