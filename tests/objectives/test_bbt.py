from math import cos, sin

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from isotropy.objectives import batchwise_barlow_twins

LAMBDA = 0.01


def bbt(p, y, offdiagonal=LAMBDA):
    return batchwise_barlow_twins(p, y, offdiagonal=offdiagonal)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_bbt(p, y, offdiagonal):
    """The authors' loss for one projector, entry by entry."""
    p, y = p.numpy(), y.numpy()
    total = 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            c = (p[i] @ y[j]) / (max(np.sqrt(p[i] @ p[i]), 1e-12) * max(np.sqrt(y[j] @ y[j]), 1e-12))
            total += (1 - c) ** 2 if i == j else offdiagonal * c**2
    return total


def three_forms(p, y):
    """By gathering the off-diagonal; by subtracting the diagonal's squares; through (D, D) Gram matrices."""
    p, y = normalize(p, dim=1), normalize(y, dim=1)
    c, off = p @ y.T, ~torch.eye(len(p), dtype=torch.bool)
    on = (1 - c.diagonal()).square().sum()
    dots = (p * y).sum(1)
    yield on + LAMBDA * c[off].square().sum()
    yield on + LAMBDA * (c.square().sum() - c.diagonal().square().sum())
    yield (1 - dots).square().sum() + LAMBDA * (((p.T @ p) * (y.T @ y)).sum() - dots.square().sum())


@pytest.mark.parametrize(("rows", "width"), [(5, 9), (9, 5), (6, 6), (1, 3)])
def test_equals_the_papers_equation_written_as_loops(rows, width):
    p, y = normal(rows, width), normal(rows, width, seed=1)
    assert bbt(p, y).item() == pytest.approx(slow_bbt(p, y, LAMBDA), abs=1e-10)


@pytest.mark.parametrize(("rows", "width"), [(5, 9), (9, 5)])
def test_pairs_are_averaged(rows, width):
    p, y = normal(rows, 3, width), normal(rows, 3, width, seed=1)
    mean = sum(slow_bbt(p[:, k], y[:, k], LAMBDA) for k in range(3)) / 3
    assert bbt(p, y).item() == pytest.approx(mean, abs=1e-10)
    same = bbt(p[:, :1].expand(-1, 4, -1), y[:, :1].expand(-1, 4, -1)).item()
    assert same == pytest.approx(bbt(p[:, 0], y[:, 0]).item(), abs=1e-12)


@pytest.mark.parametrize(("rows", "width"), [(8, 20), (20, 8)])
def test_three_forms_agree_in_value_and_gradient(rows, width):
    p, y = normal(rows, width).requires_grad_(), normal(rows, width, seed=1)
    value = bbt(p, y)
    (gradient,) = torch.autograd.grad(value, p)
    for form in three_forms(p, y):
        assert value.item() == pytest.approx(form.item(), abs=1e-13)
        assert (gradient - torch.autograd.grad(form, p, retain_graph=True)[0]).abs().max() < 1e-15


def test_orthonormal_targets_met_opposed_and_missed():
    y = torch.eye(16, dtype=torch.float64)[:8]
    missed = torch.eye(16, dtype=torch.float64)[8:]
    assert [bbt(p, y).item() for p in (y, -y, missed)] == [0, 32, 8]


def test_all_rows_one_direction():
    y = torch.full((8, 4), 2.0, dtype=torch.float64)
    assert bbt(y, y).item() == pytest.approx(0.56, abs=1e-12)


@pytest.mark.parametrize(("rows", "width"), [(6, 9), (9, 6)])
def test_targets_met_exactly_cost_their_own_cosines(rows, width):
    y = normal(rows, width)
    unit = normalize(y, dim=1)
    expected = LAMBDA * ((unit @ unit.T).square().sum() - rows).item()
    assert bbt(3 * y, y).item() == pytest.approx(expected, abs=1e-12)


def test_independent_normal_rows_cost_the_expected_amount():
    rows, width = 128, 64
    expected = rows * (1 + 1 / width) + LAMBDA * rows * (rows - 1) / width
    assert expected == pytest.approx(132.54, abs=1e-2)
    drawn = [bbt(normal(rows, width, seed=s), normal(rows, width, seed=s + 99)).item() for s in range(40)]
    assert np.mean(drawn) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("rows", "width"), [(6, 9), (9, 6)])
def test_invariances_and_what_is_none(rows, width):
    p, y = normal(rows, width), normal(rows, width, seed=1)
    value = bbt(p, y).item()
    rotation = torch.linalg.qr(normal(width, width, seed=2)).Q
    lengths = torch.arange(1, rows + 1, dtype=torch.float64).unsqueeze(1)
    order = torch.arange(rows).flip(0)
    for pair in ((lengths * p, y), (p, lengths * y), (p @ rotation, y @ rotation), (p[order], y[order])):
        assert bbt(*pair).item() == pytest.approx(value, abs=1e-12)
    for pair in ((p @ rotation, y), (-p, y)):
        assert bbt(*pair).item() != pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(("rows", "width"), [(6, 9), (9, 6)])
def test_gradient_is_right_orthogonal_to_every_row_and_never_the_targets(rows, width):
    p, y = normal(rows, 2, width).requires_grad_(), normal(rows, 2, width, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: bbt(p, y), p)
    bbt(p, y).backward()
    assert (p.grad * p).sum(dim=-1).abs().max() < 1e-14
    assert p.grad.norm(dim=-1).min() > 1e-3
    assert y.grad is None


@pytest.mark.parametrize(
    ("rows", "squared", "least", "angle"), [(256, 0.97, 0.49677, 1.3381), (64, 0.95, 0.25078, 1.0709)]
)
def test_the_symmetric_family(rows, squared, least, angle):
    a, s = squared**0.5, (1 - squared) ** 0.5
    eye = torch.eye(rows + 1, dtype=torch.float64)
    u, e = eye[:1], eye[1:]
    kappa = LAMBDA * (rows - 1)

    def loss(theta):
        return bbt(cos(theta) * u + sin(theta) * e, a * u + s * e).item() / rows

    for theta in (0.0, 0.3, angle, 1.5):
        c = a * cos(theta)
        expected = (1 - c - s * sin(theta)) ** 2 + kappa * c**2
        assert loss(theta) == pytest.approx(expected, abs=1e-12)
    assert loss(angle) == pytest.approx(least, abs=1e-5)
    assert loss(angle) < min(loss(angle - 0.01), loss(angle + 0.01))
    if rows == 256:
        assert bbt(a * u + s * e, a * u + s * e).item() / rows == pytest.approx(2.399, abs=1e-3)


def test_no_prediction_beats_the_relaxed_bound():
    rows, width = 12, 5
    y = normalize(normal(rows, width, seed=1) + 1, dim=1)
    bound = 0.0
    for i in range(rows):
        others = torch.cat([y[:i], y[i + 1 :]])
        q = y[i] @ torch.linalg.pinv(LAMBDA * others.T @ others) @ y[i]
        bound += 1 / (1 + q.item())
    p = y.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([p], max_iter=60, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure():
        optimiser.zero_grad()
        value = bbt(p, y)
        value.backward()
        return value

    start = optimiser.step(closure).item()
    assert bound > 0.1
    assert bound <= bbt(p, y).item() < start


def test_one_row_has_no_off_diagonal():
    p, y = normal(1, 4), normal(1, 4, seed=1)
    c = torch.cosine_similarity(p, y).item()
    assert bbt(p, y, offdiagonal=1e6).item() == pytest.approx((1 - c) ** 2, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 2e4])
@pytest.mark.parametrize(("rows", "width"), [(8, 32), (32, 8)])
def test_finite_at_every_scale_with_identical_rows(dtype, scale, rows, width):
    x = (scale * torch.eye(width).repeat(4, 1)[:rows]).to(dtype).unsqueeze(1)
    p = x.clone().requires_grad_()
    value = bbt(p, -x)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and p.grad.isfinite().all()


def test_autocast_costs_no_digits():
    p, y = normal(8, 3, 32).float(), normal(8, 3, 32, seed=1).float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = bbt(p, y)
    assert inside.item() == bbt(p, y).item()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"\(2, 3\), \(2, 4\)"):
        bbt(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"\(B, K, D\), got \(1, 1, 1, 1\)"):
        bbt(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
