import math

import numpy as np
import pytest
import torch

from isotropy.diagnostics.rank import effective_rank, mean_norm, spectrum


def with_singular_values(values, rows=40, seed=0):
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(np.hstack([np.ones((rows, 1)), rng.normal(size=(rows, len(values)))]))[0][:, 1:]
    right = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    return left * values @ right


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_k_equal_singular_values_are_k_directions(k):
    z = with_singular_values(np.array([2.0] * k + [0.0] * (12 - k)))
    assert effective_rank(z) == pytest.approx(k, rel=1e-6)


def test_known_entropy_and_what_it_does_not_depend_on():
    z = with_singular_values(np.array([2.0, 1.0, 1.0]))
    expected = math.exp(-(0.5 * math.log(0.5) + 0.5 * math.log(0.25)))
    assert effective_rank(z) == pytest.approx(expected, rel=1e-9)
    assert effective_rank(1e-3 * z + 5) == pytest.approx(expected, rel=1e-6)
    assert effective_rank(z[:, [2, 0, 1]]) == pytest.approx(expected, rel=1e-9)


def test_fewer_rows_than_columns():
    z = np.random.default_rng(0).normal(size=(8, 300))
    p = np.linalg.svd(z - z.mean(0), compute_uv=False)[:7]
    p /= p.sum()
    assert effective_rank(z) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-9)


def test_point_collapse_is_undefined_never_good():
    assert math.isnan(effective_rank(torch.full((50, 8), 0.3)))
    assert math.isnan(effective_rank(np.zeros((5, 3))))
    assert math.isnan(effective_rank(np.full((50, 8), 0.3) + 1e-9 * np.random.default_rng(0).normal(size=(50, 8))))


def test_an_isotropic_gaussian_gives_the_random_matrix_value():
    z = np.random.default_rng(0).normal(size=(1280, 128))
    assert effective_rank(z) == pytest.approx(128 * math.exp(-0.1 / 8), rel=0.01)


def test_mean_norm_closed_forms():
    angles = 2 * np.pi * np.arange(12) / 12
    assert mean_norm(np.stack([np.cos(angles), np.sin(angles)], 1)) == pytest.approx(0, abs=1e-12)
    assert mean_norm(np.array([[5.0, 0.0], [0.0, 0.1]])) == pytest.approx(1 / np.sqrt(2))
    assert mean_norm(np.array([[1.0, 0.0], [0.0, 0.0]])) == 0.5


def test_empty_or_flat_input_is_refused():
    with pytest.raises(ValueError, match="must be"):
        effective_rank(np.zeros(4))
    with pytest.raises(ValueError, match="must be"):
        mean_norm(np.zeros((0, 4)))


def test_the_spectrum_is_what_the_effective_rank_counts():
    z = with_singular_values(np.array([4.0, 2.0, 1.0, 0.5])) + 7
    p = spectrum(z)
    assert p.tolist() == pytest.approx([4 / 7.5, 2 / 7.5, 1 / 7.5, 0.5 / 7.5])
    assert float(torch.exp(-(p * p.log()).sum())) == pytest.approx(effective_rank(z))
    assert spectrum(np.ones((5, 3))).tolist() == []
