"""Encoders for images (B, channels, height, width)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder
from isotropy.errors import UserError
from isotropy.validation import at_least

# The least side of an image, and the least that is halved three times.
LEAST, THREE_HALVINGS = 8, 16
VIEW_SHARE = 5 / 8


def _conv(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> nn.Module:
    return nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with norms around a skip connection (He et al. 2016, figure 5, left).

    Args:
        before, after, stride: channels of its input and of its output; the output's sides are smaller by the stride.
        conv, norm: make a convolution of (before, after, kernel=, stride=), and a norm of so many channels.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        stride: int = 1,
        conv: Callable[..., nn.Module] = _conv,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        self.first, self.first_norm = conv(before, after, stride=stride), norm(after)
        self.second, self.second_norm = conv(after, after), norm(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(conv(before, after, kernel=1, stride=stride), norm(after))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, for an input (B, before, ...)."""
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(inner)) + self.skip(x))


class SmallResNet(Encoder):
    """A small residual network for images of about 28 to 64 pixels; takes any size from 8.

    A 3x3 convolution to `stem` channels at full size, three stages of `blocks` residual blocks that each halve the size
    and double the channels (the first keeps the size of images below 16 pixels), a 1x1 convolution to the width, and
    the mean over the pixels that are left.

    It is trained on views of five eighths of the images' sides, of 16 pixels at least: a step takes half the time, and
    in a view of that size things are about as large as in the whole image, which is what is embedded (Touvron et al.,
    Fixing the Train-Test Resolution Discrepancy, NeurIPS 2019, section 3).

    Example:
        >>> SmallResNet(channels=1, size=(28, 28))(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 256])
    """

    modality = "image"
    convolutional = True

    def __init__(
        self, *, channels: int, size: Sequence[int], width: int = 256, stem: int = 16, blocks: int = 1
    ) -> None:
        super().__init__(channels=channels, size=list(size), width=width, stem=stem, blocks=blocks)
        at_least(1, channels=channels, width=width, stem=stem, blocks=blocks)
        if min(size) < LEAST:
            shown = "x".join(map(str, size))
            raise UserError(f"images of {shown}: small_resnet takes images from {LEAST}x{LEAST} pixels: enlarge them")
        self.width = width
        layers: list[nn.Module] = [_conv(channels, stem), nn.BatchNorm2d(stem), nn.ReLU()]
        # Three halvings of 8 pixels would leave one: its 3x3 convolutions would see nothing but padding around it.
        for before, stride in ((stem, 1 if min(size) < THREE_HALVINGS else 2), (2 * stem, 2), (4 * stem, 2)):
            layers.append(BasicBlock(before, 2 * before, stride=stride))
            layers += [BasicBlock(2 * before, 2 * before) for _ in range(blocks - 1)]
        layers += [_conv(8 * stem, width, kernel=1), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def view_size(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return five eighths of the sides, 16 pixels at least, of images that are larger."""
        return tuple(min(side, max(THREE_HALVINGS, round(VIEW_SHARE * side))) for side in size)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for images (B, channels, height, width)."""
        return self.layers(x).mean(dim=(2, 3))
