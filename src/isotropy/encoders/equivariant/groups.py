"""Layers that are equivariant to quarter turns and mirrors: features (B, K, n, H, W), n the group's elements.

Under T_a they transform as f(T_a x)[g] = T_a f(x)[a^-1 g]: the maps turn and the group axis is permuted (for C4:
rolled by +a). Cohen and Welling, "Group Equivariant Convolutional Networks" (ICML 2016), sections 4 to 6.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isotropy.encoders.equivariant.space import Rotations, act


class Lift(nn.Module):
    """From images (B, inputs, H, W) to features (B, outputs, n, H', W'): one filter, in every position of the group.

    Example:
        >>> Lift(Rotations(mirrors=False), 1, 8)(torch.zeros(2, 1, 6, 6)).shape
        torch.Size([2, 8, 4, 6, 6])
    """

    def __init__(self, group: Rotations, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.order, self.stride, self.padding = group.shape[0], stride, kernel // 2
        self.weight = nn.Parameter(_initial(outputs, inputs, kernel, kernel))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, n, H', W')."""
        filters = torch.stack([act(self.weight, g) for g in range(self.order)], dim=1).flatten(0, 1)
        out = F.conv2d(x, filters, stride=self.stride, padding=self.padding)
        return out.unflatten(1, (-1, self.order))


class GroupConv(nn.Module):
    """From features (B, inputs, n, H, W) to features (B, outputs, n, H', W'), as one plain convolution.

    out[g] = sum over h of f[h] * T_g w[g^-1 h], with the weight w (outputs, inputs, n, k, k).

    Example:
        >>> GroupConv(Rotations(mirrors=True), 4, 8)(torch.zeros(2, 4, 8, 6, 6)).shape
        torch.Size([2, 8, 8, 6, 6])
    """

    index: Tensor

    def __init__(self, group: Rotations, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        n = self.order = group.shape[0]
        self.stride, self.padding, self.outputs, self.inputs, self.kernel = stride, kernel // 2, outputs, inputs, kernel
        # Four dimensions, which every memory format takes: w[:, inputs, n] flat.
        self.weight = nn.Parameter(_initial(outputs, inputs * n, kernel, kernel))
        # Where each number of the whole filter bank comes from: for every g, the n filters T_g w[g^-1 h].
        place = torch.arange(n * kernel * kernel).view(n, kernel, kernel)
        rows = [act(place[group.table[group.inverse[g]]], g) for g in range(n)]
        self.register_buffer("index", torch.stack(rows).flatten(), persistent=False)

    def filters(self) -> Tensor:
        """Return the filter bank (outputs * n, inputs * n, k, k)."""
        n, k = self.order, self.kernel
        weight = self.weight.reshape(self.outputs, self.inputs, n * k * k)
        bank = weight.index_select(2, self.index).view(self.outputs, self.inputs, n, n, k, k)
        return bank.transpose(1, 2).reshape(self.outputs * n, self.inputs * n, k, k)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, n, H', W')."""
        out = F.conv2d(x.flatten(1, 2), self.filters(), stride=self.stride, padding=self.padding)
        return out.unflatten(1, (-1, self.order))


class GroupNorm(nn.Module):
    """Batch norm whose statistics are those of all elements of the group together: what equivariance asks for.

    Separate statistics per element break it as soon as images of a batch are turned differently (an error of 1.7e-2).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return self.norm(x.flatten(2, 3)).view_as(x)


def halve(x: Tensor) -> Tensor:
    """Return features (B, K, n, H, W) max-pooled by 2 over the pixels: equivariant for even sizes only."""
    return F.max_pool2d(x.flatten(1, 2), 2).unflatten(1, x.shape[1:3])


def _initial(*shape: int) -> Tensor:
    """Return a weight drawn as torch's convolutions draw theirs: uniform, of the fan-in."""
    fan_in = torch.Size(shape[1:]).numel()
    return torch.empty(shape).uniform_(-1 / sqrt(fan_in), 1 / sqrt(fan_in))
