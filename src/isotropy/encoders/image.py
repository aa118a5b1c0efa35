"""Encoders for images (B, channels, height, width)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder
from isotropy.errors import UserError
from isotropy.validation import at_least

# The least side of an image, and the least that is halved three times.
LEAST, THREE_HALVINGS = 8, 16


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a skip connection (He et al. 2016, figure 5, left)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(inner)) + self.skip(x))


class SmallResNet(Encoder):
    """A small residual network for images of about 28 to 64 pixels; takes any size from 8.

    A 3x3 stem at full size, three stages that each halve the size and double the channels (the first keeps the
    size of images below 16 pixels), a 1x1 convolution to the width, and the mean over the pixels that are left.
    0.4 million weights with the defaults; a training step on 512 images of 28 pixels takes a fraction of a second
    on two processor cores.

    Args:
        channels: of the images.
        size: (height, width) that it is made for; others work too.
        width: length of the output vector.
        stem: channels of the stem; the stages have 2, 4 and 8 times as many.
        blocks: residual blocks per stage.

    Raises:
        UserError: where a number is too small, or the images are below 8 pixels.

    Example:
        >>> SmallResNet(channels=1, size=(28, 28))(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 256])
    """

    modality = "image"
    convolutional = True

    def __init__(
        self, *, channels: int, size: Sequence[int], width: int = 256, stem: int = 16, blocks: int = 1
    ) -> None:
        super().__init__()
        at_least(1, channels=channels, width=width, stem=stem, blocks=blocks)
        if min(size) < LEAST:
            shown = "x".join(map(str, size))
            raise UserError(f"images of {shown}: small_resnet takes images from {LEAST}x{LEAST} pixels: enlarge them")
        self.arguments = {
            "channels": channels,
            "size": list(size),
            "width": width,
            "stem": stem,
            "blocks": blocks,
        }
        self.width = width
        layers: list[nn.Module] = [
            nn.Conv2d(channels, stem, 3, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
        ]
        # Three halvings of 8 pixels would leave one: its 3x3 convolutions would see nothing but padding around it.
        for before, stride in ((stem, 1 if min(size) < THREE_HALVINGS else 2), (2 * stem, 2), (4 * stem, 2)):
            layers.append(_BasicBlock(before, 2 * before, stride=stride))
            layers += [_BasicBlock(2 * before, 2 * before, stride=1) for _ in range(blocks - 1)]
        layers += [nn.Conv2d(8 * stem, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for images (B, channels, height, width)."""
        return self.layers(x).mean(dim=(2, 3))
