import numpy as np
import pytest

from isotropy.evaluation.intervals import difference, interval, resampled_means
from isotropy.evaluation.task import score_terms


def test_intervals_cover_a_known_share():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        found = interval("classes", (rng.random((150, 1)) < 0.7).astype(float), resamples=500, seed=trial)
        covered += found["low"] <= 0.7 <= found["high"]
    assert 0.91 <= covered / 300 <= 0.98


def test_width_is_that_of_the_binomial():
    correct = np.repeat([1.0, 0.0], [300, 100])[:, None]
    found = interval("classes", correct)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_means_have_the_variance_of_drawing_with_replacement():
    values = np.random.default_rng(0).normal(size=(200, 1))
    means = resampled_means(values, resamples=4000)
    assert means.mean() == pytest.approx(values.mean(), abs=4e-3)
    assert means.var() == pytest.approx(values.var() / 200, rel=0.07)


def test_chunks_do_not_change_the_law(monkeypatch):
    monkeypatch.setattr("isotropy.evaluation.intervals._CELLS", 300)
    correct = np.repeat([1.0, 0.0], [300, 100])[:, None]
    found = interval("classes", correct)
    assert found["high"] - found["low"] == pytest.approx(0.085, rel=0.08)


def test_pairing_sees_what_separate_intervals_hide():
    """Two probes that agree on hard rows and differ on 3 of 100: unpaired intervals overlap, paired excludes 0."""
    theirs = np.repeat([1.0, 0.0], [700, 300])[:, None]
    ours = theirs.copy()
    ours[700:730] = 1
    apart = interval("classes", ours)["low"] > interval("classes", theirs)["high"]
    found = difference("classes", ours, theirs)
    assert not apart and found["low"] > 0
    assert found["score"] == pytest.approx(0.03)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.03 * 0.97 / 1000), rel=0.08)


def test_r2_of_a_resample_uses_its_own_variance():
    rng = np.random.default_rng(0)
    truth = 1e6 + rng.normal(size=300)
    predicted = truth + rng.normal(size=300) / 2
    found = interval("numbers", score_terms("numbers", truth, predicted))
    direct = []
    for _ in range(1000):
        rows = rng.integers(300, size=300)
        y, error = truth[rows], (truth - predicted)[rows]
        direct.append(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum())
    np.testing.assert_allclose([found["low"], found["high"]], np.quantile(direct, [0.025, 0.975]), atol=0.015)
