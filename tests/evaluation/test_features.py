import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation import Features, Problem
from isotropy.evaluation.evaluators.knn import knn
from isotropy.evaluation.evaluators.search import search


def made(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(rows, columns)) @ (np.eye(columns) + 0.3 * rng.normal(size=(columns, columns))) + 5
    ).astype(np.float32)


def test_the_three_forms():
    x = made(300, 6)
    forms = {form.name: form for form in Features(x[:200], x[200:]).forms()}
    assert list(forms) == ["as it is", "standardised", "whitened"]
    ratio = forms["as it is"].train / x[:200]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    np.testing.assert_allclose(forms["standardised"].train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(forms["standardised"].train.std(0), 1, atol=1e-5)
    np.testing.assert_allclose(np.cov(forms["whitened"].train.T, bias=True), np.eye(6), atol=0.05)


def test_nothing_is_learnt_from_test_rows():
    x = made(300, 5)
    for first, other in zip(Features(x[:200], x[200:]).forms(), Features(x[:200], 100 * x[200:] + 7).forms()):
        assert np.array_equal(first.train, other.train)


def test_wide_features_of_few_rows_keep_every_angle():
    x = np.random.default_rng(0).normal(size=(60, 1500)).astype(np.float32)
    form = Features(x[:40], x[40:]).as_is
    assert form.train.shape[1] <= 40

    def angles(rows):
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return rows @ rows.T

    np.testing.assert_allclose(angles(form.train), angles(x[:40]), atol=1e-3)


@pytest.mark.parametrize("width", [40, 1200])
def test_along_their_axes_training_rows_are_uncorrelated_and_as_long_as_before(width):
    """Above 1,024 columns a form's axes are those of the rows about zero: its mean is no part of what is asked here."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(500, 30)) @ rng.normal(size=(30, width))).astype(np.float32)
    x = np.concatenate([x, -x])
    for form in Features(x, x).forms():
        turned = form.turned.astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(form.train, axis=1), rtol=1e-4)
        products = turned.T @ turned
        off = products - np.diag(np.diag(products))
        assert np.abs(off).max() < 1e-4 * np.diag(products).max(), form.name
        assert form.principal or not np.array_equal(form.turned, form.train)


def test_constant_columns_and_one_column():
    x = np.concatenate([np.ones((50, 1)), made(50, 2)], axis=1)
    assert np.isfinite(Features(x, x).standardised.train).all() and not Features(x, x).standardised.train[:, 0].any()
    assert [form.name for form in Features(x[:, 1:2], x[:, 1:2]).forms()] == ["as it is"]
    assert np.isfinite(Features(np.ones((5, 3)), np.ones((5, 3))).whitened.train).all()


def test_features_that_do_not_fit_get_one_line():
    x = made(10, 3)
    with pytest.raises(UserError, match="3 wide and test features 2"):
        Features(x, x[:, :2])
    with pytest.raises(UserError, match="NaN or infinite"):
        Features(np.where(x == x[0, 0], np.nan, x), x)
    with pytest.raises(UserError, match="give \\(rows, width\\)"):
        Features(x[0], x)


@pytest.mark.parametrize("offset", [1e8, -1e12])
def test_a_common_offset_of_float64_features_loses_no_label(offset):
    x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 1, 1, 100]
    plain, moved = Features(x[:40], x[40:]), Features(x[:40] + offset, x[40:] + offset)
    np.testing.assert_allclose(moved.standardised.test, plain.standardised.test, atol=2e-3)
    near = Features(x[:40] + 10, x[40:] + 10)
    np.testing.assert_array_equal(near.train, (x[:40] + 10).astype(np.float32), "a moderate one stays")


def test_parts_are_read_alone_by_what_compares_rows():
    """Two columns that tell the classes apart stand beside thirty of noise of the same size."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    told, noise = y[:, None] + 0.4 * rng.normal(size=(400, 2)), rng.normal(size=(400, 30))
    x = np.hstack([noise, told]).astype(np.float32)
    parts = {"encoder": slice(0, 30), "columns": slice(30, 32)}
    one = Features(x[:200], x[200:], x[:7], parts=parts)
    forms = {form.name: form for form in one.readings()}
    assert list(forms)[-2:] == ["encoder alone", "columns alone"] and len(forms) == len(list(one.forms())) + 2
    alone = Features(x[:200, 30:], x[200:, 30:], x[:7, 30:]).as_is
    for name in ("train", "test", "further"):
        assert np.array_equal(getattr(forms["columns alone"], name), getattr(alone, name))
    for evaluator in (search, knn):
        without, found = (next(iter(evaluator(made, Problem.of(y[:200], y[200:])))) for made in (
            Features(x[:200], x[200:]), Features(x[:200], x[200:], parts=parts)
        ))  # fmt: skip
        assert found.terms.mean() >= without.terms.mean()
        assert found.detail["form"] == "columns alone"
