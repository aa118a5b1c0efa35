"""Colour jitter and greyscale of whole batches: one affine map of the channels per sample.

Brightness, contrast, saturation, hue (as a rotation about the grey axis) and greyscale are affine in a pixel's
channels. Contrast pulls towards the image's mean grey, which is linear in the mean `m` of the untouched image, so any
order of the operations is `x -> M x + P m` with two matrices per sample that depend on no pixel. Nothing is clamped
between the operations.
"""

import math
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

COLUMNS = 6  # applied or not, four strengths, order
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_ORDERS = torch.tensor(list(permutations(range(4))))
_GREY = (0.299, 0.587, 0.114)


class Factors(NamedTuple):
    """What is done to each sample: factors (B, 4) float64 (brightness, contrast, saturation, hue) and their order."""

    values: Tensor
    order: Tensor


class Affine(NamedTuple):
    """The map `x -> own x + pull m` of a pixel x and the mean pixel m: two (B, C, C) float64."""

    own: Tensor
    pull: Tensor


def factors(uniforms: Tensor, strengths: tuple[float, float, float, float], probability: float) -> Factors:
    """Return jitter factors and the order of the four operations, (B, 4) int64, by torchvision's law.

    Args:
        uniforms: (B, 6) float64 in [0, 1).
        strengths: s for brightness, contrast and saturation: U(max(0, 1 - s), 1 + s); for hue: U(-s, s) turns.
        probability: the share of samples that are jittered; for the others the factors change nothing.
    """
    strength = torch.tensor(strengths, dtype=torch.float64)
    low = torch.cat([(1 - strength[:3]).clamp(min=0.0), -strength[3:]])
    high = torch.cat([1 + strength[:3], strength[3:]])
    nothing = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    values = torch.where(uniforms[:, :1] < probability, low + (high - low) * uniforms[:, 1:5], nothing)
    return Factors(values, _ORDERS[(uniforms[:, 5] * len(_ORDERS)).long()])


def grey_weights(channels: int) -> Tensor:
    """Return the weights of a pixel's grey value, (C,) float64: ITU-R 601 for three channels, else equal."""
    return torch.tensor(_GREY if channels == 3 else (1 / channels,) * channels, dtype=torch.float64)


def operations(values: Tensor, channels: int) -> Tensor:
    """Return the four operations' matrices, (B, 4, C, C) float64, for factors (B, 4).

    Contrast's is the part on the pixel itself. With other than three channels saturation and hue do nothing.
    """
    eye = torch.eye(channels, dtype=torch.float64)
    matrices = eye.expand(len(values), 4, channels, channels).clone()
    matrices[:, :2] *= values[:, :2, None, None]
    if channels == 3:
        grey = grey_weights(3).expand(3, 3)
        saturation = values[:, SATURATION, None, None]
        matrices[:, SATURATION] = saturation * eye + (1 - saturation) * grey
        matrices[:, HUE] = rotation(values[:, HUE])
    return matrices


def rotation(turns: Tensor) -> Tensor:
    """Return rotations of RGB about the grey axis by `turns` (B,), (B, 3, 3) float64 (Rodrigues' formula)."""
    angle = (2 * math.pi * turns)[:, None, None]
    third = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    return third + torch.cos(angle) * (torch.eye(3, dtype=torch.float64) - third) + torch.sin(angle) * cross


def compose(factors: Factors, channels: int, *, grey: Tensor | None = None) -> Affine:
    """Return the jitter of each sample, in its order, as one map; `grey` (B,) bool says which end as greyscale."""
    return _chain(operations(factors.values, channels), factors, channels, grey)


def around_hue(factors: Factors, grey: Tensor) -> tuple[Affine, Affine]:
    """Return what comes before and what comes after the hue operation, for exact hue between the two (C = 3)."""
    matrices = operations(factors.values, 3)
    place = torch.argsort(factors.order, 1)
    late = place > place[:, HUE, None]
    nothing = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    parts = []
    for skipped in (late, ~late):
        skipped = skipped.clone()
        skipped[:, HUE] = True
        left = torch.where(skipped[..., None, None], eye, matrices)
        values = torch.where(skipped, nothing, factors.values)
        parts.append((left, Factors(values, factors.order)))
    before = _chain(*parts[0], 3, None)
    return before, _chain(*parts[1], 3, grey)


def _chain(matrices: Tensor, factors: Factors, channels: int, grey: Tensor | None) -> Affine:
    weights = grey_weights(channels).expand(channels, channels)
    ordered = matrices.gather(1, factors.order[..., None, None].expand_as(matrices))
    towards = (1 - factors.values[:, CONTRAST, None]) * (factors.order == CONTRAST)
    own = ordered[:, 0]
    pull = towards[:, 0, None, None] * weights
    for place in range(1, 4):
        mean = own + pull  # the map of the mean pixel so far
        own = ordered[:, place] @ own
        pull = ordered[:, place] @ pull + towards[:, place, None, None] * (weights @ mean)
    if grey is not None and channels == 3:
        own = torch.where(grey[:, None, None], weights @ own, own)
        pull = torch.where(grey[:, None, None], weights @ pull, pull)
    return Affine(own, pull)


def apply(images: Tensor, own: Tensor, offset: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Return `own x + offset` for every pixel x, (B, C, P) float32, in `out` where that is given.

    Args:
        images: (B, C, P) float32.
        own: (B, C, C) float32.
        offset: (B, C) float32.

    A sum over channels of whole planes, not a matrix product: its bits do not depend on the batch.
    """
    mixed = torch.mul(images[:, :1], own[:, :, :1], out=out)
    for channel in range(1, images.shape[1]):
        mixed.addcmul_(images[:, channel : channel + 1], own[:, :, channel : channel + 1])
    return mixed.add_(offset[..., None])


def mean_pixel(images: Tensor) -> Tensor:
    """Return the mean pixel of each image, (B, C), of (B, C, H, W); row by row, so that threads change no bit."""
    return images.mean(3).mean(2)


def shift_hue_(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of RGB images in HSV, in place, and return them.

    Args:
        images: (B, 3, P) float32 in [0, 1].
        turns: (B,) float32, shares of a full turn.

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
