"""Networks for square images that are equivariant to quarter turns (C4), with mirrors too (D4).

Cohen and Welling 2016 for the layers, Keller et al. 2023 (arXiv 2211.08282) for their use.
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from isotropy.encoders.equivariant.equivariant import Equivariant, check_width, example_of
from isotropy.encoders.equivariant.groups import GroupConv, GroupNorm, Lift, halve
from isotropy.encoders.equivariant.space import Rotations
from isotropy.encoders.image import BasicBlock
from isotropy.errors import UserError
from isotropy.validation import at_least

# How a network halves its maps: max-pooling by 2 keeps turns for even sizes, a convolution of stride 2 for odd ones.
HALVINGS = ("pool", "stride")
# No halving leaves fewer pixels than this to a side.
_LEAST = 4
_REASON = (
    "max-pooling by 2 keeps quarter turns for even sizes only, a convolution of stride 2 for odd ones only; leave "
    "halvings out, or crop or pad the images"
)


class C4CNN(Equivariant):
    """A small convolutional network that is equivariant to quarter turns; its base space is the four turns.

    A lifting layer and two group convolutions (3x3, batch norm over the group, ReLU) with K / 4, K / 2 and K fields of
    four orientations each, halved twice between; then the mean over the pixels that are left.

    Args:
        size: (height, width), equal.
        width: K, a multiple of 4.
        halvings: "pool" or "stride" for each; by default two, each as the size asks for, as long as 4 pixels stay.

    Example:
        >>> C4CNN(channels=1, size=(28, 28)).fibres(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 64, 4])
    """

    modality = "image"
    convolutional = True
    layers: nn.ModuleList
    mirrors: ClassVar[bool] = False

    def __init__(
        self,
        *,
        channels: int,
        size: Sequence[int],
        width: int = 64,
        halvings: Sequence[str] | None = None,
        read: int = 0,
    ) -> None:
        halvings = _halvings(size, halvings)
        super().__init__(channels=channels, size=list(size), width=width, halvings=halvings, read=read)
        at_least(1, channels=channels)
        check_width(width)
        group, widths = Rotations(mirrors=self.mirrors), (width // 4, width // 2, width)
        self.pooled, strides = _places(halvings)
        self.layers = nn.ModuleList([Lift(group, channels, widths[0])])
        for before, after, stride in zip(widths, widths[1:], strides[1:]):
            self.layers.append(GroupConv(group, before, after, stride=stride))
        self.norms = nn.ModuleList(GroupNorm(w) for w in widths)
        self._settle(group, width, read, example_of(4, channels, *size), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, orientations) for images (B, channels, height, width)."""
        for layer, norm, pooled in zip(self.layers, self.norms, self.pooled, strict=True):
            x = torch.relu(norm(layer(halve(x) if pooled else x)))
        return x.mean(dim=(3, 4))


class D4CNN(C4CNN):
    """The network of `C4CNN`, equivariant to quarter turns and mirrors; its base space has eight elements.

    Example:
        >>> D4CNN(channels=1, size=(8, 8), width=8).fibres(torch.randn(2, 1, 8, 8)).shape
        torch.Size([2, 8, 8])
    """

    mirrors = True


class C4ResNet(Equivariant):
    """A residual network that is equivariant to quarter turns: a lifting stem and three stages of residual blocks.

    The stages have `blocks` blocks of K / 4, K / 2 and K fields; the maps are halved before the second and the third.
    The other arguments are those of `C4CNN`.

    Example:
        >>> C4ResNet(channels=3, size=(32, 32), width=16).fibres(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 16, 4])
    """

    modality = "image"
    convolutional = True

    def __init__(
        self,
        *,
        channels: int,
        size: Sequence[int],
        width: int = 64,
        blocks: int = 1,
        halvings: Sequence[str] | None = None,
        read: int = 0,
    ) -> None:
        halvings = _halvings(size, halvings)
        super().__init__(channels=channels, size=list(size), width=width, blocks=blocks, halvings=halvings, read=read)
        at_least(1, channels=channels, blocks=blocks)
        check_width(width)
        group, widths = Rotations(mirrors=False), (width // 4, width // 4, width // 2, width)
        self.pooled, strides = _places(halvings)
        self.stem, self.stem_norm = Lift(group, channels, widths[0]), GroupNorm(widths[0])
        block = partial(BasicBlock, conv=partial(GroupConv, group), norm=GroupNorm)
        self.stages = nn.ModuleList()
        for before, after, stride in zip(widths, widths[1:], strides):
            first = block(before, after, stride=stride)
            self.stages.append(nn.Sequential(first, *[block(after, after) for _ in range(blocks - 1)]))
        self._settle(group, width, read, example_of(4, channels, *size), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, 4) for images (B, channels, height, width)."""
        x = torch.relu(self.stem_norm(self.stem(x)))
        for stage, pooled in zip(self.stages, self.pooled, strict=True):
            x = stage(halve(x) if pooled else x)
        return x.mean(dim=(3, 4))


def _halvings(size: Sequence[int], halvings: Sequence[str] | None) -> list[str]:
    """Return how each halving is done; chosen by the parity of the size where not said."""
    if len(size) != 2 or size[0] != size[1]:
        raise UserError(f"images of {'x'.join(map(str, size))}: quarter turns need square images: crop or pad them")
    if halvings is None:
        made: list[str] = []
        side = size[0]
        while len(made) < 2 and side // 2 >= _LEAST:
            made.append("stride" if side % 2 else "pool")
            side = (side + 1) // 2
        return made
    for how in halvings:
        if how not in HALVINGS:
            raise UserError(f"halvings: {how!r} is unknown; valid: {', '.join(HALVINGS)}")
    if len(halvings) > 2:
        raise UserError(f"halvings: {len(halvings)} of them, and there are two places for them")
    return list(halvings)


def _places(halvings: Sequence[str]) -> tuple[list[bool], list[int]]:
    """Return for each of three stages whether it begins with max-pooling, and its stride: the first halves nothing."""
    stages = ["", *halvings, "", ""][:3]
    return [how == "pool" for how in stages], [2 if how == "stride" else 1 for how in stages]
