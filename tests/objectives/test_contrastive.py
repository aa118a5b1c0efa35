from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from isotropy.objectives import nt_xent


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def slow_nt_xent(z, temperature):
    """Equation 1 of the paper, anchor by anchor; positives of several views are summed inside the log."""
    rows = len(z[0])
    u = [[x[i].numpy() / np.sqrt((x[i].numpy() ** 2).sum()) for i in range(rows)] for x in z]
    total = 0.0
    for v in range(len(z)):
        for i in range(rows):
            positive = everything = 0.0
            for w in range(len(z)):
                for k in range(rows):
                    if (w, k) == (v, i):
                        continue
                    term = exp(float(u[v][i] @ u[w][k]) / temperature)
                    everything += term
                    positive += term if k == i else 0.0
            total -= log(positive / everything)
    return total / (len(z) * rows)


def simplex(rows):
    """Return `rows` unit vectors whose cosines are all -1 / (rows - 1)."""
    centred = torch.eye(rows, dtype=torch.float64) - 1 / rows
    return normalize(centred, dim=1)


@pytest.mark.parametrize(("count", "rows"), [(2, 7), (2, 1), (3, 5), (4, 4)])
def test_equals_the_papers_equation_written_as_loops(count, rows):
    z = views(count, rows, 6)
    assert nt_xent(*z, temperature=0.3).item() == pytest.approx(slow_nt_xent(z, 0.3), abs=1e-10)


@pytest.mark.parametrize(("count", "rows"), [(2, 256), (2, 3), (3, 8), (5, 4)])
def test_all_rows_equal_cost_log_of_candidates_over_positives(count, rows):
    z = torch.ones(rows, 4, dtype=torch.float64)
    expected = log((count * rows - 1) / (count - 1))
    assert nt_xent(*[z] * count, temperature=0.2).item() == pytest.approx(expected, abs=1e-12)


def test_equal_positives_orthogonal_to_all_others():
    z = torch.eye(9, dtype=torch.float64)
    assert nt_xent(z, z, temperature=0.2).item() == pytest.approx(log(1 + 16 * exp(-5)), abs=1e-12)


def test_the_simplex_is_the_minimum():
    rows, temperature = 6, 0.4
    z = simplex(rows)
    at_simplex = nt_xent(z, z, temperature=temperature).item()
    assert at_simplex == pytest.approx(log(1 + 10 * exp(-6 / (5 * temperature))), abs=1e-12)
    for seed in range(5):
        nudge = 0.1 * views(1, rows, rows, seed)[0]
        assert nt_xent(z + nudge, z + nudge, temperature=temperature).item() > at_simplex


def test_random_directions_cost_what_the_expansion_says():
    drawn = [nt_xent(*views(2, 256, 256, seed), temperature=0.2).item() for seed in range(10)]
    expected = log(511) + 1 / (2 * 256 * 0.2**2)
    assert expected == pytest.approx(6.285, abs=1e-3)
    assert sum(drawn) / len(drawn) == pytest.approx(expected, abs=0.02)


def test_invariant_to_row_lengths_rotation_order_of_rows_and_of_views():
    a, b = views(2, 8, 5)
    value = nt_xent(a, b, temperature=0.5).item()
    rotation = torch.linalg.qr(views(1, 5, 5, seed=3)[0]).Q
    lengths = torch.arange(1, 9, dtype=torch.float64).unsqueeze(1)
    order = torch.tensor([3, 1, 0, 7, 6, 2, 5, 4])
    for pair in ((lengths * a, b), (a @ rotation, b @ rotation), (a[order], b[order]), (b, a)):
        assert nt_xent(*pair, temperature=0.5).item() == pytest.approx(value, abs=1e-12)


def test_gradient_is_right_and_its_gradient_too():
    z = [x.requires_grad_() for x in views(3, 4, 3)]
    assert torch.autograd.gradcheck(lambda *z: nt_xent(*z, temperature=0.5), z)
    assert torch.autograd.gradgradcheck(lambda *z: nt_xent(*z, temperature=0.5), z)


def test_gradient_is_orthogonal_to_every_row_and_reaches_every_view():
    z = [x.requires_grad_() for x in views(2, 8, 5)]
    nt_xent(*z, temperature=0.2).backward()
    for x in z:
        assert (x.grad * x).sum(dim=1).abs().max() < 1e-15
        assert x.grad.norm(dim=1).min() > 1e-4


def test_gradient_on_unit_rows_is_the_expected_row_minus_the_positive():
    z = [normalize(x, dim=1) for x in views(2, 4, 3)]
    u = torch.cat(z).requires_grad_()
    temperature, rows = 0.5, 8
    logits = (u @ u.T / temperature).masked_fill(torch.eye(rows, dtype=torch.bool), -torch.inf)
    p, positive = logits.softmax(1).detach(), torch.eye(rows, dtype=torch.float64).roll(4, 1)
    direct = ((p - positive) + (p - positive).T) @ u.detach() / (temperature * rows)
    tangent = direct - (direct * u.detach()).sum(1, keepdim=True) * u.detach()
    nt_xent(u[:4], u[4:], temperature=temperature).backward()
    assert torch.allclose(u.grad, tangent, atol=1e-14)


def test_gradient_is_zero_at_exact_collapse():
    z = [torch.ones(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    nt_xent(*z, temperature=0.2).backward()
    assert max(x.grad.abs().max() for x in z) < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("temperature", [1e-4, 0.5])
@pytest.mark.parametrize(
    "z",
    [
        1e4 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0)),
        torch.ones(8, 4),
        torch.zeros(8, 4),
        torch.eye(4).repeat(2, 1),
    ],
    ids=["large", "constant", "zero", "identical rows"],
)
def test_finite_in_value_and_gradient_for_logits_up_to_1e4(dtype, temperature, z):
    a, b = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    value = nt_xent(a, b, temperature=temperature)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    if dtype != torch.float16:  # at length 0 the gradient is large, and fp16 ends at 65504
        assert a.grad.isfinite().all()


def test_autocast_costs_no_digits():
    z = [x.float() for x in views(2, 16, 32)]
    with torch.autocast("cpu", torch.bfloat16):
        inside = nt_xent(*z, temperature=0.07)
    assert inside.item() == nt_xent(*z, temperature=0.07).item()


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        nt_xent(z, temperature=0.5)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        nt_xent(z, z, temperature=0)
    with pytest.raises(ValueError, match=r"\(4, 3\), \(3, 3\)"):
        nt_xent(z, z[:3], temperature=0.5)
