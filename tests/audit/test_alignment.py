"""Laying rows on each other: crops, shifts, gain and brightness are undone, and other rows do not fit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isotropy.audit.alignment import aligned, coarse, reduced


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


def test_constant_rows_fit_nothing_and_nothing_is_nan():
    rows = reduced(torch.cat([torch.ones(2, 1, 40), smooth(2, 1, 40)]))
    found = aligned(rows, np.array([0, 0, 2]), np.array([1, 2, 0]))
    assert np.isfinite(found).all() and np.abs(found).max() < 1e-3


def test_a_series_shorter_than_its_crops():
    rows = reduced(smooth(4, 1, 6))
    assert np.isfinite(coarse(rows, np.array([[1], [2], [3], [0]]))).all()
    assert np.allclose(aligned(rows, np.arange(4), np.arange(4)), 1, atol=1e-4)
