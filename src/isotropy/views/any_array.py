"""Views of arrays of any shape: blocks of them are hidden."""

import torch
from torch import Tensor

from isotropy import rng
from isotropy.errors import UserError
from isotropy.validation import at_least, fraction, nonnegative
from isotropy.views.multiview import RandomViews


class ArrayViews(RandomViews):
    """Random views of arrays (B, channels, ...), of which nothing is known: blocks are hidden, and noise is added.

    Args:
        num_views: how many views a sample gets.
        mask: probability that a block is hidden (0, the mean of its channel), in [0, 1).
        block: its side along every axis behind the channels; of rows with one axis, single numbers are hidden.
        jitter: standard deviation of the noise, where that of the data is 1.

    Example:
        >>> views = ArrayViews(mask=0.5, block=2)
        >>> [tuple(view.shape) for view in views.make(torch.ones(3, 2, 4, 4, 4), torch.arange(3), seed=0, pass_=0)]
        [(3, 2, 4, 4, 4), (3, 2, 4, 4, 4)]
    """

    name = "array views"

    def __init__(self, *, num_views: int = 2, mask: float = 0.3, block: int = 4, jitter: float = 0.0) -> None:
        at_least(1, num_views=num_views, block=block)
        fraction(mask=mask)
        nonnegative(jitter=jitter)
        self.count, self.mask, self.block, self.jitter = num_views, mask, block, jitter

    def make(self, x: Tensor, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the views, each (B, ...) float32, of rows `x` (B, ...)."""
        if x.ndim < 2 or not x.is_floating_point():
            raise UserError(f"array views: expected numbers (B, ...), got {x.dtype} {tuple(x.shape)}")
        return [self._view(x.float(), rng.keys(seed, pass_, view, index)) for view in range(self.count)]

    def _view(self, x: Tensor, keys: Tensor) -> Tensor:
        grid = [x.shape[1], *(-(-side // self.block) for side in x.shape[2:])]
        cells = torch.Size(grid).numel()
        hidden = rng.masks(rng.halves(keys, cells), self.mask).view(len(x), *grid).to(x.device)
        for axis in range(2, x.ndim):
            hidden = hidden.repeat_interleave(self.block, axis).narrow(axis, 0, x.shape[axis])
        seen = x.masked_fill(hidden, 0.0)
        if self.jitter > 0:
            numbers = x[0].numel()
            noise = rng.normals(rng.halves(keys, numbers, start=rng.words_for(cells))).view(x.shape).to(x)
            seen = seen + self.jitter * noise
        return seen
