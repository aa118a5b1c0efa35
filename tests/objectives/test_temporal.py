from math import exp, log

import pytest
import torch

from isotropy.objectives import temporal_contrast


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(prediction, future):
    """Equation 2 of the paper, one prediction after another."""
    rows, steps, _ = prediction.shape
    total = 0.0
    for k in range(steps):
        for i in range(rows):
            products = [float(prediction[i, k] @ future[n, k]) for n in range(rows)]
            total -= log(exp(products[i]) / sum(exp(product) for product in products))
    return total / (rows * steps)


@pytest.mark.parametrize("shape", [(6, 3, 4), (1, 2, 3), (5, 1, 2)])
def test_equals_the_papers_equation_written_as_loops(shape):
    p, z = drawn(*shape), drawn(*shape, seed=1)
    assert temporal_contrast(p, z).item() == pytest.approx(slow(p.numpy(), z.numpy()), abs=1e-10)


@pytest.mark.parametrize("rows", [1, 8, 256])
def test_all_rows_equal_cost_log_n(rows):
    same = torch.ones(rows, 3, 4, dtype=torch.float64)
    assert temporal_contrast(same, 2 * same).item() == pytest.approx(log(rows), abs=1e-12)


def test_orthogonal_futures_met_at_length_s():
    z = torch.eye(5, dtype=torch.float64)[:, None].repeat(1, 2, 1)
    assert temporal_contrast(3 * z, z).item() == pytest.approx(log(1 + 4 * exp(-3)), abs=1e-12)


def test_a_constant_added_to_all_futures_changes_nothing_but_one_added_to_predictions_does():
    # The softmax is over futures: what all of them share cancels.
    p, z = drawn(6, 2, 3), drawn(6, 2, 3, seed=1)
    value = temporal_contrast(p, z).item()
    assert temporal_contrast(p, z + drawn(1, 2, 3, seed=2)).item() == pytest.approx(value, abs=1e-12)
    assert abs(temporal_contrast(p + drawn(1, 2, 3, seed=2), z).item() - value) > 0.01


def test_gradient_is_right_and_reaches_both():
    p, z = drawn(4, 2, 3).requires_grad_(), drawn(4, 2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(temporal_contrast, (p, z))
    temporal_contrast(p, z).backward()
    assert p.grad.abs().min() > 0 and z.grad.abs().min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("same", [True, False], ids=["identical rows", "rows"])
def test_finite_in_value_and_gradient(dtype, scale, same):
    z = drawn(1 if same else 8, 2, 4).expand(8, 2, 4)
    p, z = (scale * z).to(dtype).requires_grad_(), (-z).to(dtype).requires_grad_()
    value = temporal_contrast(p, z)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite()
    assert p.grad.isfinite().all() and z.grad.isfinite().all()


def test_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(4, 2, 3\) and \(4, 1, 3\)"):
        temporal_contrast(torch.ones(4, 2, 3), torch.ones(4, 1, 3))
