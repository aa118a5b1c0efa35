"""Encoders for series (B, channels, time) of convolutions, which run as 2-D ones of height 1.

That is the same arithmetic with the same initial weights as in 1-D, and PyTorch has its faster kernels (bf16,
channels-last) for the 2-D form.
"""

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import FrameEncoder
from isotropy.errors import UserError
from isotropy.validation import at_least, fraction


class SeriesCNN(FrameEncoder):
    """The convolutional network of LFR for sensor series (Sui et al. 2024, appendix; that of TS-TCC).

    Three blocks of convolution (8 wide, no bias), batch norm, ReLU and max-pooling by 2, dropout after the first,
    flattened. HAR (9 x 128) gives width 2304, Epilepsy (1 x 178) gives 3072.

    Args:
        dropout: fraction of the first block's outputs that is dropped in training.
        steps: longer feature maps (of series of more than about 240 steps) are averaged down to it: the most frames.

    Example:
        >>> SeriesCNN(channels=9, length=128)(torch.zeros(4, 9, 128)).shape
        torch.Size([4, 2304])
    """

    modality = "series"
    convolutional = True
    frame_width = 128

    def __init__(self, *, channels: int, length: int, dropout: float = 0.35, steps: int = 32) -> None:
        super().__init__(channels=channels, length=length, dropout=dropout, steps=steps)
        at_least(1, channels=channels, length=length, steps=steps)
        fraction(dropout=dropout)
        layers: list[nn.Module] = []
        for before, after in ((channels, 32), (32, 64), (64, 128)):
            layers += [
                nn.Conv2d(before, after, (1, 8), padding=(0, 4), bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d((1, 2), padding=(0, 1)),
            ]
            length = (length + 1) // 2 + 1
        layers.insert(4, nn.Dropout(dropout))
        if length > steps:
            layers.append(nn.AdaptiveAvgPool2d((1, steps)))
        self.layers = nn.Sequential(*layers)
        self.width = 128 * min(length, steps)

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, 128, steps) for series (B, channels, length): one frame for about 8 time steps."""
        return self.layers(x.unsqueeze(2)).squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width): the frames, flattened."""
        return self.frames(x).flatten(1)


class _DilatedBlock(nn.Module):
    """Two dilated convolutions, 3 wide, that keep the length, around a skip connection."""

    def __init__(self, hidden: int, dilation: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(hidden)
        self.first = _dilated(hidden, dilation)
        self.second_norm = nn.BatchNorm2d(hidden)
        self.second = _dilated(hidden, dilation)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(torch.relu(self.first_norm(x)))
        return x + self.second(torch.relu(self.second_norm(inner)))


def _dilated(hidden: int, dilation: int) -> nn.Module:
    return nn.Conv2d(hidden, hidden, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False)


class DilatedResNet(FrameEncoder):
    """A residual network of dilated convolutions for series of any length, pooled over time.

    Like the encoder of TS2Vec (Yue et al. 2022, section 2.3), with batch norm and a lighter last layer: block i has
    dilation 2^i, so `depth` blocks see 4 * 2^depth - 3 steps (253 with the default).

    Args:
        hidden, depth: channels of the blocks, and number of blocks.
        pooling: over time, "mean" or "max" (TS2Vec's own).

    Example:
        >>> encoder = DilatedResNet(channels=3)
        >>> encoder(torch.zeros(4, 3, 50)).shape, encoder(torch.zeros(4, 3, 1000)).shape
        (torch.Size([4, 256]), torch.Size([4, 256]))
    """

    modality = "series"
    convolutional = True
    any_length = True

    def __init__(
        self, *, channels: int, width: int = 256, hidden: int = 64, depth: int = 6, pooling: str = "mean"
    ) -> None:
        super().__init__(channels=channels, width=width, hidden=hidden, depth=depth, pooling=pooling)
        at_least(1, channels=channels, width=width, hidden=hidden, depth=depth)
        if pooling not in ("mean", "max"):
            raise UserError(f'pooling must be "mean" or "max", not {pooling!r}')
        self.width = self.frame_width = width
        self.pooling = pooling
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            *[_DilatedBlock(hidden, 2**i) for i in range(depth)],
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, width, time) for series (B, channels, time): one frame for each step."""
        return self.layers(x.unsqueeze(2)).squeeze(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width): the mean or the maximum of the frames."""
        frames = self.frames(x)
        return frames.mean(2) if self.pooling == "mean" else frames.amax(2)
