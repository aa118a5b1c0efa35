from math import exp, log

import pytest
import torch

from isotropy.objectives import hierarchical_contrast


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_one(r, q, temperature):
    """Equations 1 and 2 of the paper at one scale, anchors of both views: (instance, temporal)."""
    rows, steps, _ = r.shape
    instance = temporal = 0.0
    for a, b in ((r, q), (q, r)):
        for i in range(rows):
            for t in range(steps):

                def e(x, j, s):
                    return exp(float(a[i, t] @ x[j, s]) / temperature)

                positive = e(b, i, t)
                others = sum(e(b, j, t) + (e(a, j, t) if j != i else 0.0) for j in range(rows))
                instance -= log(positive / others)
                moments = sum(e(b, i, s) + (e(a, i, s) if s != t else 0.0) for s in range(steps))
                temporal -= log(positive / moments)
    return instance / (2 * rows * steps), temporal / (2 * rows * steps)


def slow(r, q, alpha, temperature):
    """Algorithm 1: the mean over scales, each max-pooled from the one before."""
    found = [slow_one(r, q, temperature)]
    while r.shape[1] > 1:
        half = r.shape[1] // 2
        r, q = (x[:, : 2 * half].reshape(len(x), half, 2, -1).max(axis=2) for x in (r, q))
        found.append(slow_one(r, q, temperature))
    instance, temporal = (sum(column) / len(found) for column in zip(*found))
    return {"instance": alpha * instance, "temporal": (1 - alpha) * temporal}


@pytest.mark.parametrize("shape", [(3, 8, 2), (4, 5, 3), (2, 1, 3), (1, 6, 2)])
@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 1.0), (0.2, 3.0)])
def test_equals_the_papers_equations_written_as_loops(shape, alpha, temperature):
    r, q = drawn(*shape), drawn(*shape, seed=1)
    made = hierarchical_contrast(r, q, alpha=alpha, temperature=temperature)
    for name, value in slow(r.numpy(), q.numpy(), alpha, temperature).items():
        assert made[name].item() == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize(("rows", "steps"), [(4, 8), (16, 6), (2, 1)])
def test_all_features_equal_cost_logs_of_the_candidates(rows, steps):
    same = torch.ones(rows, steps, 3, dtype=torch.float64)
    made = hierarchical_contrast(same, same)
    scales, left = [], steps
    while left:
        scales.append(log(2 * left - 1))
        left //= 2
    assert made["instance"].item() == pytest.approx(log(2 * rows - 1) / 2, abs=1e-12)
    assert made["temporal"].item() == pytest.approx(sum(scales) / len(scales) / 2, abs=1e-12)


def test_orthogonal_series_of_constant_features():
    # Steps of a series are alike, series orthogonal: the instance contrast is met, the temporal one at chance.
    r = 3 * torch.eye(5, dtype=torch.float64)[:, None].repeat(1, 4, 1)
    made = hierarchical_contrast(r, r)
    assert made["instance"].item() == pytest.approx(log(1 + 8 * exp(-9)) / 2, abs=1e-12)
    assert made["temporal"].item() == pytest.approx((log(7) + log(3) + 0) / 6, abs=1e-12)


def test_views_series_and_weights_change_places_as_they_should():
    r, q = drawn(5, 4, 3), drawn(5, 4, 3, seed=1)
    value = hierarchical_contrast(r, q)
    order = torch.tensor([3, 1, 0, 4, 2])
    for pair in ((q, r), (r[order], q[order])):
        again = hierarchical_contrast(*pair)
        assert all(again[name].item() == pytest.approx(value[name].item(), abs=1e-12) for name in value)
    assert hierarchical_contrast(r, q, alpha=1.0)["temporal"].item() == 0
    assert hierarchical_contrast(r, q, alpha=0.0)["instance"].item() == 0


def test_gradient_is_right():
    r, q = drawn(3, 5, 2).requires_grad_(), drawn(3, 5, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda r, q: tuple(hierarchical_contrast(r, q).values()), (r, q))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("same", [True, False], ids=["identical rows", "rows"])
def test_finite_in_value_and_gradient_for_products_up_to_1e4(dtype, scale, same):
    z = drawn(1 if same else 4, 8, 4).expand(4, 8, 4)
    r, q = (scale * z).to(dtype).requires_grad_(), (-scale * z).to(dtype).requires_grad_()
    made = hierarchical_contrast(r, q)
    sum(made.values()).backward()
    assert all(value.dtype == torch.float32 and value.isfinite() for value in made.values())
    assert r.grad.isfinite().all() and q.grad.isfinite().all()


def test_mistakes_are_named():
    z = torch.ones(4, 2, 3)
    with pytest.raises(ValueError, match=r"\(4, 2, 3\) and \(4, 1, 3\)"):
        hierarchical_contrast(z, z[:, :1])
    with pytest.raises(ValueError, match="alpha is in .0, 1. and temperature above 0, got 2 and 1"):
        hierarchical_contrast(z, z, alpha=2, temperature=1)
