import numpy as np
import pytest
import torch

from isotropy.objectives import barlow_twins


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def values(terms):
    return {name: term.item() for name, term in terms.items()}


def slow_barlow_twins(z, lambda_, scale):
    """Equations 1 and 2 of the paper as loops, with the authors' eps; two views."""
    a, b = ((x.numpy() - x.numpy().mean(0)) / np.sqrt(x.numpy().var(0) + 1e-5) for x in z)
    n, d = a.shape
    invariance = redundancy = 0.0
    for i in range(d):
        for j in range(d):
            c = sum(a[k, i] * b[k, j] for k in range(n)) / n
            if i == j:
                invariance += (c - 1) ** 2
            else:
                redundancy += c**2
    return {"invariance": scale * invariance, "redundancy": scale * lambda_ * redundancy}


def white(rows, width, seed=0):
    """Return centred, uncorrelated columns of biased variance 1."""
    columns = torch.cat([torch.ones(rows, 1, dtype=torch.float64), views(1, rows, width, seed)[0]], 1)
    return rows**0.5 * torch.linalg.qr(columns).Q[:, 1:]


@pytest.mark.parametrize(("rows", "width"), [(9, 4), (4, 9), (6, 8), (2, 3)])
def test_equals_the_papers_equations_on_both_sides_of_the_gram(rows, width):
    z = [0.3 * x + 1 for x in views(2, rows, width)]
    assert values(barlow_twins(*z, lambda_=0.3, scale=0.7)) == pytest.approx(slow_barlow_twins(z, 0.3, 0.7), abs=1e-10)


def test_more_views_average_pairs():
    for rows in (4, 12):
        a, b, c = views(3, rows, 7)
        pairs = [values(barlow_twins(*pair)) for pair in ((a, b), (a, c), (b, c))]
        expected = {name: sum(pair[name] for pair in pairs) / 3 for name in pairs[0]}
        assert values(barlow_twins(a, b, c)) == pytest.approx(expected, abs=1e-12)


def test_perfect_views_cost_only_what_eps_does():
    z, v = white(16, 6), 1.0
    expected = 6 * (1 - v / (v + 1e-5)) ** 2
    assert sum(values(barlow_twins(z, z)).values()) == pytest.approx(expected, abs=1e-12)
    assert sum(values(barlow_twins(z, -z)).values()) == pytest.approx(24, abs=1e-3)


@pytest.mark.parametrize("rows", [4, 64])
def test_constant_embeddings_cost_a_unit_a_dimension(rows):
    z = torch.full((rows, 16), 3.0)
    assert values(barlow_twins(z, z, scale=0.1)) == pytest.approx({"invariance": 1.6, "redundancy": 0}, abs=1e-6)


@pytest.mark.parametrize(("rows", "width"), [(16, 5), (8, 20)])
def test_identical_dimensions_cost_lambda_a_pair(rows, width):
    z = white(rows, 1).expand(rows, width)
    expected = {"invariance": 0, "redundancy": 0.01 * width * (width - 1)}
    assert values(barlow_twins(z, z, lambda_=0.01)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_independent_views_cost_the_expected_amounts():
    a, b = (x.float() for x in views(2, 256, 2048))
    terms = values(barlow_twins(a, b, lambda_=0.0051))
    assert terms["invariance"] == pytest.approx(2048 * (1 + 1 / 255), rel=0.02)
    assert terms["redundancy"] == pytest.approx(0.0051 * 2048 * 2047 / 255, rel=0.01)


def test_more_dimensions_than_rows_have_a_floor():
    rows, width, lambda_ = 8, 40, 0.05
    kappa = lambda_ * (width / (rows - 1) - 1)
    for seed in range(5):
        a, b = views(2, rows, width, seed)
        assert sum(values(barlow_twins(a, a, lambda_=lambda_)).values()) > width * kappa
        assert sum(values(barlow_twins(a, b, lambda_=lambda_)).values()) > width * kappa / (1 + kappa)


def test_invariant_to_shift_scale_order_of_rows_and_of_views():
    a, b = views(2, 64, 4)
    before = values(barlow_twins(1e3 * a, 1e3 * b))
    scale = torch.tensor([1e3, 2e4, 5e3, 4e5], dtype=torch.float64)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    for pair in ((scale * a + 7, scale * b - 3), (1e3 * a[order], 1e3 * b[order]), (1e3 * b, 1e3 * a)):
        assert values(barlow_twins(*pair)) == pytest.approx(before, abs=1e-8)


@pytest.mark.parametrize(("rows", "width"), [(5, 3), (3, 5)])
def test_gradient_is_right_and_its_gradient_too(rows, width):
    z = [x.requires_grad_() for x in views(2, rows, width)]
    assert torch.autograd.gradcheck(lambda *z: tuple(barlow_twins(*z, lambda_=0.3).values()), z)
    assert torch.autograd.gradgradcheck(lambda *z: tuple(barlow_twins(*z, lambda_=0.3).values()), z)


@pytest.mark.parametrize("width", [4, 16])
def test_gradient_reaches_both_views_and_is_zero_at_exact_collapse(width):
    z = [x.requires_grad_() for x in views(2, 6, width)]
    sum(barlow_twins(*z).values()).backward()
    assert min(x.grad.abs().max() for x in z) > 1e-3
    z = [torch.ones(6, width, requires_grad=True) for _ in range(2)]
    sum(barlow_twins(*z).values()).backward()
    assert max(x.grad.abs().max() for x in z) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("width", [4, 64])
def test_finite_at_every_scale_with_identical_rows(dtype, scale, width):
    z = (scale * torch.eye(width).repeat(2, 1)[:8]).to(dtype).requires_grad_()
    terms = barlow_twins(z, -z)
    sum(terms.values()).backward()
    assert all(term.isfinite() and term.dtype == torch.float32 for term in terms.values())
    assert z.grad.isfinite().all()


def test_autocast_costs_no_digits():
    z = [x.float() for x in views(2, 8, 32)]
    with torch.autocast("cpu", torch.bfloat16):
        inside = values(barlow_twins(*z))
    assert inside == values(barlow_twins(*z))


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        barlow_twins(z)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        barlow_twins(z[:1], z[:1])
    with pytest.raises(ValueError, match="one shape"):
        barlow_twins(z, z[:, :2])
