"""Sums over samples: they add up over batches and over ranks, so that what is computed from them is exact there too."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

Total = Callable[[Tensor], Tensor]


class Additive:
    """Base of dataclasses whose fields are float64 tensors, each a sum over samples."""

    def __add__(self, other: Self) -> Self:
        """Return the sums of both sets of samples."""
        return type(self)(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def over_ranks(self, total: Total) -> Self:
        """Return the sums over all ranks; `total` adds one vector up over them, and is called once."""
        mine = list(vars(self).values())
        packed = total(torch.cat([field.flatten() for field in mine])).split([field.numel() for field in mine])
        return type(self)(*(part.view_as(field) for part, field in zip(packed, mine, strict=True)))
