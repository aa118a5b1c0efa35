from math import exp, pi, sqrt

import numpy as np
import pytest
import torch

from isotropy.objectives import lejepa, sigreg
from isotropy.objectives.sigreg import quadrature

ROOT = sqrt(2 * pi)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_sigreg(z, directions, knots=17, reach=3.0):
    """The statistic slice by slice and knot by knot, with the knot at 0."""
    h, total = reach / (knots - 1), 0.0
    for direction in directions.numpy():
        x = z.numpy() @ (direction / np.sqrt((direction**2).sum()))
        for k in range(knots):
            t = k * h
            error = np.exp(1j * t * x).mean() - exp(-(t**2) / 2)
            total += len(x) * (h if k in (0, knots - 1) else 2 * h) * abs(error) ** 2 * exp(-(t**2) / 2)
    return total / len(directions)


def closed_form(x):
    """The statistic of (N,) values over the whole line."""
    gaps = np.subtract.outer(x, x)
    return len(x) * ROOT * (np.exp(-(gaps**2) / 2).mean() - sqrt(2) * np.exp(-(x**2) / 4).mean() + 1 / sqrt(3))


@pytest.mark.parametrize(("knots", "reach"), [(17, 3.0), (5, 2.0), (2, 1.0)])
def test_equals_the_equation_written_as_loops(knots, reach):
    z, directions = normal(9, 4), normal(6, 4, seed=1)
    found = sigreg(z, directions, knots=knots, reach=reach).item()
    assert found == pytest.approx(slow_sigreg(z, directions, knots, reach), abs=1e-12)


def test_a_fine_quadrature_is_the_closed_form_and_the_default_is_near_it():
    x, one = normal(50, 1), torch.ones(1, 1, dtype=torch.float64)
    exact = closed_form(x[:, 0].numpy())
    assert sigreg(x, one, knots=2001, reach=12.0).item() == pytest.approx(exact, abs=1e-9)
    assert sigreg(x, one).item() == pytest.approx(exact, abs=2e-2)


def test_total_collapse_costs_two_fifths_of_the_rows():
    z = torch.zeros(1000, 3, dtype=torch.float64)
    assert sigreg(z, normal(5, 3)).item() / 1000 == pytest.approx(0.402048, abs=1e-6)
    fine = sigreg(z, normal(5, 3), knots=2001, reach=12.0).item() / 1000
    assert fine == pytest.approx(ROOT * (1 - sqrt(2) + 1 / sqrt(3)), abs=1e-9)


def test_a_point_far_away_costs_four_times_the_rows():
    z = torch.full((100, 1), 9.3, dtype=torch.float64)
    fine = sigreg(z, torch.ones(1, 1), knots=2001, reach=12.0).item() / 100
    assert fine == pytest.approx(ROOT * (1 + 1 / sqrt(3)), abs=1e-6)


@pytest.mark.parametrize("rows", [16, 256])
def test_the_floor_is_not_zero(rows):
    drawn = [sigreg(normal(rows, 4, seed=seed), normal(64, 4, seed=seed + 999)).item() for seed in range(300)]
    floor = sum(weight * (1 - target**2) for _, target, weight in quadrature())
    assert floor == pytest.approx(1.052464, abs=1e-6)
    assert np.mean(drawn) == pytest.approx(floor, abs=3 * np.std(drawn) / sqrt(300))


@pytest.mark.parametrize(("mean", "sd", "expected"), [(0, 0.5, 19.80), (0, 2, 31.99), (1, 1, 57.99)])
def test_other_gaussians_cost_what_the_expectation_says(mean, sd, expected):
    one = torch.ones(1, 1, dtype=torch.float64)
    drawn = [sigreg(mean + sd * normal(128, 1, seed=seed), one).item() for seed in range(800)]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / sqrt(800))


@pytest.mark.parametrize(("width", "excess"), [(16, 3.4), (64, 0.94), (512, 0.12)])
def test_a_half_rank_hides_in_wide_embeddings(width, excess):
    """The blind spot: half of the dimensions hold all of the variance."""
    gap = []
    for seed in range(8):
        z, directions = normal(256, width, seed=seed), normal(512, width, seed=99 + seed)
        half = z.clone()
        half[:, width // 2 :] = 0
        gap.append((sigreg(half * sqrt(2), directions) - sigreg(z, directions)).item())
    # The formula is the first order in the slices' variance: 4.0 was measured at a width of 16.
    assert np.mean(gap) == pytest.approx(excess, rel=0.35, abs=0.05)


def test_knots_alias():
    z = normal(64, 1)
    z[0] = 0.0
    moved = z.clone()
    moved[0] = 2 * pi / (3 / 16)
    one = torch.ones(1, 1, dtype=torch.float64)
    assert sigreg(moved, one).item() == pytest.approx(sigreg(z, one).item(), abs=1e-9)


def test_gradient_is_right_and_vanishes_at_exact_collapse():
    z, directions = normal(6, 3).requires_grad_(), normal(4, 3, seed=1)
    assert torch.autograd.gradcheck(lambda z: sigreg(z, directions), z)
    point = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    sigreg(point, directions).backward()
    assert point.grad.abs().max() < 1e-15


def test_gradient_near_collapse_pushes_apart_with_the_closed_forms_slope():
    x = (1e-5 * normal(50, 1)).requires_grad_()
    sigreg(x, torch.ones(1, 1), knots=2001, reach=12.0).backward()
    centred = x.detach() - x.detach().mean()
    expected = ROOT * (-2 + 1 / sqrt(2)) * centred + sqrt(pi) * x.detach().mean()
    assert torch.allclose(x.grad, expected, rtol=1e-3, atol=1e-9)


def test_directions_are_of_any_length_and_rows_of_any_order():
    z, directions = normal(8, 3), normal(5, 3, seed=1)
    value = sigreg(z, directions).item()
    assert sigreg(z.flip(0), 7 * directions).item() == pytest.approx(value, abs=1e-12)
    assert sigreg(-z, directions).item() == pytest.approx(value, abs=1e-12)


def test_single_precision_keeps_its_digits_over_the_knots():
    z, directions = normal(256, 16), normal(64, 16, seed=1)
    exact = sigreg(z, directions).item()
    assert sigreg(z.float(), directions.float()).item() == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "z", [1e4 * normal(8, 4), torch.ones(8, 4), torch.zeros(8, 4), normal(1, 4).repeat(8, 1)],
    ids=["large", "constant", "zero", "identical rows"],
)  # fmt: skip
def test_finite_in_value_and_gradient(dtype, z):
    a, b = z.to(dtype, copy=True).requires_grad_(), (-z.to(dtype)).requires_grad_()
    found = lejepa([a, b], normal(6, 4), centre=2)
    sum(found.values()).backward()
    assert all(term.dtype == torch.float32 and term.isfinite() for term in found.values())
    assert a.grad.isfinite().all() and b.grad.isfinite().all()


@pytest.mark.parametrize(("views", "centre"), [(2, 2), (4, 2), (3, 1)])
def test_lejepa_is_the_distance_to_the_centre_and_the_mean_statistic(views, centre):
    z, directions = [normal(7, 5, seed=seed) for seed in range(views)], normal(6, 5, seed=9)
    mu = sum(z[:centre]) / centre
    distance = np.mean([((x - mu) ** 2).numpy() for x in z])
    statistic = np.mean([slow_sigreg(x, directions) for x in z])
    found = lejepa(z, directions, centre=centre, lambda_=0.2)
    assert found["prediction"].item() == pytest.approx(0.8 * distance, abs=1e-12)
    assert found["gaussian"].item() == pytest.approx(0.2 * statistic, abs=1e-12)


@pytest.mark.parametrize(("views", "centre", "share"), [(8, 2, 1.25), (4, 4, 0.75)])
def test_independent_views_cost_their_variance_times_the_closed_form(views, centre, share):
    z = [normal(4000, 8, seed=seed) for seed in range(views)]
    found = lejepa(z, normal(2, 8), centre=centre, lambda_=0.0)["prediction"].item()
    assert 1 - 2 / views + 1 / centre == pytest.approx(share)
    assert found == pytest.approx(share, abs=0.02)


def test_gradient_reaches_large_and_small_views_in_both_terms():
    for term in ("prediction", "gaussian"):
        z = [normal(7, 5, seed=seed).requires_grad_() for seed in range(3)]
        lejepa(z, normal(6, 5, seed=9), centre=2)[term].backward()
        assert all(x.grad.norm() > 1e-3 for x in z), term
    z = [normal(4, 3, seed=seed).requires_grad_() for seed in range(3)]
    assert torch.autograd.gradcheck(lambda *z: tuple(lejepa(z, normal(6, 3), centre=2).values()), z)


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"got \(4, 3\) and \(2, 5\)"):
        sigreg(z, torch.ones(2, 5))
    with pytest.raises(ValueError, match="two or more knots in a positive range, got 1 up to 3"):
        sigreg(z, torch.ones(2, 3), knots=1)
    with pytest.raises(ValueError, match="two or more views, some of them for the centre, got 1 and 1"):
        lejepa([z], torch.ones(2, 3), centre=1)
    with pytest.raises(ValueError, match="two or more views, some of them for the centre, got 2 and 3"):
        lejepa([z, z], torch.ones(2, 3), centre=3)
    with pytest.raises(ValueError, match=r"lambda must be in \[0, 1\], got 2"):
        lejepa([z, z], torch.ones(2, 3), centre=2, lambda_=2)
    with pytest.raises(ValueError, match=r"\(4, 3\), \(3, 3\)"):
        lejepa([z, z[:3]], torch.ones(2, 3), centre=2)
