import numpy as np
import pytest
import torch

from isotropy.objectives import vicreg


def views(count, rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]


def slow_vicreg(z, lam, mu, nu):
    """Equations 1 to 6 of the paper as loops, with the authors' 1/2 on the variance; two views."""
    a, b = (x.numpy() for x in z)
    n, d = a.shape
    invariance = sum(((a[i] - b[i]) ** 2).sum() for i in range(n)) / (n * d)
    variance = covariance = 0.0
    for x in (a, b):
        centred = x - x.mean(0)
        cov = sum(np.outer(centred[i], centred[i]) for i in range(n)) / (n - 1)
        for i in range(d):
            variance += max(0.0, 1 - np.sqrt(cov[i, i] + 1e-4)) / d / 2
            for j in range(d):
                covariance += cov[i, j] ** 2 / d if i != j else 0.0
    return {"invariance": lam * invariance, "variance": mu * variance, "covariance": nu * covariance}


def values(terms):
    return {name: term.item() for name, term in terms.items()}


def test_one_name_one_function_and_shapes_on_both_sides_of_the_gram():
    for rows, width in ((9, 4), (4, 9), (5, 5), (2, 3)):
        z = [0.3 * x + 1 for x in views(2, rows, width)]
        expected = slow_vicreg(z, 7.0, 5.0, 3.0)
        terms = values(vicreg(*z, invariance=7.0, variance=5.0, covariance=3.0))
        assert terms == pytest.approx(expected, abs=1e-10)
        assert expected["variance"] > 0


def test_more_views_average_pairs_and_views():
    a, b, c = views(3, 6, 4)
    pairs = [values(vicreg(*pair)) for pair in ((a, b), (a, c), (b, c))]
    expected = {name: sum(pair[name] for pair in pairs) / 3 for name in pairs[0]}
    assert values(vicreg(a, b, c)) == pytest.approx(expected, abs=1e-12)


def test_constant_embeddings_cost_099_of_the_variance():
    z = torch.full((8, 4), 3.0)
    assert values(vicreg(z, z)) == pytest.approx({"invariance": 0, "variance": 24.75, "covariance": 0}, abs=1e-5)


def test_decorrelated_equal_views_of_unit_variance_cost_nothing():
    z = torch.linalg.qr(torch.cat([torch.ones(16, 1), views(1, 16, 6)[0].float()], 1).double()).Q[:, 1:]
    z = z * 15**0.5  # columns orthogonal to the constant: centred, uncorrelated, variance 1
    assert sum(values(vicreg(z, z)).values()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("rows", "width"), [(16, 5), (8, 20)])
def test_identical_dimensions_cost_twice_the_others(rows, width):
    x = views(1, rows, 1)[0]
    z = ((x - x.mean()) / x.std()).expand(rows, width)
    expected = {"invariance": 0, "variance": 0, "covariance": 2 * (width - 1)}
    assert values(vicreg(z, z)) == pytest.approx(expected, abs=1e-10)


def test_independent_normal_views_cost_the_expected_amounts():
    a, b = (x.float() for x in views(2, 256, 2048))
    terms = values(vicreg(a, b, invariance=1, variance=1, covariance=1))
    assert terms["invariance"] == pytest.approx(2, rel=0.01)
    assert terms["covariance"] == pytest.approx(2 * 2047 / 255, rel=0.01)


def test_variance_and_covariance_ignore_any_shift_and_invariance_a_common_one():
    a, b = views(2, 6, 4)
    before, shift = values(vicreg(a, b)), torch.tensor([1.0, -2.0, 5.0, 0.0], dtype=torch.float64)
    assert values(vicreg(a + shift, b + shift)) == pytest.approx(before, abs=1e-10)
    apart = values(vicreg(a + shift, b))
    assert apart.pop("invariance") > before.pop("invariance") + 1
    assert apart == pytest.approx(before, abs=1e-10)


@pytest.mark.parametrize(("rows", "width"), [(5, 3), (3, 5)])
def test_gradient_is_right(rows, width):
    z = [(0.5 * x).requires_grad_() for x in views(2, rows, width)]
    assert torch.autograd.gradcheck(lambda *z: tuple(vicreg(*z).values()), z)


def test_gradient_reaches_both_views_and_is_zero_at_exact_collapse():
    z = [x.requires_grad_() for x in views(2, 6, 4)]
    sum(vicreg(*z).values()).backward()
    assert min(x.grad.abs().max() for x in z) > 1e-3
    z = [torch.ones(6, 4, requires_grad=True) for _ in range(2)]
    sum(vicreg(*z).values()).backward()
    assert max(x.grad.abs().max() for x in z) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("width", [4, 64])
def test_finite_at_every_scale_with_identical_rows(dtype, scale, width):
    z = (scale * torch.eye(width).repeat(2, 1)[:8]).to(dtype).requires_grad_()
    terms = vicreg(z, -z)
    sum(terms.values()).backward()
    assert all(term.isfinite() and term.dtype == torch.float32 for term in terms.values())
    assert z.grad.isfinite().all()


def test_autocast_costs_no_digits():
    z = [x.float() for x in views(2, 8, 32)]
    with torch.autocast("cpu", torch.bfloat16):
        inside = values(vicreg(*z))
    assert inside == values(vicreg(*z))


def test_mistakes_are_named():
    z = torch.ones(4, 3)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        vicreg(z)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        vicreg(z[:1], z[:1])
    with pytest.raises(ValueError, match="one shape"):
        vicreg(z, z[:, :2])
