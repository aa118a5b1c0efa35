"""Crops against torchvision: pixels given the box, and the law of the boxes."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

from isotropy import rng
from isotropy.views import crop

MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def images(count, channels, height, width):
    words = rng.bits(rng.keys(7, 0, 0, torch.arange(count)), channels * height * width)
    return (words & 255).to(torch.uint8).view(count, channels, height, width)


def cropped(x, box, size, interpolation, flip):
    down = crop.taps(box[:, 0], box[:, 2], x.shape[2], size[0], interpolation=interpolation)
    across = crop.taps(box[:, 1], box[:, 3], x.shape[3], size[1], interpolation=interpolation, flip=flip)
    return crop.resample(x, down, across)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(32, 32), (13, 20), (90, 71)])
def test_crops_equal_torchvision_given_the_box(interpolation, size):
    x = images(4, 3, 40, 56)
    box = torch.tensor([[0, 0, 40, 56], [3, 8, 11, 9], [10, 20, 30, 36], [39, 55, 1, 1]])
    flip = torch.tensor([False, True, False, True])
    ours = cropped(x, box, size, interpolation, flip) / 255
    for row, (image, (top, left, height, width)) in enumerate(zip(x.float() / 255, box.tolist())):
        theirs = resized_crop(image, top, left, height, width, list(size), MODES[interpolation], antialias=True)
        theirs = hflip(theirs) if flip[row] else theirs
        assert (ours[row] - theirs).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [(32, 32, (0.08, 1.0), (3 / 4, 4 / 3)), (60, 200, (0.5, 1.0), (3 / 4, 4 / 3)), (40, 30, (0.2, 0.6), (0.5, 2))],
)
def test_boxes_follow_torchvisions_law(height, width, scale, ratio):
    count = 3000
    uniforms = rng.uniforms(rng.bits(rng.keys(0, 0, 0, torch.arange(count)), crop.BOX_COLUMNS))
    ours = crop.boxes(uniforms, height, width, scale=scale, ratio=ratio).double().numpy()
    torch.manual_seed(0)
    blank = torch.zeros(1, height, width)
    theirs = np.array([RandomResizedCrop.get_params(blank, scale, ratio) for _ in range(count)], float)
    top, left, tall, wide = ours.T
    assert (tall >= 1).all() and (top >= 0).all() and (top + tall <= height).all()
    assert (wide >= 1).all() and (left >= 0).all() and (left + wide <= width).all()
    for measure in (
        lambda b: b[:, 2] * b[:, 3],
        lambda b: b[:, 3] / b[:, 2],
        lambda b: b[:, 0],
        lambda b: b[:, 1],
        lambda b: b[:, 0] + b[:, 2],
    ):
        assert stats.ks_2samp(measure(ours), measure(theirs)).pvalue > 0.01


@pytest.mark.parametrize(("height", "width", "expected"), [(10, 100, (0, 43, 10, 13)), (100, 10, (43, 0, 13, 10))])
def test_the_fallback_is_central(height, width, expected):
    uniforms = torch.full((2, crop.BOX_COLUMNS), 0.99, dtype=torch.float64)
    box = crop.boxes(uniforms, height, width, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3))
    assert box.tolist() == [list(expected)] * 2


def test_a_constant_image_stays_constant_at_every_border():
    x = torch.full((1, 1, 9, 9), 200, dtype=torch.uint8)
    for interpolation in crop.INTERPOLATIONS:
        ours = cropped(x, torch.tensor([[0, 2, 9, 7]]), (5, 17), interpolation, None)
        assert (ours - 200).abs().max() < 1e-3
