"""Thresholds from the data: right in what they promise where the data have no issue, and found where they have."""

import numpy as np
import pytest
from scipy.stats import gumbel_r, kstest

from isotropy.audit import tails


def neighbours(x, k=10):
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    return np.sort(d, axis=1)[:, 1 : k + 1]


@pytest.mark.parametrize("dimensions", [2, 5])
def test_gaps_are_uniform_where_rows_lie_by_chance(dimensions):
    x = np.random.default_rng(0).random((1500, dimensions))
    p = tails.gaps(neighbours(x))
    # Neighbouring rows share neighbours, so this is far from 1,500 independent draws.
    assert kstest(p, "uniform").statistic < 0.06
    assert not tails.rare(p).sum() > 5


def test_a_copy_has_no_chance():
    x = np.random.default_rng(0).normal(size=(300, 4))
    x[7] = x[3] + 1e-4
    p = tails.gaps(neighbours(x))
    assert sorted(np.argsort(p)[:2].tolist()) == [3, 7] and p[3] < 1e-9
    assert np.flatnonzero(tails.rare(p)).tolist() == [3, 7]


def test_the_upper_tail_is_that_of_the_bulk_whatever_lies_far_out():
    x = np.random.default_rng(0).normal(size=2000)
    far = np.concatenate([x, np.full(60, 50.0)])
    assert np.allclose(tails.upper(far)[:2000], tails.upper(x), atol=0.05)
    assert tails.rare(tails.upper(far))[2000:].all()
    assert tails.rare(tails.upper(x)).sum() <= 3


def test_the_tail_of_the_highest_of_many_is_gumbel_s():
    x = np.random.default_rng(0).gumbel(3.0, 0.5, size=400_000)
    p = tails.upper_of_highest(np.array([2.0, 3.0, 4.0, 5.0, 6.0]), x)
    np.testing.assert_allclose(p, gumbel_r.sf([2.0, 3.0, 4.0, 5.0, 6.0], 3.0, 0.5), rtol=0.03)
    assert tails.upper_of_highest(np.array([-1e9, 1e9]), x).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("count", [16, 40, 250])
def test_few_audits_name_pairs_of_rows_that_are_the_highest_by_chance(count):
    rng = np.random.default_rng(0)
    audits = [np.repeat(rng.gumbel(size=count), 2) for _ in range(400)]
    named = [np.mean([tails.rare(of(x)).any() for x in audits]) for of in (tails.upper_of_highest, tails.upper)]
    assert named[0] < 0.07 and named[1] > 0.2
    # What is far beyond them is found however few they are.
    assert np.mean([tails.rare(tails.upper_of_highest(np.append(x, 25.0)))[-1] for x in audits]) > 0.97


def test_a_rate_is_known_as_well_as_rows_let_it():
    rng = np.random.default_rng(0)
    low, high = np.quantile(np.repeat(rng.gumbel(size=(20_000, 250)), 2, axis=1), [0.5, 0.84], axis=1)
    spread = high - low
    assert spread.var() / spread.mean() ** 2 == pytest.approx(tails._ROWS_FOR_ONE / 500, rel=0.04)


def test_rows_that_are_alike_are_no_division_by_zero():
    p = tails.upper(np.array([1.0] * 50 + [2.0]))
    assert np.isfinite(p).all() and p[-1] < 1e-6 < p[0]


def test_benjamini_and_hochberg_by_hand():
    # .01 <= .05 * 1/4, .02 <= .05 * 2/4, .03 <= .05 * 3/4, and .2 is above.
    assert tails.rare(np.array([0.2, 0.03, 0.01, 0.02])).tolist() == [False, True, True, True]
    assert not tails.rare(np.ones(5)).any()


def test_only_what_a_gap_divides_from_the_rest_lies_beyond_it():
    rng = np.random.default_rng(0)
    skewed = rng.exponential(size=5000)
    two_kinds = np.append(rng.normal(size=600), rng.normal(5, 0.5, size=70))
    for x in (skewed, two_kinds):
        assert not tails.beyond_gap(x, 0.7).any()
        assert np.flatnonzero(tails.beyond_gap(np.append(x, [40.0, 31.0]), 0.7)).tolist() == [len(x), len(x) + 1]
    # Larger than any other gap, and yet too small to count.
    assert not tails.beyond_gap(np.append(np.zeros(50), 0.6), 0.7).any()
