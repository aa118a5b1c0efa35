"""Networks that are equivariant to cyclic shifts: convolutions that go round the end of a series or an image.

Three convolutions with circular padding, batch norm and ReLU, K / 4, K / 2 and K channels, halved by max-pooling. A
place of the feature map is 2^halvings pixels or steps, and shifts by whole places move it exactly.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isotropy.encoders.encoder import FrameEncoder
from isotropy.encoders.equivariant.equivariant import Equivariant, check_width, example_of
from isotropy.encoders.equivariant.space import Translations
from isotropy.errors import UserError
from isotropy.validation import at_least

_REASON = "max-pooling by 2 keeps shifts only where it halves evenly; ask for fewer halvings, or crop or pad the data"


class _Round(nn.Module):
    """The three convolutions; max-pooling by 2 after the first `halvings` of them."""

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
    """A small 3x3 convolutional network for images on a torus; its base space is the positions of its feature map.

    Args:
        width: K, a multiple of 4.
        halvings: 0 to 3; by default as many, up to 2, as divide both sides evenly and leave 4 positions.

    Example:
        >>> CyclicCNN(channels=1, size=(28, 28)).fibres(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 64, 7, 7])
    """

    modality = "image"
    convolutional = True

    def __init__(
        self, *, channels: int, size: Sequence[int], width: int = 64, halvings: int | None = None, read: int = 0
    ) -> None:
        halvings = _halvings(halvings, size, most=2)
        super().__init__(channels=channels, size=list(size), width=width, halvings=halvings, read=read)
        at_least(1, channels=channels)
        check_width(width)
        self.layers = _Round(channels, width, (3, 3), halvings)
        stride = 2**halvings
        base = Translations((size[0] // stride, size[1] // stride), stride=stride)
        self._settle(base, width, read, example_of(5, channels, *size), reason=_REASON)


class CyclicSeriesCNN(Equivariant, FrameEncoder):
    """A small convolutional network, 7 wide, for series that go round their end; its base space is its map's steps.

    Args:
        width: K, a multiple of 4.
        halvings: 0 to 3; by default as many as divide the length evenly and leave 4 places.

    Example:
        >>> CyclicSeriesCNN(channels=9, length=128).fibres(torch.randn(2, 9, 128)).shape
        torch.Size([2, 128, 16])
    """

    modality = "series"
    convolutional = True

    def __init__(
        self, *, channels: int, length: int, width: int = 128, halvings: int | None = None, read: int = 0
    ) -> None:
        halvings = _halvings(halvings, [length], most=3)
        super().__init__(channels=channels, length=length, width=width, halvings=halvings, read=read)
        at_least(1, channels=channels)
        check_width(width)
        self.frame_width = width
        self.layers = _Round(channels, width, (1, 7), halvings)
        base = Translations((length // 2**halvings,), stride=2**halvings)
        self._settle(base, width, read, example_of(5, channels, length), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, steps) for series (B, channels, length)."""
        return self.layers(x.unsqueeze(2)).squeeze(2)

    def frames(self, x: Tensor) -> Tensor:
        """Return the feature map (B, width, steps), whose places stand along time."""
        return self.fibres(x)


def _halvings(halvings: int | None, sides: Sequence[int], *, most: int) -> int:
    """Return the number of halvings, chosen by the sides where not said."""
    if halvings is None:
        even = [n for n in range(1, most + 1) if all(side % 2**n == 0 for side in sides) and min(sides) >= 4 * 2**n]
        halvings = max(even, default=0)
    at_least(0, halvings=halvings)
    if halvings > 3 or min(sides) < 2**halvings:
        raise UserError(f"halvings = {halvings}: there are three layers, and a side of {min(sides)}")
    return halvings
