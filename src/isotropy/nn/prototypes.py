"""Prototypes (SwAV), or a weight-normalised last layer of gain 1 (DINO)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.errors import UserError
from isotropy.objectives.rows import l2_normalize


class Prototypes(nn.Module):
    """K = `count` learnt directions, at least 2: unit rows (B, width) get their cosines (B, K) with them.

    Only the direction of a weight counts, which is divided by its length in every forward pass.

    Example:
        >>> Prototypes(3, 5)(functional.normalize(torch.randn(4, 3))).abs().max() <= 1
        tensor(True)
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        if isinstance(count, bool) or not isinstance(count, int) or count < 2:
            raise UserError(f"num_prototypes must be a whole number of at least 2, not {count!r}")
        self.weight = nn.Parameter(functional.normalize(torch.randn(count, width)))

    def directions(self) -> Tensor:
        """Return the unit directions, (K, width)."""
        return l2_normalize(self.weight)

    def forward(self, z: Tensor) -> Tensor:
        """Return the cosines (B, K) of unit rows `z` (B, width) with every direction."""
        return functional.linear(z, self.directions())
