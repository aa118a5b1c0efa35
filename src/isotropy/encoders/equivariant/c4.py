"""Networks for square images that are equivariant to quarter turns (C4), with mirrors too (D4)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from isotropy.encoders.equivariant.equivariant import Equivariant
from isotropy.encoders.equivariant.groups import GroupConv, GroupNorm, Lift, halve
from isotropy.encoders.equivariant.space import Rotations
from isotropy.errors import UserError
from isotropy.validation import at_least

# How a network halves its maps: max-pooling by 2 keeps turns for even sizes, a convolution of stride 2 for odd ones.
HALVINGS = ("pool", "stride")
# No halving leaves fewer pixels than this to a side.
_LEAST = 4


class C4CNN(Equivariant):
    """A small convolutional network that is equivariant to quarter turns; its base space is the four turns.

    A lifting layer and two group convolutions (3x3, batch norm over the group, ReLU) with K / 4, K / 2 and K fields of
    four orientations each, halved twice between; then the mean over the pixels that are left. Keller et al. 2023
    (arXiv 2211.08282) for its use, Cohen and Welling 2016 for its layers.

    Args:
        channels: of the images. size: (height, width), equal.
        width: K, the features at one orientation; a multiple of 4.
        halvings: "pool" or "stride" for each halving; by default two, each as the size asks for, as long as 4 pixels
            stay.
        read: 0 makes `forward` the mean over the orientations, b what stands at the first b of them.

    Raises:
        UserError: images that are not square, or halvings that break the equivariance (with the measured error).

    Example:
        >>> encoder = C4CNN(channels=1, size=(28, 28))
        >>> x = torch.randn(2, 1, 28, 28)
        >>> encoder.fibres(x).shape, encoder(x).shape
        (torch.Size([2, 64, 4]), torch.Size([2, 64]))
    """

    modality = "image"
    convolutional = True
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
        super().__init__()
        at_least(1, channels=channels, width=width)
        if width % 4:
            raise UserError(f"width = {width}: the layers have a quarter, a half and all of it; give a multiple of 4")
        halvings = _halvings(size, halvings)
        self.arguments = _arguments(channels, size, width, halvings, read)
        self.base, self.fibre_width, self.read = Rotations(mirrors=self.mirrors), width, read
        widths = (width // 4, width // 2, width)
        strides = [1, *(2 if how == "stride" else 1 for how in halvings), 1, 1][:3]
        layers: list[nn.Module] = [Lift(self.base, channels, widths[0])]
        layers += [GroupConv(self.base, a, b, stride=s) for a, b, s in zip(widths, widths[1:], strides[1:])]
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(GroupNorm(w) for w in widths)
        self.pooled = [how == "pool" for how in halvings] + [False] * (3 - len(halvings))
        self._settle(_example(channels, size), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, orientations) for images (B, channels, height, width)."""
        for layer, norm, pooled in zip(self.layers, self.norms, self.pooled, strict=True):
            x = torch.relu(norm(layer(x)))
            if pooled:
                x = halve(x)
        return x.mean(dim=(3, 4))


class D4CNN(C4CNN):
    """The same network, equivariant to quarter turns and mirrors; its base space has eight elements.

    See `C4CNN` for its layers and arguments.

    Example:
        >>> D4CNN(channels=1, size=(8, 8), width=8).fibres(torch.randn(2, 1, 8, 8)).shape
        torch.Size([2, 8, 8])
    """

    mirrors = True


class _Block(nn.Module):
    """Two group convolutions with group norms around a skip connection."""

    def __init__(self, group: Rotations, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = GroupConv(group, before, after, stride=stride), GroupNorm(after)
        self.second, self.second_norm = GroupConv(group, after, after), GroupNorm(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(GroupConv(group, before, after, kernel=1, stride=stride), GroupNorm(after))

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(inner)) + self.skip(x))


class C4ResNet(Equivariant):
    """A residual network that is equivariant to quarter turns: a lifting stem and three stages of residual blocks.

    The layers of `C4CNN`, in the blocks of He et al. 2016 (figure 5, left); the stages have K / 4, K / 2 and K
    fields, and the maps are halved before the second and the third.

    Args:
        channels: of the images. size: (height, width), equal.
        width: K, the features at one orientation; a multiple of 4.
        blocks: residual blocks per stage.
        halvings: "pool" or "stride" for each halving; by default two, each as the size asks for.
        read: 0 makes `forward` the mean over the orientations, b what stands at the first b of them.

    Raises:
        UserError: images that are not square, or halvings that break the equivariance (with the measured error).

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
        super().__init__()
        at_least(1, channels=channels, width=width, blocks=blocks)
        if width % 4:
            raise UserError(f"width = {width}: the stages have a quarter, a half and all of it; give a multiple of 4")
        halvings = _halvings(size, halvings)
        self.arguments = _arguments(channels, size, width, halvings, read) | {"blocks": blocks}
        self.base, self.fibre_width, self.read = Rotations(mirrors=False), width, read
        stem = width // 4
        self.stem, self.stem_norm = Lift(self.base, channels, stem), GroupNorm(stem)
        self.stages = nn.ModuleList()
        for stage, (before, after) in enumerate(((stem, stem), (stem, width // 2), (width // 2, width))):
            halved = halvings[stage - 1] if 0 < stage <= len(halvings) else ""
            made: list[nn.Module] = [_Block(self.base, before, after, 2 if halved == "stride" else 1)]
            made += [_Block(self.base, after, after, 1) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*made))
        self.pooled = [False] + [how == "pool" for how in halvings] + [False] * (2 - len(halvings))
        self._settle(_example(channels, size), reason=_REASON)

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, 4) for images (B, channels, height, width)."""
        x = torch.relu(self.stem_norm(self.stem(x)))
        for stage, pooled in zip(self.stages, self.pooled, strict=True):
            x = stage(halve(x) if pooled else x)
        return x.mean(dim=(3, 4))


_REASON = (
    "max-pooling by 2 keeps quarter turns for even sizes only, a convolution of stride 2 for odd ones only; leave "
    "halvings out, or crop or pad the images"
)


def _halvings(size: Sequence[int], halvings: Sequence[str] | None) -> list[str]:
    """Return how each halving is done; chosen by the parity of the size where not said."""
    shown = "x".join(map(str, size))
    if len(size) != 2 or size[0] != size[1]:
        raise UserError(f"images of {shown}: quarter turns need square images: crop or pad them")
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


def _arguments(
    channels: int, size: Sequence[int], width: int, halvings: list[str], read: int
) -> dict[str, int | list[int] | list[str]]:
    return {"channels": channels, "size": list(size), "width": width, "halvings": halvings, "read": read}


def _example(channels: int, size: Sequence[int]) -> Tensor:
    return torch.randn(4, channels, *size, generator=torch.Generator().manual_seed(0))
