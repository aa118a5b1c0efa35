import numpy as np
import pytest
import torch

from isotropy.objectives import w_mse, whiten


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def skewed(rows, width, seed=0):
    return normal(rows, width, seed=seed) @ normal(width, width, seed=seed + 1) + 3


def slow_w_mse(z, parts, eps):
    """Equations 1 to 4 of the paper, sub-batch by sub-batch and pair by pair."""
    total = count = 0.0
    for part in parts.tolist():
        white = []
        for x in z:
            rows = x.numpy()[part]
            cov = np.cov(rows.T)
            factor = np.linalg.cholesky(cov + eps * np.trace(cov) / len(cov) * np.eye(len(cov)))
            white.append([np.linalg.inv(factor) @ (row - rows.mean(0)) for row in rows])
        for v in range(len(z)):
            for u in range(v):
                for a, b in zip(white[v], white[u]):
                    total += ((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2).sum()
                    count += 1
    return total / count


@pytest.mark.parametrize(("count", "eps"), [(2, 0.0), (3, 0.0), (2, 0.1)])
def test_equals_the_papers_equations_written_as_loops(count, eps):
    z = [skewed(17, 3, seed=10 * view) for view in range(count)]
    parts = torch.tensor([[0, 3, 5, 7, 9, 11], [16, 2, 4, 6, 8, 10], [1, 2, 3, 4, 5, 6]])
    assert w_mse(*z, parts=parts, eps=eps).item() == pytest.approx(slow_w_mse(z, parts, eps), abs=1e-10)


def test_white_rows_are_centred_uncorrelated_and_of_the_known_length():
    white = whiten(torch.stack([skewed(20, 5), 7 * skewed(20, 5, seed=4)]))
    for rows in white:
        assert torch.allclose(rows.T.cov(), torch.eye(5).double(), atol=1e-12)
        assert rows.mean(0).abs().max() < 1e-12
        assert rows.square().sum(1).mean().item() == pytest.approx(5 * 19 / 20, abs=1e-12)


def test_one_row_more_than_dimensions_is_a_simplex_whatever_the_rows():
    white = torch.nn.functional.normalize(whiten(skewed(6, 5)), dim=1)
    cosines = white @ white.T
    assert torch.allclose(cosines[~torch.eye(6, dtype=torch.bool)], torch.tensor(-1 / 5).double(), atol=1e-10)


def test_an_affine_change_only_turns_the_white_rows():
    x = skewed(20, 4)
    before, after = whiten(x), whiten(x @ normal(4, 4, seed=9) - 5)
    assert torch.allclose(before @ before.T, after @ after.T, atol=1e-10)


def test_known_situations():
    x, parts = skewed(512, 8), torch.arange(512).view(4, 128)
    assert w_mse(x, x, parts=parts).item() == pytest.approx(0, abs=1e-12)
    assert w_mse(x, 5 * x - 2, parts=parts).item() == pytest.approx(0, abs=1e-10)
    assert w_mse(x, skewed(512, 8, seed=50), parts=parts).item() == pytest.approx(2, abs=0.15)
    point = torch.full((512, 8), 3.0)
    assert w_mse(point, point, parts=parts, eps=1e-3).item() == 2


def test_rows_in_no_sub_batch_are_left_out():
    z = [skewed(9, 2).requires_grad_(), skewed(9, 2, seed=5)]
    w_mse(*z, parts=torch.tensor([[0, 1, 2, 3], [5, 6, 7, 8]])).backward()
    assert z[0].grad[4].abs().max() == 0 and z[0].grad[:4].abs().max() > 1e-3


@pytest.mark.parametrize(("rows", "eps"), [(6, 0.0), (3, 0.05)])
def test_gradient_is_right_for_both_views(rows, eps):
    z = [skewed(rows, 3, seed=10 * view).requires_grad_() for view in range(2)]
    parts = torch.arange(rows).view(1, rows)
    assert torch.autograd.gradcheck(lambda *z: w_mse(*z, parts=parts, eps=eps), z)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("kind", ["normal", "constant", "identical rows", "one direction"])
def test_finite_at_every_scale_with_eps(dtype, scale, kind):
    rows = {
        "normal": normal(32, 8),
        "constant": torch.ones(32, 8),
        "identical rows": normal(4, 8).repeat(8, 1),
        "one direction": normal(32, 1).expand(32, 8),
    }[kind]
    z = (scale * rows).to(dtype).clone().requires_grad_()
    value = w_mse(z, -z + 1, parts=torch.arange(32).view(2, 16), eps=1e-3)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and z.grad.isfinite().all()


def test_what_cannot_be_whitened_is_nan_and_not_an_error():
    z = normal(8, 2)
    z[0] = float("nan")
    assert w_mse(z, z, parts=torch.arange(8).view(1, 8)).isnan()


def test_autocast_costs_no_digits():
    z, parts = [normal(32, 8, seed=s).float() for s in range(2)], torch.arange(32).view(2, 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = w_mse(*z, parts=parts)
    assert inside.item() == w_mse(*z, parts=parts).item()


def test_mistakes_are_named():
    z, parts = torch.ones(6, 3), torch.arange(6).view(2, 3)
    with pytest.raises(ValueError, match="at least two views, got 1"):
        w_mse(z, parts=parts)
    with pytest.raises(ValueError, match="3 dimensions of sub-batches of 3 rows"):
        w_mse(z, z, parts=parts)
    with pytest.raises(ValueError, match="one shape"):
        w_mse(z, z[:, :2], parts=parts, eps=1.0)
