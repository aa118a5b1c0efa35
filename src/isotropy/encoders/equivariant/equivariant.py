"""What every equivariant encoder offers, and how it measures its own equivariance."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder
from isotropy.encoders.equivariant.space import BaseSpace
from isotropy.errors import UserError
from isotropy.validation import at_least

# Largest relative error, in float64, of an encoder whose equivariance is exact: rounding leaves 1e-15.
EXACT = 1e-9


class Equivariant(Encoder):
    """An encoder whose features are a function on a base space; `forward` averages or crops it.

    Attributes:
        base: the base space.
        fibre_width: K, the features per position: the argument `width` of its class.
        read: 0 makes the vector the mean over the base space (K long, and the same for a transformed input where the
            base space is a cyclic group), b the crop of b positions per axis at the origin (K b^axes long).
        equivariance_error: the relative error of (E) on a random input, measured at construction. An encoder whose
            layers break an exact equivariance is refused with it.
    """

    layers: nn.Module
    base: BaseSpace
    fibre_width: int
    read: int
    equivariance_error: float

    def fibres(self, x: Tensor) -> Tensor:
        """Return the feature map (B, fibre_width, *base.shape)."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width): the mean over the base space, or the crop at the origin."""
        maps = self.fibres(x)
        if not self.read:
            return maps.flatten(2).mean(dim=2)
        return self.base.crop(maps, self.base.origin(self.read).expand(x.shape[0], -1), self.read)

    def _settle(self, base: BaseSpace, width: int, read: int, example: Tensor, *, reason: str = "") -> None:
        """Set the attributes and measure the error on `example`; `reason` says what breaks an exact equivariance."""
        at_least(0, read=read)
        if read:
            base.check(read)
        self.base, self.fibre_width, self.read = base, width, read
        self.width = width * (read or 1) ** len(base.shape)
        self.equivariance_error = equivariance_error(self, example)
        if base.exact and self.equivariance_error > EXACT:
            raise UserError(
                f"{type(self).__name__} is not equivariant with these layers (relative error "
                f"{self.equivariance_error:.1g}): {reason}"
            )


def example_of(*shape: int) -> Tensor:
    """Return standard normal inputs of this shape, always the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def check_width(width: int) -> None:
    """Raise a UserError unless the width is a multiple of 4, for networks of three layers or stages."""
    at_least(1, width=width)
    if width % 4:
        raise UserError(f"width = {width}: the layers have a quarter, a half and all of it; give a multiple of 4")


@torch.no_grad()
def equivariance_error(encoder: Equivariant, x: Tensor) -> float:
    """Return the largest difference between both sides of (E), relative to the largest feature.

    Left: inputs `x` (B, ...), each row transformed by another element, cropped at the origin. Right: plain inputs,
    cropped at the offset of that element. In float64, with batch norms in train mode, on a copy.

    Example:
        >>> from isotropy.encoders import C4CNN
        >>> encoder = C4CNN(channels=1, size=(8, 8), width=4)
        >>> equivariance_error(encoder, torch.randn(8, 1, 8, 8)) < 1e-12
        True
    """
    twin, x = deepcopy(encoder).double().train(), x.double()
    base = encoder.base
    offsets = base.offsets(1)
    # One element per row, spread over all of them.
    offset = offsets[torch.linspace(0, len(offsets) - 1, len(x)).round().long()]
    transformed = twin.fibres(base.transformed(x, offset, 1))
    plain = twin.fibres(x)
    left = base.crop(transformed, base.origin(1).expand(x.shape[0], -1), 1)
    right = base.crop(plain, offset, 1)
    return float((left - right).abs().max() / right.abs().max().clamp_min(1e-12))
