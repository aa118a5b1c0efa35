"""Measures of papers/: closed forms, and the traps of published versions."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

spec = importlib.util.spec_from_file_location("measures", Path(__file__).parents[2] / "papers/measures.py")
m = importlib.util.module_from_spec(spec)
spec.loader.exec_module(m)


def rows(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def rows_of(spectrum, n):
    """Rows whose centred covariance (divided by N) has exactly this spectrum."""
    left = np.linalg.qr(np.hstack([np.ones((n, 1)), rows(n, len(spectrum))]))[0][:, 1:]
    right = np.linalg.qr(rows(len(spectrum), len(spectrum), 1))[0]
    return math.sqrt(n) * left * np.sqrt(spectrum) @ right


def test_the_entropy_rank_of_a_known_spectrum():
    p = np.array([4.0, 2.0, 1.0, 1.0]) / 8
    z = rows_of(8 * p, 30) + 3
    assert m.entropy_rank(z) == pytest.approx(math.exp(-(p * np.log(p)).sum())) == pytest.approx(3.364, abs=1e-3)
    point = torch.full((50, 8), 0.3)
    assert math.isnan(m.entropy_rank(point)) and m.entropy_rank(point, centred=False) == pytest.approx(1)
    # Marchenko and Pastur.
    assert m.entropy_rank(rows(2560, 256)) == pytest.approx(256 * math.exp(-0.1 / 2), rel=0.02)
    with pytest.raises(ValueError, match="must be"):
        m.entropy_rank(np.zeros((0, 3)))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_alpha_of_an_exact_power_law(alpha):
    found, fit = m.alpha_req(rows_of(np.arange(1, 121.0) ** -alpha, 300))
    assert found == pytest.approx(alpha, abs=1e-6) and fit == pytest.approx(1, abs=1e-9)


def test_the_range_changes_alpha():
    z = rows_of(np.where(np.arange(1, 121) <= 20, 1.0, 1 / np.arange(1, 121.0)), 300)
    assert abs(m.alpha_req(z, first=4, last=50)[0] - m.alpha_req(z)[0]) > 0.3
    assert math.isnan(m.alpha_req(np.ones((50, 8)))[0])


def test_uniformity_of_known_sets():
    assert m.uniformity(torch.eye(8)) == pytest.approx(-4)
    assert m.uniformity(torch.eye(8).double() - 1 / 8) == pytest.approx(-4 * 8 / 7, abs=1e-9)
    assert m.uniformity([[1.0, 0.0], [-1.0, 0.0]]) == pytest.approx(-8)
    assert m.uniformity(torch.ones(9, 3)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("width", "value"), [(2, -1.575), (8, -3.083), (32, -3.752), (128, -3.9375)])
def test_uniformity_of_even_rows(width, value):
    # -4 + ln 0F1(; D/2; 4), the moment generating function of a uniform direction.
    assert m.uniformity(rows(2000, width)) == pytest.approx(value, abs=0.01)


def test_uniformity_in_parts_is_that_of_all_pairs():
    z = rows(1500, 5)
    u = z / np.linalg.norm(z, axis=1, keepdims=True)
    squares = ((u[:, None] - u[None]) ** 2).sum(-1)[np.triu_indices(1500, 1)]
    assert m.uniformity(z) == pytest.approx(math.log(np.exp(-2 * squares).mean()), abs=1e-9)


def views(signal, noise, samples=400, views=10, width=32):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(samples, width)) * signal
    z = centres[:, None] + noise * rng.normal(size=(samples, views, width))
    return z.reshape(-1, width), np.repeat(np.arange(samples), views)


def test_noise_scores_a_full_rank_and_the_ratio_gives_it_away():
    found = m.lidar(*views(signal=0.0, noise=1.0))
    assert found["lidar"] > 25 and found["ratio"] == pytest.approx(1 / 10, rel=0.2)
    assert m.lidar(*views(signal=2.0, noise=1.0))["ratio"] > 3


def test_a_few_directions_of_signal():
    assert 3 < m.lidar(*views(np.repeat([10, 0], [4, 28]), noise=0.1))["lidar"] < 5


def test_lidar_depends_on_neither_scale_nor_order_nor_a_linear_map():
    z, ids = views(signal=np.linspace(0.2, 2, 32), noise=np.linspace(1, 0.1, 32))
    value = m.lidar(z, ids)["lidar"]
    assert m.lidar(0.01 * z, ids)["lidar"] == pytest.approx(value, rel=1e-6)
    order = np.random.default_rng(1).permutation(len(z))
    assert m.lidar(z[order], ids[order])["lidar"] == pytest.approx(value, rel=1e-9)
    one, other = (m.lidar(x, ids, ridge=1e-12)["lidar"] for x in (z, z @ rows(32, 32, 5)))
    assert other == pytest.approx(one, rel=1e-4)


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
    assert m.lidar(z, ids)["lidar"] == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-9)


def test_lidar_at_perfect_invariance_and_collapse():
    means = rows(50, 8)
    found = m.lidar(np.repeat(means, 3, axis=0), np.repeat(np.arange(50), 3))
    assert found["lidar"] == pytest.approx(m.entropy_rank(means), rel=1e-9)
    assert math.isnan(m.lidar(np.ones((12, 4)), np.repeat(np.arange(4), 3))["lidar"])


@pytest.mark.parametrize("ids", [[0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 2]])
def test_lidar_needs_two_views_of_two_samples(ids):
    with pytest.raises(ValueError, match="two views or more"):
        m.lidar(rows(4, 3), ids)


def test_effective_dimension():
    base = rows(200, 3)
    assert m.effective_dimension(np.hstack([base, base @ rows(3, 4, 1), np.full((200, 1), 7.0)])) == 3
    assert m.effective_dimension(rows(500, 10)) == 10
    assert m.effective_dimension(torch.full((50, 8), 0.3)) == 0


def test_invariance_ratio_against_all_pairs():
    a, b = rows(12, 3), rows(12, 3, 1) + 1
    squares = ((a[:, None] - b[None]) ** 2).sum(-1)
    other = (squares.sum() - np.trace(squares)) / (12 * 11)
    assert m.invariance_ratio(a, b) == pytest.approx(np.trace(squares) / 12 / other, rel=1e-12)
    assert m.invariance_ratio(rows(3000, 4), rows(3000, 4, 1)) == pytest.approx(1, abs=0.05)
    assert math.isnan(m.invariance_ratio(np.ones((5, 3)), np.ones((5, 3))))


def test_the_worst_task_of_an_ideal_and_of_a_narrow_representation():
    classes = np.repeat(np.arange(6), 30)
    ideal = np.eye(6)[classes]
    assert m.worst_invariant_task(ideal, classes, ideal, classes) == {"worst": 1.0, "mean": 1.0}
    line = classes[:, None].astype(float)  # one dimension cannot realise most merges of six classes
    assert m.worst_invariant_task(line, classes, line, classes)["worst"] < 0.8


def test_the_unseen_mass_is_what_draws_miss():
    rng = np.random.default_rng(3)
    missed = [1 - len(np.unique(rng.integers(10, size=20))) / 10 for _ in range(4000)]
    assert np.mean(missed) == pytest.approx(m.unseen_mass(20, 10), abs=0.01)
    assert m.unseen_mass(50, 50) == pytest.approx(0.3642, abs=1e-4)
