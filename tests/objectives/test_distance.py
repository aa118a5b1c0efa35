import numpy as np
import pytest
import torch

from isotropy.objectives import byol, cosine_distance


def rows(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(5, 4, dtype=torch.float64, generator=generator) for _ in range(count)]


def slow_byol(predictions, targets):
    total = 0.0
    for u, target in enumerate(targets):
        for v, prediction in enumerate(predictions):
            if u == v:
                continue
            for p, y in zip(prediction.numpy(), target.numpy()):
                cosine = (p @ y) / (np.sqrt(p @ p) * np.sqrt(y @ y))
                total += (2 - 2 * cosine) / len(prediction)
    return total


def test_aligned_orthogonal_and_opposite():
    x, y = torch.eye(4)[:2], torch.eye(4)[2:]
    assert cosine_distance(x, 3 * x).item() == 0
    assert cosine_distance(x, y).item() == 2
    assert cosine_distance(x, -x).item() == 4
    assert [byol([a, a], [b, b]).item() for a, b in ((x, x), (x, y), (x, -x))] == [0, 4, 8]


@pytest.mark.parametrize(("large", "all_views", "pairs"), [(2, 2, 2), (2, 8, 14), (1, 3, 2), (3, 3, 6)])
def test_equals_the_papers_equation_written_as_loops(large, all_views, pairs):
    p, y = rows(all_views), rows(large, seed=1)
    assert byol(p, y).item() == pytest.approx(slow_byol(p, y), abs=1e-10)
    opposite = byol([torch.ones(3, 2)] * all_views, [-torch.ones(3, 2)] * large)
    assert opposite.item() == pytest.approx(4 * pairs)


def test_gradient_is_right_orthogonal_to_the_row_and_never_the_targets():
    (p,), (y,) = rows(1), rows(1, seed=1)
    p.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: cosine_distance(p, y), p)
    cosine_distance(p, y).backward()
    assert (p.grad * p).sum(dim=1).abs().max() < 1e-15
    assert y.grad is None


def test_gradient_is_zero_where_prediction_and_target_agree():
    p = rows(1)[0].requires_grad_()
    cosine_distance(p, 2 * p.detach()).backward()
    assert p.grad.abs().max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0, 1e4])
def test_finite_at_every_scale(dtype, scale):
    p = torch.full((6, 4), scale, dtype=dtype, requires_grad=True)
    value = cosine_distance(p, -torch.full((6, 4), scale, dtype=dtype))
    value.backward()
    assert value.dtype == torch.float32 and p.grad.isfinite().all()
    assert value.item() == pytest.approx(4 if scale else 2, abs=1e-5)


def test_mistakes_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match="got 1 views and 1 targets"):
        byol([x], [x])
    with pytest.raises(ValueError, match="got 2 views and 3 targets"):
        byol([x, x], [x, x, x])
    with pytest.raises(ValueError, match="one shape"):
        cosine_distance(x, x[:1])
