"""Encoders for tables. A row is a float vector: numeric columns, then a code (0 to cardinality - 1) per category."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder, hide
from isotropy.nn.mlp import mlp
from isotropy.validation import at_least, fraction


def _places(numeric: int, categories: Sequence[int], first: int) -> Tensor:
    """Return where each category column's block of codes begins, the first at `first`; the columns are checked."""
    at_least(0, numeric=numeric)
    for cardinality in categories:
        at_least(1, categories=cardinality)
    at_least(1, columns=numeric + len(categories))
    return torch.tensor(list(accumulate(categories, initial=first))[:-1], dtype=torch.int64)


class OneHot(nn.Module):
    """Expands the category codes of a row: (B, numeric + c) -> (B, numeric + sum of cardinalities).

    Example:
        >>> OneHot(1, [2, 3])(torch.tensor([[0.5, 1.0, 2.0]]))
        tensor([[0.5000, 0.0000, 1.0000, 0.0000, 0.0000, 1.0000]])
    """

    places: Tensor

    def __init__(self, numeric: int, categories: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("places", _places(numeric, categories, first=numeric), persistent=False)
        self.numeric = numeric
        self.width = numeric + sum(categories)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows `x` with every code as ones and zeros."""
        if len(self.places) == 0:
            return x
        wide = x.new_zeros(x.shape[0], self.width)
        wide[:, : self.numeric] = x[:, : self.numeric]
        return wide.scatter_(1, x[:, self.numeric :].long() + self.places, 1.0)


class TableMLP(Encoder):
    """A perceptron of `depth` linear layers, `hidden` wide inside, with ReLU between them, on the one-hot row.

    With the defaults (in -> 256 -> 256 -> 256 -> 256) it is the Income encoder of LFR (Sui et al. 2024, appendix).

    Example:
        >>> TableMLP(numeric=2, categories=[4])(torch.zeros(8, 3)).shape
        torch.Size([8, 256])
    """

    modality = "table"
    fast_in_bf16 = True

    def __init__(
        self, *, numeric: int, categories: Sequence[int] = (), width: int = 256, hidden: int = 256, depth: int = 4
    ) -> None:
        super().__init__(numeric=numeric, categories=list(categories), width=width, hidden=hidden, depth=depth)
        at_least(1, width=width, hidden=hidden, depth=depth)
        self.width = width
        self.expand = OneHot(numeric, categories)
        self.layers = mlp((self.expand.width, *[hidden] * (depth - 1), width), norm=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for rows (B, numeric + categories)."""
        return self.layers(self.expand(x))


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.widen = nn.Linear(width, 2 * width)
        self.drop = nn.Dropout(dropout)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.drop(torch.relu(self.widen(self.norm(x)))))


class TableResNet(Encoder):
    """A residual perceptron with batch norm, and a learned embedding for every category column.

    Each of `depth` blocks is x + Linear(dropout(ReLU(Linear(BatchNorm(x))))), twice as wide inside; `dropout` is the
    fraction of these units that is dropped in training. Gorishniy et al., "Revisiting Deep Learning Models for Tabular
    Data" (2021), section 3.2.

    Example:
        >>> TableResNet(numeric=2, categories=[4])(torch.zeros(8, 3)).shape
        torch.Size([8, 256])
    """

    modality = "table"
    fast_in_bf16 = True
    places: Tensor

    def __init__(
        self, *, numeric: int, categories: Sequence[int] = (), width: int = 256, depth: int = 3, dropout: float = 0.0
    ) -> None:
        super().__init__(numeric=numeric, categories=list(categories), width=width, depth=depth, dropout=dropout)
        at_least(1, width=width, depth=depth)
        fraction(dropout=dropout)
        self.register_buffer("places", _places(numeric, categories, first=0), persistent=False)
        self.width, self.numeric = width, numeric
        self.numbers = nn.Linear(numeric, width) if numeric else None
        # The sum of one embedding per column is what a linear layer on the one-hot row computes, but a lookup costs
        # the same whatever the cardinality.
        self.codes = nn.EmbeddingBag(sum(categories), width, mode="sum") if categories else None
        if self.codes is not None:
            nn.init.normal_(self.codes.weight, std=(numeric + len(categories)) ** -0.5)
        self.blocks = nn.Sequential(*[_ResidualBlock(width, dropout) for _ in range(depth)])
        self.norm = nn.BatchNorm1d(width)

    def drop_units(self, fraction: float) -> None:
        """Hide this fraction of the units inside every block in training, unless `dropout` says how many."""
        hide(self.blocks, self.arguments["dropout"] or fraction)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for rows (B, numeric + categories)."""
        state = x.new_zeros(()) if self.numbers is None else self.numbers(x[:, : self.numeric])
        if self.codes is not None:
            state = state + self.codes(x[:, self.numeric :].long() + self.places)
        return torch.relu(self.norm(self.blocks(state)))
