"""Prototypes (SwAV), which are also a weight-normalised last layer of gain 1 (DINO)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isotropy.errors import UserError
from isotropy.objectives.rows import l2_normalize


class Prototypes(nn.Module):
    """K directions, learnt; unit rows (B, width) get their cosines (B, K) with them.

    Only the direction of a weight row counts: it is divided by its length here, in every forward pass. SwAV's
    authors renormalise the weights themselves after each step instead; then a method would write parameters
    outside the optimiser, a frozen layer would move by a rounding, and momentum would carry the part that the
    renormalisation takes away. Rows start at length 1, where both have the same gradient. A weight
    normalisation whose gain stays 1 (DINO) is this layer too.

    Args:
        width: length of the rows.
        count: K, at least 2.

    Raises:
        UserError: fewer than two directions.

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
