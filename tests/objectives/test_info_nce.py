from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from isotropy.objectives import info_nce


def pair(rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(2)]


def slow_info_nce(query, key, temperature):
    """The mean cross entropy, query by query."""
    q, k = ([row / np.sqrt((row**2).sum()) for row in x.numpy()] for x in (query, key))
    total = 0.0
    for i in range(len(q)):
        total -= log(exp(q[i] @ k[i] / temperature) / sum(exp(q[i] @ other / temperature) for other in k))
    return total / len(q)


@pytest.mark.parametrize("rows", [1, 5, 9])
def test_equals_the_equation_written_as_loops(rows):
    q, k = pair(rows, 6)
    assert info_nce(q, k, temperature=0.3).item() == pytest.approx(slow_info_nce(q, k, 0.3), abs=1e-10)


def test_known_situations():
    n, t = 8, 0.2
    one, eye = torch.ones(n, 4, dtype=torch.float64), torch.eye(n, dtype=torch.float64)
    corners = normalize(eye - 1 / n, dim=1)
    assert info_nce(one, one, temperature=t).item() == pytest.approx(log(n), abs=1e-12)
    assert info_nce(one, eye[:, :4], temperature=t).item() > log(n)
    assert info_nce(eye, eye, temperature=t).item() == pytest.approx(log(1 + (n - 1) * exp(-1 / t)), abs=1e-12)
    expected = log(1 + (n - 1) * exp(-n / ((n - 1) * t)))
    assert info_nce(corners, corners, temperature=t).item() == pytest.approx(expected, abs=1e-12)


def test_lengths_and_a_common_rotation_change_nothing():
    q, k = pair(8, 5)
    rotation = torch.linalg.qr(pair(5, 5, seed=1)[0]).Q
    before = info_nce(q, k, temperature=0.5).item()
    assert info_nce(3 * q, 0.1 * k, temperature=0.5).item() == pytest.approx(before, abs=1e-12)
    assert info_nce(q @ rotation, k @ rotation, temperature=0.5).item() == pytest.approx(before, abs=1e-12)


def test_gradient_is_right_for_both_sides():
    q, k = (x.requires_grad_() for x in pair(4, 3))
    assert torch.autograd.gradcheck(lambda q, k: info_nce(q, k, temperature=0.5), (q, k))
    info_nce(q, k.detach(), temperature=0.5).backward()
    assert k.grad is None and (q.grad * q).sum(1).abs().max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [1e-4, 0.5])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_finite_for_logits_up_to_1e4_and_identical_rows(dtype, temperature, scale):
    q = (scale * torch.eye(4).repeat(2, 1)).to(dtype).requires_grad_()
    value = info_nce(q, -q, temperature=temperature)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and q.grad.isfinite().all()


def test_autocast_costs_no_digits():
    q, k = (x.float() for x in pair(16, 32))
    with torch.autocast("cpu", torch.bfloat16):
        inside = info_nce(q, k, temperature=0.07)
    assert inside.item() == info_nce(q, k, temperature=0.07).item()


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        info_nce(z, z, temperature=0)
    with pytest.raises(ValueError, match=r"\(4, 3\), \(3, 3\)"):
        info_nce(z, z[:3], temperature=0.5)
