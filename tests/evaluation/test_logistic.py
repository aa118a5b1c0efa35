import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from isotropy.evaluation.logistic import fit_logistic

STRENGTHS = (1e-3, 0.1, 10.0)


def problem(rows, columns, classes, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=rows)
    noise = rng.normal(size=(rows, columns)) * rng.uniform(0.3, 2, size=columns)
    return (rng.normal(size=(classes, columns))[y] / 2 + noise).astype(np.float32) + 3, y


def fit(x, y, classes, strengths, **options):
    options = {"steps": 2000, "tolerance": 1e-6} | options
    return fit_logistic(torch.from_numpy(x)[None], torch.from_numpy(y)[None], classes, strengths, **options)


@pytest.mark.parametrize(("rows", "columns", "classes"), [(300, 20, 3), (80, 200, 2), (200, 5, 6)])
def test_the_fit_is_scikit_learns(rows, columns, classes):
    x, y = problem(rows, columns, classes)
    found = fit(x, y, classes, torch.tensor(STRENGTHS))
    for job, strength in enumerate(STRENGTHS):
        strength *= 2 if classes == 2 else 1
        plain = LogisticRegression(C=strength, max_iter=10_000, tol=1e-8).fit(x.astype(np.float64), y)
        logits = torch.from_numpy(x) @ found.weights[0, job] + found.intercepts[0, job]
        np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), plain.predict_proba(x), atol=1e-3)


def test_rows_that_are_masked_are_not_there():
    x, y = problem(120, 6, 3)
    rows = np.zeros((120, 2), dtype=bool)
    rows[:80, 0] = rows[40:, 1] = True
    strengths = torch.tensor([1.0, 1.0])
    both = fit(x, y, 3, strengths, rows=torch.from_numpy(rows)[None])
    for job, part in enumerate((slice(0, 80), slice(40, 120))):
        one = fit(x[part], y[part], 3, strengths[:1])
        torch.testing.assert_close(both.weights[0, job], one.weights[0, 0], atol=2e-3, rtol=0)


def test_groups_are_fitted_by_themselves():
    parts = [problem(50, 4, 3, seed) for seed in range(3)]
    x, y = (torch.from_numpy(np.stack([part[place] for part in parts])) for place in range(2))
    together = fit_logistic(x, y, 3, torch.tensor([[0.1], [1.0], [10.0]]), tolerance=1e-6)
    for group, strength in enumerate((0.1, 1.0, 10.0)):
        alone = fit(parts[group][0], parts[group][1], 3, torch.tensor([strength]))
        torch.testing.assert_close(together.weights[group], alone.weights[0], atol=5e-3, rtol=1e-3)


def test_separable_classes_and_constant_columns_end():
    x = torch.tensor([[[0.0, 1.0], [0.1, 1.0], [1.0, 1.0], [1.1, 1.0]]])
    found = fit_logistic(x, torch.tensor([[0, 0, 1, 1]]), 2, torch.tensor([1e6]), steps=300)
    assert torch.isfinite(found.weights).all() and found.steps <= 300
