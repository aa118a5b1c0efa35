"""A block of an embedding's columns: standardised, rotated where they are many, and of one total variance."""

from typing import Self

import torch
from torch import Tensor, nn

from isotropy.batch import spread_out

WIDEST = 256  # columns of a block
_AXIS_ROWS = 2048  # of which principal axes are found


class Block(nn.Module):
    """Columns standardised, rotated to at most 256 principal axes where they are more, of one total variance.

    Args:
        mean: (F,) of the training rows. axes: (F, K), or (F,) where columns are scaled only.

    Example:
        >>> x = torch.randn(50, 3) * torch.tensor([9.0, 1.0, 0.0])
        >>> float(Block.learn(x)(x).var(0, correction=0).sum().round(decimals=4))
        1.0
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)

    @property
    def width(self) -> int:
        """How many columns come out."""
        return self.axes.shape[-1]

    @classmethod
    def learn(cls, x: Tensor, *, weight: float = 1.0, one_scale: bool = False) -> Self:
        """Learn on features (n, F) of training rows.

        Args:
            x: the features. weight: the square root of the total variance that comes out.
            one_scale: whether columns are left as they are beside each other, not standardised.
        """
        mean, scale = moments(x)
        if one_scale:
            scale = (scale > 0).float()
        z = (x - mean) * scale
        axes = scale
        if z.shape[1] > WIDEST:
            axes = _principal(z[spread_evenly(len(z), _AXIS_ROWS)])
            z, axes = z @ axes, scale[:, None] * axes
        return cls(mean, axes * (weight / z.var(0, correction=0).sum().clamp(min=1e-12).sqrt()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block (B, K) of features (B, F)."""
        x = x.to(self.mean.device) - self.mean
        # In float64: sums that threads and processors add up in other orders then round to the same float32.
        return x * self.axes if self.axes.ndim == 1 else (x.double() @ self.axes.double()).float()


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and one over the deviation of each column (0 where it is constant)."""
    y = x.double()
    mean, spread = y.mean(0), y.std(0, correction=0)
    scale = torch.where(spread > 1e-6 * (1e-6 + mean.abs()), 1 / spread.clamp(min=1e-30), 0.0)
    return mean.float(), scale.float()


def _principal(z: Tensor) -> Tensor:
    """Return at most 256 principal axes (F, K) of centred rows (n, F), the leading ones."""
    narrow = len(z) < z.shape[1]
    values, vectors = torch.linalg.eigh(z @ z.T if narrow else z.T @ z)
    kept = torch.argsort(values, descending=True)[:WIDEST]
    kept = kept[values[kept] > 1e-6 * values.max()]
    return z.T @ (vectors[:, kept] / values[kept].sqrt()) if narrow else vectors[:, kept]


def spread_evenly(count: int, most: int) -> Tensor:
    """Return at most `most` row numbers, evenly spread."""
    return torch.from_numpy(spread_out(count, most))
