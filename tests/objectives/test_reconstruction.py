import re

import numpy as np
import pytest
import torch

from isotropy.objectives import normalise_patches, reconstruction

CATEGORIES = (3, 2)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rows(count=6):
    """Return rows of two numbers and codes of 3 and 2 categories, and a prediction of them."""
    generator = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.randint(n, (count,), generator=generator) for n in CATEGORIES], 1).double()
    return torch.cat([normal(count, 2), codes], 1), normal(count, 2 + sum(CATEGORIES), seed=2)


def cells(count, columns):
    return torch.rand(count, columns, generator=torch.Generator().manual_seed(3)) < torch.tensor([0.5, 0.4, 0.6, 1.0])


def slow(prediction, target, hidden, categories):
    total = 0.0
    for p, x, chosen in zip(prediction.numpy(), target.numpy(), hidden.numpy()):
        errors, place = [], len(x) - len(categories)
        for column in range(len(x)):
            if column < len(x) - len(categories):
                error = (p[column] - x[column]) ** 2
            else:
                count = categories[column - len(x)]
                block = p[place : place + count]
                error = -np.log(np.exp(block[int(x[column])]) / np.exp(block).sum())
                place += count
            if chosen[column]:
                errors.append(error)
        total += sum(errors) / len(errors) / len(target)
    return total


@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_equation_written_as_loops(masked):
    target, prediction = rows()
    hidden = cells(6, 4) if masked else torch.ones(6, 4, dtype=torch.bool)
    given = {"hidden": hidden} if masked else {}
    expected = slow(prediction, target, hidden, CATEGORIES)
    assert reconstruction(prediction, target, categories=CATEGORIES, **given).item() == pytest.approx(
        expected, abs=1e-10
    )
    expected = slow(prediction[:, :4], target, hidden, ())
    assert reconstruction(prediction[:, :4], target, **given).item() == pytest.approx(expected, abs=1e-10)


def test_maps_count_the_hidden_cells_of_each_row_alike():
    x, p, hidden = normal(3, 2, 5, 4), normal(3, 2, 5, 4, seed=1), normal(3, 2, 5, 4, seed=2) > 0.8
    expected = np.mean([((p[i] - x[i])[hidden[i]] ** 2).mean().item() for i in range(3)])
    assert reconstruction(p, x, hidden=hidden).item() == pytest.approx(expected, abs=1e-12)


def test_cells_that_are_hidden_together_need_one_boolean():
    x, p, together = normal(3, 2, 5, 4), normal(3, 2, 5, 4, seed=1), normal(3, 1, 5, 4, seed=2) > 0.5
    p.requires_grad_()
    values = [reconstruction(p, x, hidden=hidden) for hidden in (together, together.expand_as(x))]
    slopes = [torch.autograd.grad(value, p)[0] for value in values]
    assert torch.allclose(*values, atol=1e-14) and torch.allclose(*slopes, atol=1e-14)
    assert slopes[0].any() and torch.equal(slopes[0] != 0, together.expand_as(x))


def test_maps_have_the_right_gradient():
    x, p, hidden = normal(3, 2, 4), normal(3, 2, 4, seed=1).requires_grad_(), normal(3, 2, 4, seed=2) > 0
    assert torch.autograd.gradcheck(lambda p: reconstruction(p, x, hidden=hidden), p)
    assert torch.autograd.gradcheck(lambda p: 3 * reconstruction(p, x), p)


def test_closed_forms():
    x = normal(500, 7)
    x = (x - x.mean(0)) / x.std(0, correction=0)
    assert reconstruction(x, x).item() == 0
    assert reconstruction(torch.zeros_like(x), x).item() == pytest.approx(1)
    codes = torch.tensor([[0.0], [4.0]])
    assert reconstruction(torch.zeros(2, 5), codes, categories=[5]).item() == pytest.approx(np.log(5))


def test_gradient_is_right_and_reaches_hidden_cells_alone():
    target, prediction = rows()
    hidden = cells(6, 4)
    target.requires_grad_(), prediction.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: reconstruction(p, target.detach(), hidden=hidden, categories=CATEGORIES), prediction
    )
    reconstruction(prediction, target, hidden=hidden, categories=CATEGORIES).backward()
    assert target.grad is None
    assert torch.equal(prediction.grad[:, :2] != 0, hidden[:, :2])
    assert torch.equal(prediction.grad[:, 2:5].abs().sum(1) != 0, hidden[:, 2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_finite_at_every_scale(dtype, scale):
    target = torch.tensor([[1.0, 0.0, 2.0, 1.0]]).repeat(5, 1).to(dtype)
    for sign in (1, -1):
        prediction = torch.linspace(-scale, sign * scale, 7).repeat(5, 1).to(dtype).requires_grad_()
        value = reconstruction(prediction, target, categories=CATEGORIES)
        value.backward()
        assert value.dtype == torch.float32 and value.isfinite() and prediction.grad.isfinite().all()


def test_mistakes_are_named():
    x = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"a target \(2, 3\) takes a prediction \(2, 3\), got \(2, 4\)"):
        reconstruction(torch.ones(2, 4), x)
    with pytest.raises(ValueError, match=r"takes a prediction \(2, 6\), got \(2, 3\)"):
        reconstruction(x, x, categories=[4])
    for shape in ((2, 2), (1, 3), (2,), (2, 3, 1)):
        with pytest.raises(ValueError, match=rf"got \(2, 3\) and hidden {re.escape(str(shape))}"):
            reconstruction(x, x, hidden=torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize(("size", "patch"), [((8, 8), 4), ((7, 5), 3), ((6, 6), 1), ((4, 4), 9)])
def test_patches_are_normalised_one_by_one(size, patch):
    x = 3 + 2 * normal(2, 3, *size)
    made = normalise_patches(x, patch)
    for top in range(0, size[0], patch):
        for left in range(0, size[1], patch):
            part = x[:, :, top : top + patch, left : left + patch].flatten(1)
            expected = (part - part.mean(1, keepdim=True)) / (part.var(1, keepdim=True) + 1e-6).sqrt()
            got = made[:, :, top : top + patch, left : left + patch].flatten(1)
            assert torch.allclose(got, expected, atol=1e-10)


def test_a_prediction_of_zero_costs_the_unbiased_share():
    # (M-1)/M for M = 3 p^2 values, up to the 1e-6 under the root.
    for patch, expected in ((4, 47 / 48), (16, 767 / 768)):
        target = normalise_patches(normal(2, 3, 32, 32), patch)
        assert reconstruction(torch.zeros_like(target), target).item() == pytest.approx(expected, abs=1e-5)
    assert normalise_patches(torch.full((1, 3, 4, 4), 7.0), 4).abs().max() == 0
