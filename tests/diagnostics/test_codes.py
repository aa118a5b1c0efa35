from itertools import product
from math import log

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from isotropy.diagnostics.codes import bins_used, mutual_information, purity, usage


def drawn(rows, segments, bins, seed=0):
    return np.random.default_rng(seed).integers(bins, size=(rows, segments))


def test_usage_is_the_entropy_of_the_shares():
    codes = np.array([[0, 1, 2], [0, 1, 3], [1, 1, 4], [1, 1, 5]])
    assert usage(codes, 8) == pytest.approx([log(2) / log(8), 0, log(4) / log(8)], abs=1e-15)
    assert bins_used(codes).tolist() == [2, 1, 4]
    uneven = np.array([[0]] * 9 + [[1]])
    assert usage(uneven, 2) == pytest.approx([-(0.9 * log(0.9) + 0.1 * log(0.1)) / log(2)])


@pytest.mark.parametrize(("rows", "bins"), [(50, 3), (5000, 7)])
def test_mutual_information_is_sklearns(rows, bins):
    codes = drawn(rows, 4, bins)
    codes[:, 1] = (codes[:, 0] + (drawn(rows, 1, 4, 1)[:, 0] == 0)) % bins
    found = mutual_information(codes, bins)
    for s, r in product(range(4), repeat=2):
        expected = normalized_mutual_info_score(codes[:, s], codes[:, r])
        assert found[s, r] == pytest.approx(expected, abs=1e-6)
    assert np.allclose(found, found.T, atol=1e-12)


def test_mutual_information_of_known_codes():
    pairs = np.array(list(product(range(4), repeat=2)))
    renamed = (pairs[:, :1] + 1) % 4
    found = mutual_information(np.hstack([pairs, renamed]), 4)
    assert found == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), abs=1e-12)
    constant = np.hstack([pairs, np.zeros((16, 2), dtype=int)])
    found = mutual_information(constant, 4)
    assert np.isnan(found[2:, 2:]).all(), "of two segments of one value nothing is known"
    assert found[0, 2] == 0
    chance = mutual_information(drawn(2000, 2, 8), 8)[0, 1]
    assert chance == pytest.approx(49 / (2 * 2000 * log(8)), rel=0.5)


def test_purity_is_learnt_on_other_rows():
    labels = np.array(list("aabbc" * 40))
    codes = np.stack([np.searchsorted(["a", "b", "c"], labels), np.zeros(200, int), np.arange(200)], axis=1)
    train, test = np.arange(100), np.arange(100, 200)
    found = purity(codes[test], labels[test], learnt_on=(codes[train], labels[train]))
    # A code for every row says nothing of others: those it has never seen stand for the commonest label.
    assert found == pytest.approx([1.0, 0.4, 0.4])


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"whole numbers \(N, S\) with N > 0, got float64 of shape \(2, 2\)"):
        bins_used(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"of shape \(0, 2\)"):
        bins_used(np.zeros((0, 2), dtype=int))
    with pytest.raises(ValueError, match="at least 2 bins, got 1"):
        usage([[0]], 1)
