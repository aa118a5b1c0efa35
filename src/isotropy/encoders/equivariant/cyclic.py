"""Networks that are equivariant to cyclic shifts: convolutions that go round the end of a series or an image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isotropy.encoders.equivariant.equivariant import Equivariant
from isotropy.encoders.equivariant.space import Translations
from isotropy.errors import UserError
from isotropy.validation import at_least

_REASON = "max-pooling by 2 keeps shifts only where it halves evenly; ask for fewer halvings, or crop or pad the data"


class _Round(nn.Module):
    """Three circular convolutions with batch norm and ReLU; max-pooling by 2 after the first `halvings` of them."""

    def __init__(self, channels: int, width: int, kernel: tuple[int, int], halvings: int) -> None:
        super().__init__()
        widths = (channels, width // 4, width // 2, width)
        padding = tuple(k // 2 for k in kernel)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, kernel, padding=padding, padding_mode="circular", bias=False)  # type: ignore[arg-type]
            for a, b in zip(widths, widths[1:])
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[1:])
        self.pools = [tuple(2 if k > 1 else 1 for k in kernel) if n < halvings else None for n in range(3)]

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            x = torch.relu(norm(convolution(x)))
            if pool is not None:
                x = F.max_pool2d(x, pool)
        return x


class CyclicCNN(Equivariant):
    """A small convolutional network for images on a torus; its base space is the positions of its feature map.

    Three 3x3 convolutions with circular padding, batch norm and ReLU, K / 4, K / 2 and K channels, halved by
    max-pooling. A place of the map is 2^halvings pixels, and shifts by whole places move it exactly.

    Args:
        channels: of the images. size: (height, width).
        width: K, the features at one position; a multiple of 4.
        halvings: 0 to 3; by default as many, up to 2, as divide both sides evenly and leave 4 pixels.
        read: 0 makes `forward` the mean over the positions, b what stands in b x b of them.

    Raises:
        UserError: halvings that break the equivariance (with the measured error), or a number out of its range.

    Example:
        >>> CyclicCNN(channels=1, size=(28, 28)).fibres(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 64, 7, 7])
    """

    modality = "image"
    convolutional = True

    def __init__(
        self, *, channels: int, size: Sequence[int], width: int = 64, halvings: int | None = None, read: int = 0
    ) -> None:
        super().__init__()
        halvings = _checked(width, halvings, list(size), most=2)
        at_least(1, channels=channels)
        self.arguments = {
            "channels": channels,
            "size": list(size),
            "width": width,
            "halvings": halvings,
            "read": read,
        }
        self.layers = _Round(channels, width, (3, 3), halvings)
        side = 2**halvings
        self.base, self.fibre_width, self.read = (
            Translations((size[0] // side, size[1] // side), stride=side),
            width,
            read,
        )
        self._settle(torch.randn(5, channels, *size, generator=torch.Generator().manual_seed(0)), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, H', W') for images (B, channels, height, width)."""
        maps: Tensor = self.layers(x)
        return maps


class CyclicSeriesCNN(Equivariant):
    """A small convolutional network for series that go round their end; its base space is the steps of its map.

    Three convolutions, 7 wide, with circular padding, batch norm and ReLU, K / 4, K / 2 and K channels, halved by
    max-pooling. A place of the map is 2^halvings steps, and shifts by whole places move it exactly.

    Args:
        channels: values per time step. length: steps.
        width: K, the features at one place; a multiple of 4.
        halvings: 0 to 3; by default as many as divide the length evenly and leave 4 places.
        read: 0 makes `forward` the mean over the places, b what stands at b of them.

    Raises:
        UserError: halvings that break the equivariance (with the measured error), or a number out of its range.

    Example:
        >>> CyclicSeriesCNN(channels=9, length=128).fibres(torch.randn(2, 9, 128)).shape
        torch.Size([2, 128, 16])
    """

    modality = "series"
    convolutional = True

    def __init__(
        self, *, channels: int, length: int, width: int = 128, halvings: int | None = None, read: int = 0
    ) -> None:
        super().__init__()
        halvings = _checked(width, halvings, [length], most=3)
        at_least(1, channels=channels)
        self.arguments = {
            "channels": channels,
            "length": length,
            "width": width,
            "halvings": halvings,
            "read": read,
        }
        self.layers = _Round(channels, width, (1, 7), halvings)
        self.base = Translations((length // 2**halvings,), stride=2**halvings)
        self.fibre_width = self.frame_width = width
        self.read = read
        self._settle(torch.randn(5, channels, length, generator=torch.Generator().manual_seed(0)), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, steps) for series (B, channels, length)."""
        maps: Tensor = self.layers(x.unsqueeze(2)).squeeze(2)
        return maps

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, width, steps): the feature map, whose places stand along time."""
        return self.fibres(x)


def _checked(width: int, halvings: int | None, sides: list[int], *, most: int) -> int:
    """Return the number of halvings, chosen by the sides where not said."""
    at_least(1, width=width)
    if width % 4:
        raise UserError(f"width = {width}: the layers have a quarter, a half and all of it; give a multiple of 4")
    if halvings is None:
        halvings = 0
        while halvings < most and all(side % 2 ** (halvings + 1) == 0 for side in sides):
            if min(sides) // 2 ** (halvings + 1) < 4:
                break
            halvings += 1
    at_least(0, halvings=halvings)
    if halvings > 3 or min(sides) < 2**halvings:
        raise UserError(f"halvings = {halvings}: there are three layers, and a side of {min(sides)}")
    return halvings
