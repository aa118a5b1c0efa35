"""Laying rows on each other: crops, shifts, gain and brightness are undone, and other rows do not fit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isotropy.audit import tails
from isotropy.audit.alignment import _correlation, _slopes, aligned
from isotropy.audit.duplicates import by_alignment
from isotropy.audit.parts import coarse, fitting
from isotropy.audit.pictures import reduced, thumbnails


def smooth(*shape):
    noise = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    if noise.ndim == 3:
        return F.avg_pool1d(noise, 9, 1, 4)
    return F.avg_pool2d(noise, 5, 1, 2)


def changed(x, how):
    flat = x.ndim == 3
    size = x.shape[-1]
    if how == "gain":
        return 1.3 * x
    if how == "brightness":
        return x + 0.7
    if how == "shift":
        away = size // 10
        return x.roll(away, -1)
    start, end = size // 10, size - size // 8
    cropped = x[..., start:end] if flat else x[..., start:end, start:end]
    mode = "linear" if flat else "bilinear"
    return F.interpolate(cropped, size=x.shape[2:], mode=mode, align_corners=False)


@pytest.mark.parametrize("how", ["gain", "brightness", "shift", "crop"])
@pytest.mark.parametrize("shape", [(8, 2, 128), (8, 3, 32, 32)])
def test_what_was_done_to_a_copy_is_undone(how, shape):
    x = smooth(*shape)
    rows = reduced(torch.cat([x, changed(x, how)]))
    one = np.arange(8)
    fits, others = aligned(rows, one, one + 8), aligned(rows, one, (one + 3) % 8)
    assert fits.min() > 0.97, (how, fits)
    assert others.max() < 0.93, (how, others)
    found = coarse(rows, np.stack([one + 8, (one + 3) % 8] * 2, axis=1).repeat(2, axis=0)[:16])
    assert found.shape == (16, 4)


@pytest.mark.parametrize("begin, end", [(0, 60), (9, 70), (0, 70), (10, 62)])
def test_what_stands_behind_the_end_of_a_series_does_not_count(begin, end):
    whole = F.pad(smooth(12, 2, 70), (0, 10))
    part = torch.zeros_like(whole)
    part[..., : end - begin] = 2 * whole[..., begin:end] + 5
    behind = torch.rand(whole.shape, generator=torch.Generator().manual_seed(1)) * 30
    rows = reduced(torch.cat([whole, part]))
    ends = torch.tensor([70.0] * 12 + [float(end - begin)] * 12) / 80
    rows = torch.where(
        torch.arange(80) < (ends * 80).round()[:, None, None, None], rows, behind.repeat(2, 1, 1)[:, :, None]
    )
    one = np.arange(12)
    fits, others = aligned(rows, one, one + 12, ends), aligned(rows, one, 12 + (one + 3) % 12, ends)
    assert fits.min() > 0.9999 and others.max() < 0.97, (fits, others)
    assert np.allclose(aligned(rows, one + 12, one, ends), fits, atol=1e-3)


def test_constant_rows_fit_nothing_and_nothing_is_nan():
    rows = reduced(torch.cat([torch.ones(2, 1, 40), smooth(2, 1, 40)]))
    found = aligned(rows, np.array([0, 0, 2]), np.array([1, 2, 0]))
    assert np.isfinite(found).all() and np.abs(found).max() < 1e-3


def test_a_series_shorter_than_its_crops():
    rows = reduced(smooth(4, 1, 6))
    assert np.isfinite(coarse(rows, np.array([[1], [2], [3], [0]]))).all()
    assert np.allclose(aligned(rows, np.arange(4), np.arange(4)), 1, atol=1e-4)


@pytest.mark.parametrize("how", ["shift", "crop"])
@pytest.mark.parametrize("shape", [(60, 1, 176), (60, 2, 128), (60, 1, 28, 28)])
def test_a_part_of_a_row_leads_to_its_copy_among_rows_that_are_nearly_alike(how, shape):
    # Rows of one family: what varies most is the same in all, and copies share the small rest.
    x = torch.sin(torch.linspace(0, 6, shape[-1])) + 0.1 * smooth(*shape)
    rows = reduced(torch.cat([x, changed(x[:6], how)]))
    found, excess = fitting(rows, 5)
    assert found.shape == excess.shape == (66, 5) and not (found == np.arange(66)[:, None]).any()
    assert (found[:6] == np.arange(60, 66)[:, None]).any(axis=1).mean() >= 0.8
    assert (found[60:] == np.arange(6)[:, None]).any(axis=1).mean() >= 0.8


def test_a_copy_is_more_alike_than_others_where_a_family_is_more_alike():
    # Ten rows of one family are nearer to each other than a copy with a little noise is to its row.
    x = smooth(34, 1, 128)
    rows = reduced(torch.cat([x[:1] + 0.005 * x[1:11], x[11:31], x[11:12] + 0.1 * x[31:32]]))
    found, excess = fitting(rows, 4)
    assert found[10, 0] == 30 and found[30, 0] == 10
    assert set(np.argsort(-excess, axis=None)[:2] // 4) == {10, 30}


@pytest.mark.parametrize("shape", [(12, 1, 6), (12, 3, 8, 8)])
def test_parts_of_small_and_constant_rows_are_numbers(shape):
    x = torch.cat([torch.ones(2, *shape[1:]), smooth(*shape)])
    found, excess = fitting(reduced(x), 3)
    assert np.isfinite(excess).all() and excess.min() >= 0
    assert found.shape == (14, 3) and found.min() >= 0 and found.max() < 14


def test_twins_in_what_varies_most_are_told_from_copies():
    # Smooth outlines: a twin by nature differs from a row by a thousandth, a cut and enlarged copy by less.
    steps = torch.linspace(0, 6, 176)
    x = torch.sin(steps)[None, None] + 0.03 * smooth(6, 1, 176)
    rows = reduced(torch.cat([x, changed(x, "crop"), x + 0.01 * smooth(6, 1, 176).flip(0)]))
    one = np.arange(6)
    copies, twins = 1 - aligned(rows, one, one + 6), 1 - aligned(rows, one, one + 12)
    assert copies.max() < twins.min() / 3, (copies, twins)


@pytest.mark.parametrize("shape", [(8, 1, 131), (8, 1, 28, 28)])
def test_rough_rows_fit_exactly(shape):
    # Rough rows fit within a step or not at all, so a search that leaps over the place ends beside it.
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor([0.25, 0.5, 0.25])
    for axis in range(2, x.ndim):
        x = sum(weight * x.roll(away, axis) for weight, away in zip(kernel, (-1, 0, 1)))
    size = shape[-1] - shape[-1] // 5
    part = x[..., 3 : 3 + size] if len(shape) == 3 else x[..., 2 : 2 + size, 3 : 3 + size]
    mode = "linear" if len(shape) == 3 else "bilinear"
    cropped = F.interpolate(part, size=x.shape[2:], mode=mode, align_corners=False)
    moved = x[..., [min(i + 4, shape[-1] - 1) for i in range(shape[-1])]]
    rows, one = reduced(torch.cat([x, moved, cropped])), np.arange(8)
    assert aligned(rows, one, one + 8).min() > 1 - 1e-5
    assert aligned(rows, one, one + 16).min() > (0.9995 if len(shape) == 3 else 0.99)


@pytest.mark.parametrize("shape", [(4, 2, 96), (4, 3, 24, 24)])
def test_the_gradient_of_the_correlation_is_that_of_small_steps(shape):
    x = reduced(F.avg_pool2d(smooth(*shape), 5, 1, 2) if len(shape) == 4 else F.avg_pool1d(smooth(*shape), 9, 1, 4))
    a, b = x, x.roll(1, -1)
    flat = len(shape) == 3
    theta = torch.tensor([[-0.06, 0.0 if flat else 0.013, 0.021]]).repeat(len(x), 1)
    planes = torch.cat([b, *_slopes(b)], dim=1)
    ends = torch.ones(len(x), 2) if not flat else torch.tensor([1.0, 0.9]).repeat(len(x), 1)
    value, gradient, curvature = _correlation(a, planes, theta, ends)
    axes = [0, 2] if flat else [0, 1, 2]
    assert gradient.shape == (4, len(axes)) and curvature.shape == (4, len(axes), len(axes))
    for place, axis in enumerate(axes):
        step = torch.zeros(3)
        step[axis] = 0.004
        higher, lower = (_correlation(a, planes, theta + sign * step, ends)[0] for sign in (1, -1))
        expected = (higher - lower) / 0.008
        assert torch.allclose(gradient[:, place], expected, rtol=0.2, atol=0.15 * float(expected.abs().max()))


@pytest.mark.parametrize("shape", [(60, 3, 32, 32), (60, 2, 64)])
def test_thumbnails_of_another_gain_and_brightness_are_next_to_each_other(shape):
    x = smooth(*shape)
    found = thumbnails(torch.cat([x, 0.5 * x + 3]))
    assert np.allclose(found[:60], found[60:], atol=1e-4) and np.allclose(np.linalg.norm(found, axis=1), 1)
    near = found[:60] @ found[:60].T - np.eye(60)
    assert near.max() < 0.99


def horizons(count):
    """Images of two flat halves, each with noise of its own."""
    return smooth(count, 1, 32, 32) + 2.0 * (torch.arange(32) < 16)[:, None]


def test_two_horizons_fit_each_other_but_for_their_details():
    x = horizons(8)
    rows, one = reduced(torch.cat([x, changed(x, "crop")])), np.arange(8)
    copies, horizon = aligned(rows, one, one + 8), aligned(rows, one, (one + 3) % 8)
    assert horizon[:, 0].min() > 0.95 and horizon[:, 1].max() < 0.6 and copies.min() > 0.97


def test_horizons_are_no_copies():
    x, some = horizons(12), smooth(300, 1, 32, 32).flip(0)
    rows = reduced(torch.cat([x, some, changed(some[:6], "crop")]))
    near = np.array([[(row + 1) % 12, (row + 5) % 12] for row in range(12)])
    fellows = np.array([[312 + row if row < 6 else row + 20, row + 30] for row in range(300)]) % len(rows)
    candidates = np.concatenate([near, fellows, np.array([[12 + row, row] for row in range(6)])])
    found = by_alignment(rows, candidates, np.ones(len(rows), dtype=bool))
    named = np.flatnonzero(tails.rare(found.probability))
    assert sorted(named) == [*range(12, 18), *range(312, 318)]
