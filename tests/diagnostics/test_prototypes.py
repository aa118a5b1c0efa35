"""Use of prototypes: closed forms."""

import math

import pytest
import torch

from isotropy.diagnostics import assignments, most_even


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
    assert most_even(8, 32) == pytest.approx(math.log(8))
    assert most_even(256, 32, 0.5) == pytest.approx(math.log(32) + 0.5)


@pytest.mark.parametrize("bad", [torch.ones(3, 2), torch.zeros(0, 2), torch.tensor([[1.5, -0.5]])])
def test_refused_probabilities(bad):
    with pytest.raises(ValueError, match="sum to 1"):
        assignments(bad)
