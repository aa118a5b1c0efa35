"""Views of table rows: corruption from the training marginals, mixup and masking, on whole batches."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy import rng
from isotropy.errors import UserError
from isotropy.validation import at_least, per_view
from isotropy.views.multiview import RandomViews

_PARTNER, _PARAMETERS = range(2)  # the first columns of a view's draw


class TableViews(RandomViews):
    """Random views of table rows.

    In this order: corruption, mixup, masking; other rows come from `values`, never from the batch. The defaults are
    those of SCARF: a clean view, and one with 60% of the columns corrupted (Bahri et al., ICLR 2022, section 3).

    Args:
        values: (N, D) float32, the training rows as stored: numeric columns, then categories as codes. Drawing is
            fastest where they are on the device of the rows.
        numeric: how many of the columns are numeric.
        index: (M,) int64, which of `values` are the training rows; None for all.
        num_views: how many views a sample gets.
        corrupt: fraction of the columns (the whole number below, at least one unless it is 0; chosen at random per row)
            whose value is replaced by that of a training row drawn for this cell, so from the column's marginal.
        mixup: a of l ~ Beta(a, a), 0 for none: a row becomes m x + (1 - m) x' with a training row x' and
            m = max(l, 1 - l); a category is that of x' with probability 1 - m.
        mask: probability that a cell is hidden: a number becomes 0 (the mean), a category code 0 (unknown).

    Every setting but the first three is one number for all views or one per view.

    Example:
        >>> views = TableViews(values=torch.eye(4), numeric=4, corrupt=[0.0, 0.5])
        >>> clean, corrupted = views.make(torch.eye(4), torch.arange(4), seed=0, pass_=0)
        >>> torch.equal(clean, torch.eye(4))
        True
    """

    name = "table views"

    def __init__(
        self,
        *,
        values: Tensor,
        numeric: int,
        index: Tensor | None = None,
        num_views: int = 2,
        corrupt: float | Sequence[float] = (0.0, 0.6),
        mixup: float | Sequence[float] = 0.0,
        mask: float | Sequence[float] = 0.0,
    ) -> None:
        if values.ndim != 2 or len(values) == 0 or not 0 <= numeric <= values.shape[1]:
            raise UserError(f"table views: values {tuple(values.shape)} are no rows with {numeric} numeric columns")
        self.values = values
        self.numeric = numeric
        self.index = None if index is None else index.to(values.device)
        at_least(1, num_views=num_views)
        self.count = num_views
        self.corrupt = per_view("corrupt", corrupt, num_views)
        self.mixup = per_view("mixup", mixup, num_views, high=math.inf)
        self.mask = per_view("mask", mask, num_views)

    def make(self, x: Tensor, index: Tensor, *, seed: int, pass_: int) -> list[Tensor]:
        """Return the views, each (B, D) float32, of rows `x` (B, D) float32 as stored."""
        if x.ndim != 2 or x.shape[1] != self.values.shape[1]:
            raise UserError(f"table views: rows {tuple(x.shape)}, but values {tuple(self.values.shape)}")
        index = index.to(x.device)
        return [self._view(x, rng.keys(seed, pass_, view, index), view) for view in range(self.count)]

    def _cells(self, rows: Tensor, columns: Tensor | slice) -> Tensor:
        """Return cells of training rows, by number among these, on the device of `rows`."""
        place = self.values.device
        own = rows.to(place) if self.index is None else self.index[rows.to(place)]
        return self.values[own, columns.to(place) if isinstance(columns, Tensor) else columns].to(rows.device)

    def _view(self, x: Tensor, keys: Tensor, view: int) -> Tensor:
        rows, width = len(self.values if self.index is None else self.index), self.values.shape[1]
        # Columns: the parameters, which cells are corrupted, by which rows, then (16 bits each) mixed, masked cells.
        order, donors = _PARAMETERS, _PARAMETERS + width
        mixed = donors + width
        masked = mixed + rng.words_for(width + 1)
        if self.corrupt[view] > 0:
            corrupted = max(1, math.floor(self.corrupt[view] * width))
            words = rng.bits(keys, 2 * width, start=order)
            # A donor belongs to a column, so which cells are chosen matters and their order does not: no full sort.
            chosen = words[:, :width].topk(corrupted, dim=1, largest=False, sorted=False).indices
            donor = rng.integers(words[:, width:], rows).gather(1, chosen)
            x = x.scatter(1, chosen, self._cells(donor, chosen))
        if self.mixup[view] > 0:
            partner = self._cells(rng.integers(rng.bits(keys, 1, start=_PARTNER)[:, 0], rows), slice(None))
            halves = rng.halves(keys, width + 1, start=mixed)
            x = self._mix(x, partner, halves, self.mixup[view])
        if self.mask[view] > 0:
            x = x.masked_fill(rng.masks(rng.halves(keys, width, start=masked), self.mask[view]), 0.0)
        return x

    def _mix(self, x: Tensor, partner: Tensor, halves: Tensor, a: float) -> Tensor:
        drawn = rng.betas(halves[:, :1], a, a)
        own = torch.maximum(drawn, 1 - drawn)
        numbers = partner[:, : self.numeric] + own * (x[:, : self.numeric] - partner[:, : self.numeric])
        # A 16-bit number below 65536 m keeps the row's own category.
        keep = halves[:, 1 + self.numeric :].to(torch.float32) < own * 65536 - 32768
        codes = torch.where(keep, x[:, self.numeric :], partner[:, self.numeric :])
        return torch.cat([numbers, codes], 1)
