"""Encoders for series (B, channels, time): convolutions, a recurrent network, attention, and a perceptron.

Convolutions run as 2-D ones of height 1: the same arithmetic with the same initial weights as in 1-D, for which PyTorch
has its faster kernels (bf16, channels-last).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.batch import Batch, filled, lengths
from isotropy.encoders.encoder import Encoder, FrameEncoder
from isotropy.encoders.multiscale import averaged
from isotropy.errors import UserError
from isotropy.nn.attention import Block
from isotropy.nn.mlp import mlp
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
    takes_masks = True

    def __init__(self, *, channels: int, width: int = 256, stride: int = 2) -> None:
        super().__init__(channels=channels, width=width, stride=stride)
        at_least(1, channels=channels, width=width, stride=stride)
        if width % 2:
            raise UserError(f"gru halves its width between two directions: {width} is odd")
        self.width = self.frame_width = width
        self.stride = stride
        self.pool = nn.AvgPool1d(stride, ceil_mode=True)
        self.layers = nn.GRU(channels, width // 2, batch_first=True, bidirectional=True)

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, width, steps) for series (B, channels, time): one frame for each `stride` steps."""
        frames: Tensor = self.layers(self.pool(x).transpose(1, 2))[0]
        return frames.transpose(1, 2)

    def masked_frames(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return the frames (B, width, steps), and which of them there are."""
        pooled, found = averaged(filled(x), x.mask, self.stride)
        assert found is not None
        there = found.any(1, keepdim=True)
        count = pooled.shape[2]
        # Each direction reads a series before what is behind its end: backwards where its last step is moved there.
        place = torch.arange(count, device=pooled.device)
        moved = (place - (count - lengths(there)[:, None])).clamp(min=0)
        behind = pooled.gather(2, moved[:, None].expand_as(pooled))
        forwards, backwards = (self.layers(part.transpose(1, 2))[0].transpose(1, 2) for part in (pooled, behind))
        half = self.width // 2
        back = (place + (count - lengths(there)[:, None])).clamp(max=count - 1)
        backwards = backwards[:, half:].gather(2, back[:, None].expand(-1, half, -1))
        return torch.cat([forwards[:, :half], backwards], 1), there


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
    takes_masks = True

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
        return self.norm(self.blocks(self._tokens(x))).transpose(1, 2)

    def masked_frames(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return the frames (B, width, patches), and which patches there are."""
        tokens = self._tokens(filled(x))
        steps = steps_there(x)
        there = functional.pad(steps, (0, -steps.shape[1] % self.patch)).view(len(steps), -1, self.patch).any(2)
        for block in self.blocks:
            tokens = block(tokens, there)
        return self.norm(tokens).transpose(1, 2), there.unsqueeze(1)

    def _tokens(self, x: Tensor) -> Tensor:
        """Return (B, patches, width) with their places."""
        x = functional.pad(x, (0, -x.shape[2] % self.patch)).contiguous()
        patches = x.view(*x.shape[:2], -1, self.patch).transpose(1, 2).flatten(2)
        return self.embed(patches) + places(patches.shape[1], self.width).to(x)


class SeriesMLP(Encoder):
    """An MLP of `depth` linear layers, `hidden` wide inside, on the flattened series, without any notion of time.

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


def steps_there(x: Batch) -> Tensor:
    """Return in which steps of series with a mask any channel has a value, (B, T)."""
    return torch.ones_like(x.values[:, 0], dtype=torch.bool) if x.mask is None else x.mask.any(1)


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
