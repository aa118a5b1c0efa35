"""The participation ratio and RankMe: closed forms, what a mean does to them, sums over ranks."""

import math

import numpy as np
import pytest
import torch

from isotropy.diagnostics import Moments, effective_rank, participation_ratio, rankme


def gaussian(rows, width, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_each_number_of_a_known_spectrum():
    spectrum = np.array([4.0, 2.0, 1.0, 1.0])
    left = np.linalg.qr(np.hstack([np.ones((30, 1)), gaussian(30, 4)]))[0][:, 1:]
    z = math.sqrt(30) * left * np.sqrt(spectrum) @ np.linalg.qr(gaussian(4, 4, 1))[0]
    roots = np.sqrt(spectrum) / np.sqrt(spectrum).sum()
    assert participation_ratio(z + 3) == pytest.approx(64 / 22)
    assert rankme(z) == pytest.approx(math.exp(-(roots * np.log(roots)).sum()))


def test_rankme_of_centred_rows_is_the_effective_rank_and_at_least_the_participation_ratio():
    z = gaussian(200, 40) * np.arange(1, 41) ** -1.0
    assert rankme(z - z.mean(0)) == pytest.approx(effective_rank(z), rel=1e-9)
    assert effective_rank(z) > participation_ratio(z) + 1


def test_a_common_mean_moves_rankme_only():
    z = gaussian(2560, 64)
    moved = z + 2.0  # a mean of norm 16
    assert rankme(moved) < 0.8 * rankme(z)
    assert participation_ratio(moved) == pytest.approx(participation_ratio(z))


def test_isotropic_rows_against_marchenko_pastur():
    n, d = 2560, 256
    z, gamma = gaussian(n, d), 256 / 2560
    assert rankme(z) == pytest.approx(d * math.exp(-gamma / 8), rel=0.02)
    assert participation_ratio(z) == pytest.approx(d / (1 + gamma), rel=0.02)


def test_point_collapse_has_no_direction_or_that_of_the_point():
    z = torch.full((50, 8), 0.3)
    assert math.isnan(participation_ratio(z)) and rankme(z) == pytest.approx(1)
    assert math.isnan(rankme(torch.zeros(5, 3))) and math.isnan(participation_ratio(torch.zeros(5, 3)))


def test_moments_add_up_and_reduce_in_one_vector():
    z = gaussian(50, 7)
    one, other = Moments.of(z[:13]), Moments.of(z[13:])
    sent = []
    other.over_ranks(lambda x: sent.append(x) or x)
    for joined in (one + other, one.over_ranks(lambda x: x + sent[0])):
        assert participation_ratio(joined) == pytest.approx(participation_ratio(z), rel=1e-10)
    assert len(sent) == 1 and sent[0].ndim == 1
    mean_of_ranks = (participation_ratio(z[:13]) + participation_ratio(z[13:])) / 2
    assert mean_of_ranks < participation_ratio(z) - 0.05


def test_refused_shape():
    with pytest.raises(ValueError, match="must be"):
        participation_ratio(np.zeros((0, 3)))
