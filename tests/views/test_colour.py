"""Colour against torchvision: exact hue, the affine map in every order, distributions of factors and results."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import ColorJitter
from torchvision.transforms import functional as tv

from isotropy import rng
from isotropy.views import ImageViews, blur, colour

STRENGTHS = (0.4, 0.4, 0.4, 0.1)


def pixels(count, size=24, *, low=0.0, high=1.0, seed=0):
    """Smooth coloured images, so that means and chroma differ from image to image."""
    words = rng.bits(rng.keys(seed, 0, 0, torch.arange(count)), 3 * 4 * 4)
    coarse = rng.uniforms(words).float().view(count, 3, 4, 4)
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return low + (high - low) * fine


def uniforms(count, columns, seed=0):
    return rng.uniforms(rng.bits(rng.keys(seed, 1, 0, torch.arange(count)), columns))


@pytest.mark.parametrize("turn", [-0.5, -0.2, -0.01, 0.0, 0.1, 0.37, 0.5])
def test_exact_hue_equals_hsv(turn):
    x = rng.uniforms(rng.bits(rng.keys(0, 0, 0, torch.arange(8)), 3 * 400)).float().view(8, 3, 20, 20)
    x[0, :, :5] = x[0, :1, :5]  # grey pixels
    x[1, :, :5] = 0.0
    x[2, :2, :5] = 1.0
    x[3, 1:, :5] = x[3, 1:2, :5]  # two equal channels
    ours = colour.shift_hue_(x.flatten(2).clone(), torch.full((8,), turn)).view_as(x)
    assert (ours - tv.adjust_hue(x, turn)).abs().max() < 1e-5


@pytest.mark.parametrize("exact", [False, True])
def test_the_maps_equal_torchvisions_operations_in_every_order(exact):
    orders = list(permutations(range(4)))
    # Far enough from 0 and 1 that torchvision's clamps between the operations do nothing.
    x = pixels(len(orders), low=0.4, high=0.6)
    hue = 0.05 if exact else 0.0
    values = torch.tensor([[1.1, 0.8, 1.3, hue]], dtype=torch.float64).expand(len(orders), 4)
    grey = torch.arange(len(orders)) % 5 == 4
    factors = colour.Factors(values, torch.tensor(orders).argsort(1))

    def applied(affine, images):
        offset = (affine.pull.float() * colour.mean_pixel(images)[:, None]).sum(2)
        return colour.apply(images.flatten(2), affine.own.float(), offset).view_as(images)

    if exact:
        before, after = colour.around_hue(factors, grey)
        turned = colour.shift_hue_(applied(before, x).flatten(2), values[:, 3].float()).view_as(x)
        ours = applied(after, turned)
    else:
        ours = applied(colour.compose(factors, 3, grey=grey), x)
    operations = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for row, order in enumerate(orders):
        image = x[row]
        for place in order:
            image = operations[place](image, values[row, place].item())
        image = tv.rgb_to_grayscale(image, 3) if grey[row] else image
        # torchvision's grey weights sum to 0.9999.
        assert (ours[row] - image).abs().max() < 5e-4


def test_the_rotation_map_is_the_product_of_the_operations_in_every_order():
    orders = torch.tensor(list(permutations(range(4))))
    b, c, s, h = 1.3, 0.7, 1.4, 0.09
    values = torch.tensor([[b, c, s, h]], dtype=torch.float64).expand(24, 4)
    none = torch.zeros(24, dtype=torch.bool)
    own, pull = colour.compose(colour.Factors(values, orders.argsort(1)), 3, grey=none)
    eye, grey = torch.eye(3, dtype=torch.float64), colour.grey_weights(3).expand(3, 3)
    matrices = [b * eye, c * eye, s * eye + (1 - s) * grey, colour.rotation(values[:1, 3])[0]]
    for row, order in enumerate(orders.tolist()):
        plain_own, plain_pull = eye, torch.zeros(3, 3, dtype=torch.float64)
        for place in order:
            added = (1 - c) * grey @ (plain_own + plain_pull) if place == colour.CONTRAST else 0
            plain_own, plain_pull = matrices[place] @ plain_own, matrices[place] @ plain_pull + added
        assert torch.allclose(own[row], plain_own, atol=1e-12)
        assert torch.allclose(pull[row], plain_pull, atol=1e-12)


def test_rotation_keeps_grey_and_turns_red_to_green():
    turned = colour.rotation(torch.tensor([1 / 3, 0.0], dtype=torch.float64))
    grey = torch.ones(3, dtype=torch.float64)
    assert torch.allclose(turned @ grey, grey.expand(2, 3), atol=1e-12)
    assert torch.allclose(turned[0] @ torch.eye(3, dtype=torch.float64)[0], torch.eye(3, dtype=torch.float64)[1])
    assert torch.allclose(turned[1], torch.eye(3, dtype=torch.float64))


def test_factors_follow_torchvisions_law():
    count = 3000
    ours = colour.factors(uniforms(count, colour.COLUMNS), (0.4, 0.3, 1.2, 0.1), 1.0)
    jitter = ColorJitter(0.4, 0.3, 1.2, 0.1)
    torch.manual_seed(0)
    theirs = [
        jitter.get_params(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue) for _ in range(count)
    ]
    for place in range(4):
        drawn = np.array([t[1 + place] for t in theirs])
        assert stats.ks_2samp(ours.values[:, place].numpy(), drawn).pvalue > 0.01
    codes = (ours.place @ torch.tensor([64, 16, 4, 1])).unique(return_counts=True)[1]
    assert len(codes) == 24 and stats.chisquare(codes.numpy()).pvalue > 0.01


def test_unjittered_samples_keep_their_colours():
    drawn = uniforms(2000, colour.COLUMNS)
    factors = colour.factors(drawn, STRENGTHS, 0.8)
    left = drawn[:, 0] >= 0.8
    assert abs(left.double().mean() - 0.2) < 0.04
    own, pull = colour.compose(factors, 3, grey=torch.zeros(2000, dtype=torch.bool))
    assert torch.allclose(own[left], torch.eye(3, dtype=torch.float64)) and pull[left].abs().max() < 1e-12
    assert ((own[~left] - torch.eye(3)).abs().amax((1, 2)) > 1e-3).all()


@pytest.mark.parametrize("hue", ["rotation", "exact"])
def test_the_chain_agrees_with_color_jitter(hue):
    """Means over images of the mean, the deviation and the chroma, and their spread, in shares of full scale."""
    x = (pixels(1200) * 255).round().to(torch.uint8)
    views = ImageViews(
        size=24, mean=[0.0] * 3, std=[1.0] * 3, num_views=1, scale=(1, 1), ratio=(1, 1), flip=0, jitter_p=1.0, grey=0.0,
        hue=hue,
    )  # fmt: skip
    ours = views.make(x, torch.arange(len(x)), seed=0, pass_=0)[0]
    torch.manual_seed(0)
    jitter = ColorJitter(*STRENGTHS)
    theirs = torch.stack([jitter(image) for image in x]).float() / 255

    def measures(images):
        chroma = (images.amax(1) - images.amin(1)).mean((1, 2))
        return torch.stack([images.mean((1, 2, 3)), images.std((1, 2, 3)), chroma])

    a, b = measures(ours), measures(theirs)
    assert (a.mean(1) - b.mean(1)).abs().max() < 0.012
    assert (a.std(1) - b.std(1)).abs().max() < 0.012
    for one, other in zip(a, b):
        assert stats.ks_2samp(one.numpy(), other.numpy()).statistic < 0.08


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_blur_equals_torchvision(sigma):
    x = pixels(3, size=20)
    ours = blur.blur(x, torch.full((3,), sigma, dtype=torch.float64), blur.radius(2.0))
    assert (ours - tv.gaussian_blur(x, [13, 13], [sigma, sigma])).abs().max() < 1e-5


def test_blur_takes_each_samples_sigma():
    x = pixels(2, size=20)
    both = blur.blur(x, torch.tensor([0.3, 1.5], dtype=torch.float64), 6)
    for row, sigma in enumerate((0.3, 1.5)):
        assert (both[row] - tv.gaussian_blur(x[row], [13, 13], [sigma, sigma])).abs().max() < 1e-5
