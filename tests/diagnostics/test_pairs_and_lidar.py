"""Uniformity, alignment and LiDAR: closed forms, and the traps of published versions."""

import math

import numpy as np
import pytest
import torch

from isotropy.diagnostics import (
    alignment_distance,
    entropy_rank,
    lidar,
    stability,
    uniformity,
)


def rows(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_uniformity_of_known_sets():
    assert uniformity(torch.eye(8)) == pytest.approx(-4)
    assert uniformity(torch.eye(8).double() - 1 / 8) == pytest.approx(-4 * 8 / 7, abs=1e-9)
    assert uniformity([[1.0, 0.0], [-1.0, 0.0]]) == pytest.approx(-8)
    assert uniformity(torch.ones(9, 3)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("width", "value"), [(2, -1.575), (8, -3.083), (32, -3.752), (128, -3.9375)])
def test_uniformity_of_even_rows(width, value):
    # -4 + ln 0F1(; D/2; 4), the moment generating function of a uniform direction.
    assert uniformity(rows(2000, width)) == pytest.approx(value, abs=0.01)


def test_uniformity_in_pieces_is_that_of_all_pairs():
    z = rows(1500, 5)
    u = z / np.linalg.norm(z, axis=1, keepdims=True)
    squares = ((u[:, None] - u[None]) ** 2).sum(-1)[np.triu_indices(1500, 1)]
    assert uniformity(z) == pytest.approx(math.log(np.exp(-2 * squares).mean()), abs=1e-9)
    with pytest.raises(ValueError, match="at least 2"):
        uniformity(z[:1])


def test_alignment_distance_is_two_minus_twice_the_alignment():
    a, b = rows(30, 4), rows(30, 4, 1)
    assert alignment_distance(a, b) == pytest.approx(2 - 2 * stability([a, b])["alignment"], abs=1e-12)
    assert alignment_distance(a, 5 * a) == pytest.approx(0, abs=1e-12)


def views(signal, noise, samples=400, views=10, width=32, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(samples, width)) * signal
    z = centres[:, None] + noise * rng.normal(size=(samples, views, width))
    return z.reshape(-1, width), np.repeat(np.arange(samples), views)


def test_noise_scores_a_full_rank_and_the_ratio_gives_it_away():
    z, ids = views(signal=0.0, noise=1.0)
    found = lidar(z, ids)
    assert found["lidar"] > 25 and found["ratio"] == pytest.approx(1 / 10, rel=0.2)
    assert found["shuffled"] == pytest.approx(found["lidar"], rel=0.05)
    z, ids = views(signal=2.0, noise=1.0)
    assert lidar(z, ids)["ratio"] > 3


def test_a_few_directions_of_signal():
    signal = np.zeros(32)
    signal[:4] = 10
    z, ids = views(signal, noise=0.1)
    found = lidar(z, ids)
    assert 3 < found["lidar"] < 5 < found["shuffled"]


def test_lidar_depends_on_neither_scale_nor_order_nor_a_linear_map():
    z, ids = views(signal=np.linspace(0.2, 2, 32), noise=np.linspace(1, 0.1, 32))
    value = lidar(z, ids)["lidar"]
    assert lidar(0.01 * z, ids)["lidar"] == pytest.approx(value, rel=1e-6)
    order = np.random.default_rng(1).permutation(len(z))
    assert lidar(z[order], ids[order])["lidar"] == pytest.approx(value, rel=1e-9)
    assert lidar(z @ rows(32, 32, 5), ids, ridge=1e-12)["lidar"] == pytest.approx(
        lidar(z, ids, ridge=1e-12)["lidar"], rel=1e-4
    )


def test_lidar_against_its_definition():
    z, ids = views(signal=np.linspace(0.2, 2, 6), noise=1.0, samples=30, views=3, width=6)
    means = z.reshape(30, 3, 6).mean(1)
    between = (means - means.mean(0)).T @ (means - means.mean(0)) / 30
    inner = z - np.repeat(means, 3, axis=0)
    within = inner.T @ inner / 90
    within += 1e-4 * np.trace(within) / 6 * np.eye(6)
    values, vectors = np.linalg.eigh(within)
    root = vectors / np.sqrt(values) @ vectors.T
    p = np.linalg.eigvalsh(root @ between @ root)
    p /= p.sum()
    assert lidar(z, ids)["lidar"] == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-9)


def test_perfect_invariance_and_collapse():
    means = rows(50, 8)
    z, ids = np.repeat(means, 3, axis=0), np.repeat(np.arange(50), 3)
    assert lidar(z, ids)["lidar"] == pytest.approx(entropy_rank(means), rel=1e-9)
    assert math.isnan(lidar(np.ones((12, 4)), np.repeat(np.arange(4), 3))["lidar"])


@pytest.mark.parametrize("ids", [[0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 2]])
def test_refused_ids(ids):
    with pytest.raises(ValueError, match="two views or more"):
        lidar(rows(4, 3), ids)
