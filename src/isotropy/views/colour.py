"""Colour jitter and greyscale of whole batches: one affine map of the channels per sample.

Brightness, contrast, saturation, hue (as a rotation about the grey axis) and greyscale are affine in a pixel's
channels. Contrast pulls towards the image's mean grey, which is linear in the mean `m` of the untouched image, so any
order of the operations is `x -> M x + P m` with two matrices per sample that depend on no pixel. Nothing is clamped
between the operations.

With brightness b, contrast c, saturation S, rotation R and the row w of grey weights (which sum to 1): R 1 = S 1 = 1
and w S = w, so `M = b c R S` or `b c S R`, and `P = (1 - c) b 1 r` with the grey row r at the time of contrast: w
before the hue operation, after it w R, or w R S where saturation came first.
"""

import math
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

COLUMNS = 6  # applied or not, four strengths, order
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_PLACES = torch.tensor(list(permutations(range(4))))
_GREY = (0.299, 0.587, 0.114)


class Factors(NamedTuple):
    """What is done to each sample: factors (B, 4) float64 (brightness, contrast, saturation, hue) and when.

    `place` (B, 4) int64 is the place, 0..3, that each of the four operations has in the sample's order.
    """

    values: Tensor
    place: Tensor


class Affine(NamedTuple):
    """The map `x -> own x + pull m` of a pixel x and the mean pixel m: two (B, C, C) float64."""

    own: Tensor
    pull: Tensor


def factors(uniforms: Tensor, strengths: tuple[float, float, float, float], probability: float) -> Factors:
    """Return jitter factors and the order of the four operations distributed as in torchvision.

    Args:
        uniforms: (B, 6) float64 in [0, 1).
        strengths: s for brightness, contrast and saturation: U(max(0, 1 - s), 1 + s); for hue: U(-s, s) turns.
        probability: the fraction of samples that are jittered; for the others the factors change nothing.
    """
    strength = torch.tensor(strengths, dtype=torch.float64)
    low = torch.cat([(1 - strength[:3]).clamp(min=0.0), -strength[3:]])
    high = torch.cat([1 + strength[:3], strength[3:]])
    nothing = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    values = torch.where(uniforms[:, :1] < probability, low + (high - low) * uniforms[:, 1:5], nothing)
    return Factors(values, _PLACES[(uniforms[:, 5] * len(_PLACES)).long()])


def grey_weights(channels: int) -> Tensor:
    """Return the weights of a pixel's grey value, (C,) float64: ITU-R 601 for three channels, else equal."""
    return torch.tensor(_GREY if channels == 3 else (1 / channels,) * channels, dtype=torch.float64)


def rotation(turns: Tensor) -> Tensor:
    """Return rotations of RGB about the grey axis by `turns` (B,), (B, 3, 3) float64 (Rodrigues' formula)."""
    angle = (2 * math.pi * turns)[:, None, None]
    third = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    return third + torch.cos(angle) * (torch.eye(3, dtype=torch.float64) - third) + torch.sin(angle) * cross


def compose(factors: Factors, channels: int, *, grey: Tensor) -> Affine:
    """Return the jitter of each sample, in its order, as one map; `grey` (B,) bool says which end as greyscale.

    With other than three channels there is brightness and contrast alone.
    """
    values, place = factors
    weights = grey_weights(channels)
    if channels != 3:
        return _affine(values, torch.eye(channels, dtype=torch.float64), weights)
    saturation, turned = _saturate(values, weights), rotation(values[:, HUE])
    last = (place[:, HUE] > place[:, SATURATION])[:, None, None]
    both = torch.where(last, turned @ saturation, saturation @ turned)
    seen = weights @ torch.where(last, both, turned)
    row = torch.where((place[:, HUE] < place[:, CONTRAST])[:, None], seen, weights)
    return _greyscale(_affine(values, both, row), weights, grey)


def around_hue(factors: Factors, grey: Tensor) -> tuple[Affine, Affine]:
    """Return what comes before and what comes after the hue operation, for exact hue between the two (C = 3)."""
    values, place = factors
    late = place > place[:, HUE, None]
    weights = grey_weights(3)
    parts = []
    for skipped in (late, ~late):
        factors_here = torch.where(skipped, 1.0, values)
        parts.append(_affine(factors_here, _saturate(factors_here, weights), weights))
    return parts[0], _greyscale(parts[1], weights, grey)


def _affine(values: Tensor, mixed: Tensor, row: Tensor) -> Affine:
    brightness, contrast = values[:, BRIGHTNESS, None, None], values[:, CONTRAST, None, None]
    pull = (1 - contrast) * brightness * row[..., None, :]
    return Affine(brightness * contrast * mixed, pull.expand(-1, mixed.shape[-1], -1))


def _saturate(values: Tensor, weights: Tensor) -> Tensor:
    saturation = values[:, SATURATION, None, None]
    return saturation * torch.eye(3, dtype=torch.float64) + (1 - saturation) * weights


def _greyscale(affine: Affine, weights: Tensor, grey: Tensor) -> Affine:
    # The pull is grey already.
    return Affine(torch.where(grey[:, None, None], (weights @ affine.own)[:, None], affine.own), affine.pull)


def apply(images: Tensor, own: Tensor, offset: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return `own x + offset` for every pixel x of `images` (B, C, P) float32, in `out` where that is given.

    The maps are `own` (B, C, C) and `offset` (B, C), float32. It is a sum over channels of whole planes, not a matrix
    product: its bits do not depend on the batch.
    """
    mixed = torch.mul(images[:, :1], own[:, :, :1], out=out)
    for channel in range(1, images.shape[1]):
        mixed.addcmul_(images[:, channel : channel + 1], own[:, :, channel : channel + 1])
    return mixed.add_(offset[..., None])


def mean_pixel(images: Tensor) -> Tensor:
    """Return the mean pixel of each image, (B, C), of (B, C, H, W); row by row, so that threads change no bit."""
    return images.mean(3).mean(2)


def shift_hue_(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of RGB images (B, 3, P) float32 in [0, 1] in HSV by `turns` (B,) float32, in place; return them.

    Value and chroma (the largest channel and its distance to the smallest) stay; with hue h in turns, a channel is
    `smallest + chroma * clamp(2 - 6 d, 0, 1)`, d the distance of h + (0, 2/3, 1/3) to the next whole number.
    """
    red, green, blue = images.unbind(1)
    low, high = torch.aminmax(images, dim=1)
    chroma = high - low
    # Where chroma is 0 every hue is right; the smallest positive divisor keeps 0 / 0 out.
    sixth = (chroma * 6).clamp_(min=1e-30).reciprocal_()
    hue = (red - green).mul_(sixth).add_(2 / 3)
    torch.where(high == green, (blue - red).mul_(sixth).add_(1 / 3), hue, out=hue)
    torch.where(high == red, (green - blue).mul_(sixth), hue, out=hue)
    hue += turns[:, None]
    for channel, offset in enumerate((0.0, 2 / 3, 1 / 3)):
        distance = hue + offset
        distance -= distance.round()
        share = distance.abs_().mul_(-6).add_(2).clamp_(0, 1)
        torch.addcmul(low, share, chroma, out=images[:, channel])
    return images
