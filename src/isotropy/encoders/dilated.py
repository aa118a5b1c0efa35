"""Dilated convolutions for series (B, channels, time), with masks: what is padded is in no statistic.

Convolutions run as 2-D ones of height 1, as in `encoders.series`.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isotropy.batch import Batch, filled
from isotropy.encoders.encoder import FrameEncoder, mean_of
from isotropy.encoders.series import steps_there
from isotropy.errors import UserError
from isotropy.validation import at_least


class _DilatedBlock(nn.Module):
    """Two dilated convolutions, 3 wide, that keep the length, around a skip connection."""

    def __init__(self, hidden: int, dilation: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(hidden)
        self.first = _dilated(hidden, dilation)
        self.second_norm = nn.BatchNorm2d(hidden)
        self.second = _dilated(hidden, dilation)

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        inner = self.first(torch.relu(over_steps(self.first_norm, x, there)))
        return x + self.second(torch.relu(over_steps(self.second_norm, inner, there)))


def over_steps(norm: nn.Module, x: Tensor, there: Tensor | None) -> Tensor:
    """Return what a batch norm makes of the steps of `x` (B, C, 1, T) that are `there` (B, T), and 0 in the others."""
    if there is None:
        return norm(x)
    if not norm.training:
        return norm(x) * there[:, None, None]
    # Packed, so that padding is in no statistic, neither of this process nor of all ranks.
    steps = x.movedim(1, -1).squeeze(1)
    found = steps.new_zeros(steps.shape)
    found[there] = norm(steps[there][:, :, None, None])[:, :, 0, 0].to(found.dtype)
    return found.unsqueeze(1).movedim(-1, 1)


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
    takes_masks = True

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

    def masked_frames(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return the frames (B, width, time), 0 behind the end, and which steps there are."""
        there = steps_there(x)
        found = filled(x).unsqueeze(2)
        for layer in self.layers:
            if isinstance(layer, _DilatedBlock):
                found = layer(found, there)
            else:
                found = over_steps(layer, found, there) if isinstance(layer, _BatchNorm) else layer(found)
        return found.squeeze(2), there.unsqueeze(1)

    def forward(self, x: Tensor | Batch) -> Tensor:
        """Return (B, width): the mean or the maximum of the frames."""
        if isinstance(x, Batch):
            frames, there = self.masked_frames(x)
            if self.pooling == "mean":
                return mean_of(frames, there)
            return torch.where(there.any(2), frames.masked_fill(~there, -torch.inf).amax(2), 0.0)
        frames = self.frames(x)
        return frames.mean(2) if self.pooling == "mean" else frames.amax(2)
