import numpy as np
import pytest

from isotropy.errors import UserError
from isotropy.evaluation.baselines import collect, narrow, pca, series_summary, standardise


def test_pca_has_the_width_asked_for_or_what_there_is():
    x = np.random.default_rng(0).normal(size=(30, 12))
    assert pca(x, x[:4], width=5)[1].shape == (4, 5)
    assert pca(x, x, width=40)[0].shape == (30, 12)
    assert pca(x[:7], x, width=40)[0].shape == (7, 7)


def test_pca_is_fitted_on_the_training_part_alone():
    x = np.random.default_rng(0).normal(size=(100, 3)) * [10, 1, 0.1]
    wild = x[:, ::-1] * 100
    first, _ = pca(x, x, width=1)
    assert np.array_equal(pca(x, wild, width=1)[0], first)
    assert abs(np.corrcoef(first[:, 0], x[:, 0])[0, 1]) > 0.999


def test_summaries_of_a_sine_wave():
    """Amplitude A, whole periods: standard deviation A / sqrt 2, its variance in one band, |step| mean 4 A f / T."""
    steps, period, amplitude = 1000, 40, 3.0
    wave = 2 + amplitude * np.sin(2 * np.pi * np.arange(steps) / period)
    flat = np.full(steps, 5.0)
    features = series_summary(np.stack([wave, flat])[None], bands=500)[0]
    mean, spread, low, high, step = features[:10].reshape(5, 2)
    np.testing.assert_allclose([mean[0], spread[0], low[0], high[0]], [2, 3 / np.sqrt(2), -1, 5], atol=1e-5)
    np.testing.assert_allclose(step[0], 4 * amplitude / period, rtol=2e-3)
    np.testing.assert_allclose([mean[1], spread[1], low[1], high[1], step[1]], [5, 0, 5, 5, 0], atol=1e-6)
    spectrum = np.exp(features[10:].reshape(2, 500)) - 1e-6
    assert spectrum[0].argmax() == steps // period - 1
    assert spectrum[0].max() == pytest.approx(amplitude**2 / 2, rel=1e-4)
    assert spectrum[1].max() < 1e-9


@pytest.mark.parametrize("steps", [128, 129, 2, 3])
def test_bands_add_up_to_the_variance(steps):
    x = np.random.default_rng(0).normal(size=(4, 3, steps))
    features = series_summary(x)
    spectrum = np.exp(features[:, 15:].reshape(4, 3, -1).astype(float)) - 1e-6
    np.testing.assert_allclose(spectrum.sum(2), x.var(2), rtol=1e-4)
    assert features.shape == (4, 3 * (5 + min(32, steps // 2)))


def test_projection_keeps_distances_and_leaves_narrow_features_alone():
    x = np.random.default_rng(0).normal(size=(6, 9000))
    projected, same = narrow(x, x[:2], widest=1500)
    assert projected.shape == (6, 1500)
    np.testing.assert_allclose(projected[:2], same, rtol=1e-4, atol=1e-4)
    ratio = np.linalg.norm(projected[1:] - projected[0], axis=1) / np.linalg.norm(x[1:] - x[0], axis=1)
    assert np.abs(ratio - 1).max() < 0.08
    assert np.array_equal(narrow(x, x, widest=9000)[0], x.astype(np.float32))


def test_standardise_uses_the_training_part_and_zeroes_constants():
    x = np.array([[1.0, 7.0], [3.0, 7.0]])
    train, test = standardise(x, [[2.0, 9.0]])
    assert train.tolist() == [[-1.0, 0.0], [1.0, 0.0]] and test.tolist() == [[0.0, 0.0]]


def test_series_get_summaries_and_two_dimensions_are_refused():
    x = np.random.default_rng(0).normal(size=(9, 2, 16))
    flat = x.reshape(9, -1)
    found = collect(flat, flat[:3], width=4, series=(x, x[:3]), untrained=(flat[:, :4], flat[:3, :4]))
    names = ["raw features", "PCA (4)", "summary features", "random convolutions", "untrained encoder"]
    assert list(found) == names
    short = x[:, :, :2]
    assert "random convolutions" not in collect(flat, flat[:3], width=4, series=(short, short))
    assert found["summary features"][1].shape == (3, 2 * 13)
    with pytest.raises(UserError, match="channels"):
        series_summary(flat)
