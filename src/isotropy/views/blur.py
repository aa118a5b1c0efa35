"""Gaussian blur of whole batches: two 1-D convolutions with one kernel per sample."""

import math

import torch
from torch import Tensor

from isotropy.views.crop import weigh_rows


def radius(sigma: float) -> int:
    """Return the kernel's radius in pixels for the largest `sigma` in use: 6 (13 taps) for 2."""
    return math.ceil(3 * sigma)


def blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Return images (B, C, H, W) float32 blurred by Gaussians of `sigma` (B,) float64 pixels, borders reflected.

    The kernel is cut at `radius` pixels, less than both sides, and sums to 1.
    """
    steps = torch.arange(-radius, radius + 1, dtype=torch.int32, device=images.device)
    kernel = torch.exp(-0.5 * (steps / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(torch.float32)
    turned = _along_rows(images, kernel, steps).transpose(2, 3).contiguous()
    return _along_rows(turned, kernel, steps).transpose(2, 3).contiguous()


def _along_rows(images: Tensor, kernel: Tensor, steps: Tensor) -> Tensor:
    batch, channels, height, width = images.shape
    last = height - 1
    place = (torch.arange(height, dtype=torch.int32, device=images.device)[:, None] + steps).abs()
    place = last - (last - place).abs()
    number = batch * channels
    weight = kernel.repeat_interleave(channels, 0)[:, None].expand(number, height, -1)
    rows = images.reshape(number, height, width)
    return weigh_rows(rows, place.expand(number, height, -1), weight).view(images.shape)
