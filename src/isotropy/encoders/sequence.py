"""Encoders for series (B, channels, time) that are not convolutional: recurrent, attention, and a perceptron."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.encoders.encoder import Encoder, FrameEncoder
from isotropy.errors import UserError
from isotropy.nn.attention import Block
from isotropy.nn.mlp import mlp
from isotropy.validation import at_least


class GRU(FrameEncoder):
    """A gated recurrent network that reads a series in both directions, averaged over time.

    Cho et al. 2014 (arXiv 1406.1078), section 2.3, in PyTorch's form.

    Args:
        width: even: half of it for each direction.
        stride: time steps that are averaged into one before they are read, which is slow.

    Example:
        >>> GRU(channels=3)(torch.zeros(4, 3, 50)).shape
        torch.Size([4, 256])
    """

    modality = "series"
    any_length = True

    def __init__(self, *, channels: int, width: int = 256, stride: int = 2) -> None:
        super().__init__(channels=channels, width=width, stride=stride)
        at_least(1, channels=channels, width=width, stride=stride)
        if width % 2:
            raise UserError(f"gru halves its width between two directions: {width} is odd")
        self.width = self.frame_width = width
        self.pool = nn.AvgPool1d(stride, ceil_mode=True)
        self.layers = nn.GRU(channels, width // 2, batch_first=True, bidirectional=True)

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, width, steps) for series (B, channels, time): one frame for each `stride` steps."""
        frames: Tensor = self.layers(self.pool(x).transpose(1, 2))[0]
        return frames.transpose(1, 2)


class SeriesTransformer(FrameEncoder):
    """A small transformer over patches of time, averaged over them; takes series of any length.

    Patches that do not overlap become tokens by one linear map (as in Dosovitskiy et al. 2021, equation 1), the
    place of each is added as sines and cosines (Vaswani et al. 2017, section 3.5), and pre-norm blocks follow.

    Args:
        patch: time steps of a patch; the end of a series is filled up with zeros.
        depth, heads: number of blocks, and of heads of their attention: a divisor of the width.

    Example:
        >>> SeriesTransformer(channels=3)(torch.zeros(4, 3, 50)).shape
        torch.Size([4, 128])
    """

    modality = "series"
    convolutional = True
    any_length = True

    def __init__(self, *, channels: int, width: int = 128, patch: int = 8, depth: int = 3, heads: int = 4) -> None:
        super().__init__(channels=channels, width=width, patch=patch, depth=depth, heads=heads)
        at_least(1, channels=channels, width=width, patch=patch, depth=depth, heads=heads)
        self.width = self.frame_width = width
        self.patch = patch
        self.embed = nn.Linear(channels * patch, width)
        self.blocks = nn.Sequential(*[Block(width, heads=heads, hidden=2 * width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, width, patches) for series (B, channels, time)."""
        x = functional.pad(x, (0, -x.shape[2] % self.patch)).contiguous()
        patches = x.view(*x.shape[:2], -1, self.patch).transpose(1, 2).flatten(2)
        tokens = self.embed(patches) + places(patches.shape[1], self.width).to(x)
        return self.norm(self.blocks(tokens)).transpose(1, 2)


class SeriesMLP(Encoder):
    """An MLP on the flattened series, without any notion of time.

    Args:
        hidden, depth: width of the hidden layers, and number of linear layers.

    Example:
        >>> SeriesMLP(channels=3, length=50)(torch.zeros(4, 3, 50)).shape
        torch.Size([4, 256])
    """

    modality = "series"

    def __init__(self, *, channels: int, length: int, width: int = 256, hidden: int = 256, depth: int = 4) -> None:
        super().__init__(channels=channels, length=length, width=width, hidden=hidden, depth=depth)
        at_least(1, channels=channels, length=length, width=width, hidden=hidden, depth=depth)
        self.width = width
        widths = (channels * length, *[hidden] * (depth - 1), width)
        self.layers = nn.Sequential(nn.Flatten(), *mlp(widths, norm=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for series (B, channels, length)."""
        return self.layers(x)


def places(count: int, width: int) -> Tensor:
    """Return (count, width) float64: sines and cosines of each place, of wave lengths from 2 pi to 10000 * 2 pi.

    Vaswani et al. 2017 (arXiv 1706.03762), section 3.5, with all sines before all cosines.

    Example:
        >>> places(2, 4).round(decimals=2).tolist()
        [[0.0, 0.0, 1.0, 1.0], [0.84, 0.01, 0.54, 1.0]]
    """
    half = (width + 1) // 2
    rates = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width]
