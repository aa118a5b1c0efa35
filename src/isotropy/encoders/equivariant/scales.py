"""Networks with an axis of sizes: the same filters at every size, so a larger input moves its features one level up.

The filters of level s are those of level 0 with holes, 2^s apart; the base space is the levels. Resampled inputs make
the equivariance approximate: its error is measured at construction and reported, not refused. Worrall and Welling,
"Deep Scale-spaces" (NeurIPS 2019), for filters with holes; Sosnovik et al. (SESN, ICLR 2020) for the axis.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isotropy.encoders.equivariant.equivariant import Equivariant, example_of
from isotropy.encoders.equivariant.space import Scales
from isotropy.validation import at_least


class _Levels(nn.Module):
    """Three convolutions, with batch norm and ReLU, at every level with the same weights and holes of 2^level."""

    def __init__(self, channels: int, width: int, kernel: tuple[int, int], levels: int) -> None:
        super().__init__()
        widths = (channels, width, width, width)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, kernel, bias=False) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.kernel, self.levels = kernel, levels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, levels) for (B, channels, H, W): the mean over the pixels."""
        maps = [x] * self.levels
        for depth, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            # Wider from layer to layer, as the dilated networks for series are.
            weight: Tensor = convolution.weight  # type: ignore[assignment]
            at_level = [self._at(map_, weight, 2 ** (depth + level)) for level, map_ in enumerate(maps)]
            # One norm over all levels: statistics of one level would change with the input's size.
            joint = torch.relu(norm(torch.cat(at_level, dim=2)))
            maps = list(joint.chunk(self.levels, dim=2))
        return torch.stack([map_.mean(dim=(2, 3)) for map_ in maps], dim=2)

    def _at(self, x: Tensor, weight: Tensor, holes: int) -> Tensor:
        dilation = [holes if k > 1 else 1 for k in self.kernel]
        padding = [d * (k // 2) for d, k in zip(dilation, self.kernel)]
        return F.conv2d(x, weight, padding=padding, dilation=dilation)


class ScaleCNN(Equivariant):
    """A small convolutional network for images with an axis of `levels` (at least 2) sizes, a factor 2 apart.

    Example:
        >>> ScaleCNN(channels=1, size=(28, 28)).fibres(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 64, 3])
    """

    modality = "image"
    convolutional = True

    def __init__(self, *, channels: int, size: Sequence[int], width: int = 64, levels: int = 3, read: int = 0) -> None:
        super().__init__(channels=channels, size=list(size), width=width, levels=levels, read=read)
        at_least(1, channels=channels, width=width)
        at_least(2, levels=levels)
        self.layers = _Levels(channels, width, (3, 3), levels)
        self._settle(Scales(levels, axes=2), width, read, _smooth(levels, channels, *size))


class DilationCNN(Equivariant):
    """A small convolutional network for series with an axis of `levels` (at least 2) speeds, a factor 2 apart.

    Example:
        >>> DilationCNN(channels=9, length=128).fibres(torch.randn(2, 9, 128)).shape
        torch.Size([2, 128, 3])
    """

    modality = "series"
    convolutional = True
    any_length = True

    def __init__(self, *, channels: int, length: int, width: int = 128, levels: int = 3, read: int = 0) -> None:
        super().__init__(channels=channels, length=length, width=width, levels=levels, read=read)
        at_least(1, channels=channels, length=length, width=width)
        at_least(2, levels=levels)
        self.layers = _Levels(channels, width, (1, 7), levels)
        self._settle(Scales(levels, axes=1), width, read, _smooth(levels, channels, length))

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, levels) for series (B, channels, length)."""
        return self.layers(x.unsqueeze(2))


def _smooth(rows: int, channels: int, *sides: int) -> Tensor:
    """Return inputs without detail finer than 8 pixels, which resampling would lose."""
    coarse = example_of(rows, channels, *(max(2, side // 8) for side in sides))
    mode = "bilinear" if len(sides) == 2 else "linear"
    return F.interpolate(coarse, size=sides, mode=mode, align_corners=False)
