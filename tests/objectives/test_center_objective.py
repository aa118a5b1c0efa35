from itertools import permutations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from isotropy.objectives import center, center_subtraction


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def both(*z, lambd=0.4):
    """Return a and c2 as `center` finds them."""
    terms = center(*z, lambd=lambd)
    return -terms["alignment"].item(), terms["centre"].item() / lambd


def slow(z):
    """Return a and c2 as means over pairs of rows."""
    u = [x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in z]
    pairs, rows = list(permutations(range(len(z)), 2)), len(z[0])
    a = np.mean([u[v][i] @ u[w][i] for v, w in pairs for i in range(rows)])
    c2 = np.mean([u[v][i] @ u[w][j] for v, w in pairs for i in range(rows) for j in range(rows) if i != j])
    return a, c2


@pytest.mark.parametrize(("count", "rows"), [(2, 7), (2, 2), (3, 5), (4, 4)])
def test_equals_the_means_over_pairs_written_as_loops(count, rows):
    z = views(count, rows, 6)
    assert both(*z) == pytest.approx(slow(z), abs=1e-10)


def test_the_papers_formula_for_two_views():
    a, b = (normalize(x, dim=1) for x in views(2, 9, 5))
    c2 = (a.sum(0) @ b.sum(0) - (a * b).sum()) / (9 * 8)
    assert both(a, b) == pytest.approx(((a * b).sum(1).mean().item(), c2.item()), abs=1e-12)


def simplex(rows):
    return torch.eye(rows, dtype=torch.float64) - 1 / rows


@pytest.mark.parametrize(
    ("z", "a", "c2"),
    [
        (torch.ones(6, 4, dtype=torch.float64), 1, 1),
        (torch.tensor([[1.0, 2], [-1, -2]]).double().repeat(3, 1), 1, -1 / 5),
        (torch.eye(5, dtype=torch.float64), 1, 0),
        (simplex(5), 1, -1 / 4),
    ],
    ids=["point", "two poles", "axes", "simplex"],
)
def test_known_states(z, a, c2):
    assert both(z, 3 * z) == pytest.approx((a, c2), abs=1e-12)
    assert both(z, z, 2 * z) == pytest.approx((a, c2), abs=1e-12)


def test_the_sum_splits_into_within_and_between():
    z = views(3, 6, 4)
    for lambd in (0.1, 0.5, 0.9):
        a, c2 = slow(z)
        value = sum(center(*z, lambd=lambd).values()).item()
        assert value == pytest.approx((lambd - 1) + (1 - lambd) * (1 - a) - lambd * (a - c2), abs=1e-12)


def test_the_simplex_is_the_minimum():
    z = simplex(6)
    least = sum(center(z, z, lambd=0.7).values()).item()
    assert least == pytest.approx(-1 - 0.7 / 5, abs=1e-12)
    for seed in range(5):
        nudge = [z + 0.1 * x for x in views(2, 6, 6, seed)]
        assert sum(center(*nudge, lambd=0.7).values()).item() > least
    one = torch.ones(6, 2, dtype=torch.float64)
    assert sum(center(one, -one, lambd=0.7).values()).item() > least  # centres that cancel: views disagree


def test_gradient_of_center():
    z = [x.requires_grad_() for x in views(3, 4, 3)]
    assert torch.autograd.gradcheck(lambda *z: sum(center(*z, lambd=0.5).values()), z)
    assert torch.autograd.gradgradcheck(lambda *z: sum(center(*z, lambd=0.5).values()), z)


def test_collapse_has_no_gradient_and_is_left_from_beside_it():
    point = [torch.ones(8, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    sum(center(*point, lambd=0.5).values()).backward()
    assert max(x.grad.abs().max() for x in point) < 1e-15
    z = (1 + 1e-3 * views(1, 8, 4)[0]).requires_grad_()
    optimiser = torch.optim.SGD([z], lr=2.0)
    for _ in range(200):
        optimiser.zero_grad()
        sum(center(z, z, lambd=0.5).values()).backward()
        optimiser.step()
    assert both(z.detach(), z.detach())[1] < 0.01


def slow_subtraction(z, centre, lambd):
    u = [x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True) for x in z]
    total = 0.0
    for v, w in permutations(range(len(z)), 2):
        for i in range(len(z[0])):
            target = u[w][i] - lambd * centre.numpy()
            total -= u[v][i] @ target / np.linalg.norm(target)
    return total / (len(z) * (len(z) - 1) * len(z[0]))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("lambd", [0.3, 1.0])
def test_subtraction_equals_the_equation_written_as_loops(count, lambd):
    z, centre = views(count, 5, 4), 0.3 * views(1, 4, 1, seed=2)[0].flatten()
    expected = slow_subtraction(z, centre, lambd)
    for c in (centre, centre.unsqueeze(0)):
        assert center_subtraction(*z, centre=c, lambd=lambd).item() == pytest.approx(expected, abs=1e-10)


def test_without_a_centre_it_is_simsiam_without_a_predictor():
    a, b = (normalize(x, dim=1) for x in views(2, 6, 4))
    value = center_subtraction(a, b, centre=torch.zeros(4), lambd=0.5)
    assert value.item() == pytest.approx(-(a * b).sum(1).mean().item(), abs=1e-12)


def test_subtraction_at_collapse():
    z = torch.ones(6, 4, dtype=torch.float64)
    assert center_subtraction(z, z, centre=z[0] / 2, lambd=0.9).item() == pytest.approx(-1, abs=1e-12)
    assert center_subtraction(z, z, centre=z[0] / 2, lambd=1.0).item() == pytest.approx(0, abs=1e-12)


def test_gradient_of_subtraction_reaches_the_view_and_not_its_target():
    centre = torch.full((3,), 0.2, dtype=torch.float64)
    a, b = (x.requires_grad_() for x in views(2, 4, 3))
    target = normalize(normalize(b.detach(), dim=1) - 0.5 * centre, dim=1)
    expected = torch.autograd.grad(-(normalize(a, dim=1) * target).sum(1).mean() / 2, a)[0]
    found = torch.autograd.grad(center_subtraction(a, b, centre=centre, lambd=0.5), a)[0]
    assert torch.allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "z",
    [1e4 * views(1, 8, 4)[0], torch.ones(8, 4), torch.zeros(8, 4), torch.eye(4)[:1].repeat(8, 1)],
    ids=["large", "constant", "zero", "identical rows"],
)
def test_finite_in_value_and_gradient(dtype, z):
    a, b = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    centre = z[0].float() / z[0].float().norm().clamp_min(1)
    value = sum(center(a, b, lambd=0.5).values()) + center_subtraction(a, b, centre=centre, lambd=1.0)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert a.grad.isfinite().all() and b.grad.isfinite().all()


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    for lambd in (0, 1, 1.5):
        with pytest.raises(ValueError, match=f"above 0 and below 1, got {lambd}"):
            center(z, z, lambd=lambd)
    with pytest.raises(ValueError, match="above 0 and at most 1, got 0"):
        center_subtraction(z, z, centre=z[0], lambd=0)
    with pytest.raises(ValueError, match=r"the views' 3 features, got \(4,\)"):
        center_subtraction(z, z, centre=torch.ones(4), lambd=0.5)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        center(z, lambd=0.5)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        center(z[:1], z[:1], lambd=0.5)
    with pytest.raises(ValueError, match=r"\(4, 3\), \(3, 3\)"):
        center(z, z[:3], lambd=0.5)
