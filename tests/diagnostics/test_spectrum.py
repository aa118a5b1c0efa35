"""Ranks of a spectrum: closed forms, their order, what a mean and a few rows do to them, sums over ranks."""

import math

import numpy as np
import pytest
import torch

from isotropy.diagnostics import (
    Moments,
    alpha_req,
    effective_dimension,
    effective_rank,
    eigenvalues,
    entropy_rank,
    participation_ratio,
    rankme,
)


def rows_of(spectrum, rows, seed=0):
    """Rows whose centred covariance (divided by N) has exactly this spectrum."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(np.hstack([np.ones((rows, 1)), rng.normal(size=(rows, len(spectrum)))]))[0][:, 1:]
    right = np.linalg.qr(rng.normal(size=(len(spectrum), len(spectrum))))[0]
    return math.sqrt(rows) * left * np.sqrt(spectrum) @ right


def gaussian(rows, width, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


SPECTRUM = np.array([4.0, 2.0, 1.0, 1.0])


def test_each_number_of_a_known_spectrum():
    z = rows_of(SPECTRUM, 30) + 3
    p = SPECTRUM / 8
    roots = np.sqrt(SPECTRUM) / np.sqrt(SPECTRUM).sum()
    assert eigenvalues(z).tolist() == pytest.approx(SPECTRUM.tolist())
    assert entropy_rank(z) == pytest.approx(math.exp(-(p * np.log(p)).sum())) == pytest.approx(3.364, abs=1e-3)
    assert participation_ratio(z) == pytest.approx(64 / 22)
    assert rankme(z, centred=True) == pytest.approx(math.exp(-(roots * np.log(roots)).sum()))


def test_the_order_of_ranks():
    z = gaussian(200, 1) * 0 + gaussian(200, 40) * np.arange(1, 41) ** -1.0
    ranks = [rankme(z, centred=True), entropy_rank(z), participation_ratio(z)]
    assert ranks == sorted(ranks, reverse=True) and len(set(np.round(ranks, 3))) == 3


def test_rankme_centred_is_the_effective_rank():
    z = gaussian(100, 12) + 5
    assert rankme(z, centred=True) == pytest.approx(effective_rank(z), rel=1e-9)


def test_a_common_mean_moves_the_uncentred_numbers_only():
    z = gaussian(2560, 64)
    moved = z + 2.0  # a mean of norm 16
    assert rankme(moved) < 0.8 * rankme(z) and participation_ratio(moved, centred=False) < 3
    assert rankme(moved, centred=True) == pytest.approx(rankme(z, centred=True))
    assert participation_ratio(moved) == pytest.approx(participation_ratio(z))


def test_isotropic_rows_against_marchenko_pastur():
    n, d = 2560, 256
    z, gamma = gaussian(n, d), 256 / 2560
    assert rankme(z, centred=True) == pytest.approx(d * math.exp(-gamma / 8), rel=0.02)
    assert entropy_rank(z) == pytest.approx(d * math.exp(-gamma / 2), rel=0.02)
    assert participation_ratio(z) == pytest.approx(d / (1 + gamma), rel=0.02)


def test_the_unbiased_participation_ratio_sees_the_population():
    scale = 1 / np.sqrt(np.arange(1, 65))
    truth = (scale**2).sum() ** 2 / (scale**4).sum()
    few = [gaussian(64, 64, seed) * scale for seed in range(40)]
    raw = np.mean([participation_ratio(z) for z in few])
    unbiased = np.mean([participation_ratio(z, unbiased=True) for z in few])
    assert raw < 0.9 * truth and unbiased == pytest.approx(truth, rel=0.06)
    with pytest.raises(ValueError, match="at least 4 centred rows"):
        participation_ratio(few[0], centred=False, unbiased=True)


def test_collapse_is_undefined_centred_and_one_uncentred():
    z = torch.full((50, 8), 0.3)
    for rank in (entropy_rank, participation_ratio):
        assert math.isnan(rank(z)) and rank(z, centred=False) == pytest.approx(1)
    assert rankme(z) == pytest.approx(1) and math.isnan(rankme(torch.zeros(5, 3)))
    assert effective_dimension(z) == 0 and math.isnan(alpha_req(z)[0])


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_alpha_of_an_exact_power_law(alpha):
    spectrum = np.arange(1, 121.0) ** -alpha
    found, fit = alpha_req(rows_of(spectrum, 300))
    assert found == pytest.approx(alpha, abs=1e-6) and fit == pytest.approx(1, abs=1e-9)


def test_the_range_changes_alpha_and_is_left_as_given():
    spectrum = np.where(np.arange(1, 121) <= 20, 1.0, 1 / np.arange(1, 121.0))
    z = rows_of(spectrum, 300)
    near, far = alpha_req(z, first=4, last=50)[0], alpha_req(z)[0]
    assert abs(near - far) > 0.3
    assert alpha_req(z)[0] == far  # a second call has the same range


def test_effective_dimension():
    base = gaussian(200, 3)
    z = np.hstack([base, base @ gaussian(3, 4, seed=1), np.full((200, 1), 7.0)])
    assert effective_dimension(z) == 3
    assert effective_dimension(gaussian(500, 10)) == 10


def test_moments_add_up_and_reduce_in_one_vector():
    z = gaussian(50, 7)
    one, other = Moments.of(z[:13]), Moments.of(z[13:])
    sent = []
    other.over_ranks(lambda x: sent.append(x) or x)
    for joined in (one + other, one.over_ranks(lambda x: x + sent[0])):
        assert entropy_rank(joined) == pytest.approx(entropy_rank(z), rel=1e-10)
        assert effective_dimension(joined) == effective_dimension(z)
    mean_of_ranks = (entropy_rank(z[:13]) + entropy_rank(z[13:])) / 2
    assert mean_of_ranks < entropy_rank(z) - 0.05


def test_refused_shape():
    with pytest.raises(ValueError, match="must be"):
        entropy_rank(np.zeros((0, 3)))
