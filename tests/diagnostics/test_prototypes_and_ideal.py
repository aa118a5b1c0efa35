"""Use of prototypes, and what an ideal representation satisfies: closed forms and planted cases."""

import math

import numpy as np
import pytest
import torch

from isotropy.diagnostics import (
    assignments,
    divergence,
    invariance_ratio,
    most_even,
    unseen_mass,
    worst_invariant_task,
)


def test_uniform_codes_and_one_code():
    uniform = assignments(torch.full((32, 4096), 1 / 4096))
    assert uniform["entropy"] == pytest.approx(8.3178, abs=1e-4) == pytest.approx(uniform["marginal_entropy"], abs=1e-4)
    assert uniform["information"] == pytest.approx(0, abs=1e-12) and uniform["imbalance"] == pytest.approx(0, abs=1e-9)
    one = torch.zeros(32, 8)
    one[:, 3] = 1
    found = assignments(one)
    assert (found["marginal_entropy"], found["entropy"], found["used"], found["imbalance"]) == (0, 0, 1, 7)


def test_balanced_sure_codes():
    found = assignments(torch.eye(8).repeat(4, 1))
    assert found["information"] == pytest.approx(math.log(8)) and found["used"] == 8
    assert most_even(8, 32) == pytest.approx(math.log(8)) and most_even(256, 32, 0.5) == pytest.approx(
        math.log(32) + 0.5
    )


def test_divergence_is_cross_entropy_less_entropy():
    rng = np.random.default_rng(0)
    t, s = (torch.tensor(rng.dirichlet(np.ones(5), size=20)) for _ in range(2))
    cross = -(t * s.log()).sum(1).mean()
    assert divergence(t, s) == pytest.approx(float(cross) - assignments(t)["entropy"], abs=1e-12)
    assert divergence(t, t) == pytest.approx(0, abs=1e-12)
    assert divergence([[1.0, 0.0]], [[0.5, 0.5]]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("bad", [torch.ones(3, 2), torch.zeros(0, 2), torch.tensor([[1.5, -0.5]])])
def test_refused_probabilities(bad):
    with pytest.raises(ValueError, match="sum to 1"):
        assignments(bad)


def test_invariance_ratio_against_all_pairs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 1
    squares = ((a[:, None] - b[None]) ** 2).sum(-1)
    other = (squares.sum() - np.trace(squares)) / (12 * 11)
    assert invariance_ratio(a, b) == pytest.approx(np.trace(squares) / 12 / other, rel=1e-12)
    unrelated = invariance_ratio(rng.normal(size=(3000, 4)), rng.normal(size=(3000, 4)))
    assert unrelated == pytest.approx(1, abs=0.05)
    assert math.isnan(invariance_ratio(np.ones((5, 3)), np.ones((5, 3))))


def test_the_worst_task_of_an_ideal_and_of_a_narrow_representation():
    classes = np.repeat(np.arange(6), 30)
    ideal = worst_invariant_task(np.eye(6)[classes], classes, np.eye(6)[classes], classes)
    assert ideal == {"worst": 1.0, "mean": 1.0}
    line = classes[:, None].astype(float)  # one dimension cannot realise most merges of six classes
    narrow = worst_invariant_task(line, classes, line, classes)
    assert narrow["worst"] < 0.8
    with pytest.raises(ValueError, match="merged into 7"):
        worst_invariant_task(line, classes, line, classes, labels=7)


def test_the_sample_law():
    rng = np.random.default_rng(3)
    misses = []
    for _ in range(4000):
        seen = np.unique(rng.integers(10, size=20))
        misses.append(1 - len(seen) / 10)
    assert np.mean(misses) == pytest.approx(unseen_mass(20, 10), abs=0.01)
    assert unseen_mass(50, 50) == pytest.approx(0.3642, abs=1e-4)
    assert unseen_mass(3, [0.5, 0.25, 0.25]) == pytest.approx(0.5**4 + 2 * 0.25 * 0.75**3)
