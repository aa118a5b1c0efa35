"""Tables by piecewise-linear embeddings: a learned vector at each quantile of a number, and lines in between."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import pi
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isotropy.encoders.encoder import Encoder, hide
from isotropy.errors import UserError
from isotropy.validation import at_least

# Of a column of which nothing is known: the deciles of a standardised one.
_STANDARD = [NormalDist().inv_cdf(share) for share in (0.01, *(tenth / 10 for tenth in range(1, 10)), 0.99)]
# Seconds of a day, a week and a year.
_PERIODS = (86_400.0, 604_800.0, 31_556_952.0)
# Outside the training range a line goes on as far as this many times its last piece, then no farther.
_BEYOND = 1.0

# Up to so many vectors their gradient in bf16 is a product with the weights laid out; of more, that costs more.
_DENSE = 4096

Numbers = Sequence[Mapping[str, Any]]


class _WeightedRows(torch.autograd.Function):
    """Weighted sums of rows of a table, (B, width), whose gradient takes less time than torch's own.

    Under autocast to bf16 it is one product. Otherwise the gradient of each row is looked up as the row was: it is the
    weighted sum of the gradients of the outputs that the row is in.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        kind = table.device.type
        ctx.low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        ctx.rows = len(table)
        ctx.save_for_backward(places, weights)
        return functional.embedding_bag(places, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        places, weights = ctx.saved_tensors
        if ctx.low is not None and ctx.rows <= _DENSE:
            laid_out = weights.new_zeros(len(weights), ctx.rows, dtype=ctx.low)
            laid_out.scatter_add_(1, places, weights.to(ctx.low))
            product = laid_out.T @ gradient.to(ctx.low)
            return product.to(gradient.dtype), None, None
        ordered, order = places.flatten().sort(stable=True)
        starts = torch.searchsorted(ordered, torch.arange(ctx.rows, device=ordered.device))
        outputs, weights = order // places.shape[1], weights.flatten()[order]
        summed = functional.embedding_bag(outputs, gradient, starts, mode="sum", per_sample_weights=weights)
        return summed, None, None


class Knots(nn.Module):
    """The place of numbers between the quantiles of their columns.

    Args:
        numbers: of each column: "edges", increasing, at least one; perhaps "tail", the median and the scale about which
            the column is read by its signed logarithm, and "missing", the column that is 1 where it has no value.
        bins: at most so many pieces a column; of more edges some are left out, evenly.

    Example:
        >>> knots = Knots([{"edges": [0.0, 1.0, 3.0]}])
        >>> piece, along, there = knots(torch.tensor([[0.5], [2.0], [torch.nan]]))
        >>> piece[:, 0].tolist(), along[:2, 0].tolist(), there[:, 0].tolist()
        ([0, 1, 0], [0.5, 0.5], [True, True, False])
    """

    inner: Tensor
    low: Tensor
    scale: Tensor
    tail: Tensor
    tailed: Tensor
    flags: Tensor
    pieces: Tensor

    def __init__(self, numbers: Numbers, bins: int = 32) -> None:
        super().__init__()
        tails = [column.get("tail") or (0.0, 1.0) for column in numbers]
        tailed = [bool(column.get("tail")) for column in numbers]
        edges = []
        for column, tail, is_tailed in zip(numbers, tails, tailed, strict=True):
            kept = _thinned(column.get("edges") or _STANDARD, bins)
            exact = torch.tensor(kept, dtype=torch.float64)
            edges.append(_signed_log(exact, *tail) if is_tailed else exact)
        self.counts = [len(kept) for kept in edges]
        most = max([2, *self.counts])
        low, scale = torch.zeros(len(edges), most - 1), torch.zeros(len(edges), most - 1)
        inner = torch.full((len(edges), most - 2), torch.inf)
        for place, own in enumerate(edges):
            steps = own.diff()
            low[place, : len(steps)], scale[place, : len(steps)] = own[:-1], 1 / steps
            inner[place, : len(own[1:-1])] = own[1:-1]
        with_flag = [(place, column["missing"]) for place, column in enumerate(numbers) if "missing" in column]
        buffers = {
            "inner": inner,
            "low": low,
            "scale": scale,
            "tail": torch.tensor(tails, dtype=torch.float32).view(-1, 2),
            "tailed": torch.tensor(tailed, dtype=torch.bool),
            "flags": torch.tensor(with_flag, dtype=torch.int64).view(-1, 2).T.contiguous(),
            "pieces": torch.tensor([max(count - 1, 1) for count in self.counts], dtype=torch.float32),
        }
        for name, values in buffers.items():
            self.register_buffer(name, values, persistent=False)
        self.any_tail = any(tailed)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return of numbers (B, F): which piece each lies on (int64), how far along it (0 to 1), and which are there.

        A number is not there where it is NaN or where its column of "missing" is above 0.
        """
        there = ~x.isnan()
        if self.flags.shape[1]:
            place, flag = self.flags
            there[:, place] &= ~(x[:, flag] > 0)
        x = x.nan_to_num(0.0)
        if self.any_tail:
            x = torch.where(self.tailed, _signed_log(x, self.tail[:, 0], self.tail[:, 1]), x)
        columns = x.T.contiguous()
        piece = torch.searchsorted(self.inner.to(x.dtype), columns, right=True)
        along = (columns - self.low.gather(1, piece)) * self.scale.gather(1, piece)
        return piece.T, along.clamp(-_BEYOND, 1 + _BEYOND).T, there

    def ranks(self, x: Tensor) -> Tensor:
        """Return numbers (B, F) as quantiles of the training rows: about uniform, with the mean 0 and the variance 1.

        What is not there is 0.
        """
        piece, along, there = self(x)
        share = (piece + along.clamp(0, 1)) / self.pieces
        return (share - 0.5) * (12**0.5) * there


def _thinned(edges: Sequence[float], bins: int) -> list[float]:
    if not len(edges) or any(right <= left for left, right in zip(edges, edges[1:])):
        raise UserError("the edges of a numeric column must be one or more increasing numbers")
    if len(edges) <= bins + 1:
        return list(edges)
    return [edges[round(step * (len(edges) - 1) / bins)] for step in range(bins + 1)]


def _signed_log(x: Tensor, middle: Any, scale: Any) -> Tensor:
    away = (x - middle) / scale
    return away.sign() * away.abs().log1p()


class TableQuantiles(Encoder):
    """A residual perceptron on piecewise-linear embeddings of numbers and learned vectors of categories.

    A number is a point on a line of `width` dimensions with a learned knot at each quantile of its column; this is a
    linear layer on the piecewise-linear encoding, but costs two look-ups whatever the number of quantiles. Missing is a
    vector of its own, as is each category; dates have sine and cosine of day, week and year besides. Their sum passes
    `depth` blocks x + Linear(ReLU(Linear(x))), `hidden` wide inside.
    Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (NeurIPS 2022,
    arXiv 2203.05556), section 3.2.

    Args:
        numbers: of each numeric column what `Schema.numbers` says; None for standardised columns of any kind.
        bins: at most so many pieces a column.

    Example:
        >>> TableQuantiles(numeric=2, categories=[4])(torch.zeros(8, 3)).shape
        torch.Size([8, 256])
    """

    modality = "table"
    fast_in_bf16 = True
    hidden_cell = torch.nan
    offsets: Tensor
    absent: Tensor
    steps: Tensor
    dates: Tensor

    def __init__(
        self,
        *,
        numeric: int,
        categories: Sequence[int] = (),
        numbers: Numbers | None = None,
        width: int = 256,
        hidden: int = 256,
        depth: int = 2,
        bins: int = 32,
    ) -> None:
        known = [dict(column) for column in numbers or [{"edges": _STANDARD}] * numeric]
        super().__init__(
            numeric=numeric, categories=list(categories), numbers=known, width=width, hidden=hidden, depth=depth,
            bins=bins,
        )  # fmt: skip
        at_least(0, numeric=numeric)
        for cardinality in categories:
            at_least(1, categories=cardinality)
        at_least(1, columns=numeric + len(categories), width=width, hidden=hidden, depth=depth, bins=bins)
        if len(known) != numeric:
            raise UserError(f"numbers tells of {len(known)} columns, and numeric is {numeric}")
        self.width, self.numeric = width, numeric
        self.knots = Knots(known, bins)
        sizes = [*self.knots.counts, *categories]
        # The last vectors are those of a cell that is not there, one a column.
        starts = list(accumulate(sizes, initial=0))
        buffers = {
            "offsets": torch.tensor(starts[:-1]),
            "absent": torch.arange(len(sizes)) + starts[-1],
            # From a knot to the next; a column of one value has none.
            "steps": torch.tensor([min(count - 1, 1) for count in self.knots.counts], dtype=torch.int64),
        }
        for name, values in buffers.items():
            self.register_buffer(name, values, persistent=False)
        self.vectors = nn.EmbeddingBag(starts[-1] + len(sizes), width, mode="sum")
        self.bias = nn.Parameter(torch.zeros(width))
        with_date = [(place, *column["date"]) for place, column in enumerate(known) if "date" in column]
        dates = torch.tensor(with_date, dtype=torch.float64).view(-1, 3)
        self.register_buffer("dates", dates, persistent=False)
        self.cycles = nn.Linear(len(dates) * 2 * len(_PERIODS), width, bias=False) if len(dates) else None
        self.blocks = nn.ModuleList([_Block(width, hidden) for _ in range(depth)])
        self._draw(self.knots.counts, sizes)

    @torch.no_grad()
    def _draw(self, counts: list[int], sizes: list[int]) -> None:
        """Give every column the same variance: knots are a random walk, categories independent of each other."""
        self.vectors.weight.zero_()
        for place, (start, size) in enumerate(zip(self.offsets.tolist(), sizes, strict=True)):
            drawn = torch.randn(size, self.width)
            if place < len(counts) and size > 1:
                # A walk of T steps of variance 1 has the variance T (T + 2) / 6 (T + 1) about its own mean.
                drawn = drawn.cumsum(0) * (6 * size / (size**2 - 1)) ** 0.5
            self.vectors.weight[start : start + size] = (drawn - drawn.mean(0)) * len(sizes) ** -0.5

    def drop_units(self, fraction: float) -> None:
        """Hide this fraction of the units inside every block in training; none are hidden until this is called."""
        hide(self.blocks, fraction)

    def targets(self, x: Tensor) -> Tensor:
        """Return rows (B, numeric + categories) with numbers as quantiles (`Knots.ranks`): what a decoder must tell."""
        return torch.cat([self.knots.ranks(x[:, : self.numeric]), x[:, self.numeric :]], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for rows (B, numeric + categories); a NaN is a cell of which nothing is known."""
        state = self.embed(x)
        for block in self.blocks:
            state = state + block(state)
        return state

    def embed(self, x: Tensor) -> Tensor:
        """Return the sum over columns of their vectors, (B, width)."""
        piece, along, there = self.knots(x[:, : self.numeric])
        codes = x[:, self.numeric :]
        start = torch.cat([piece, codes.nan_to_num(0.0).long()], 1) + self.offsets
        start_or_absent = torch.where(torch.cat([there, ~codes.isnan()], 1), start, self.absent)
        end = start[:, : self.numeric] + self.steps
        along = along * there
        weights = torch.cat([1 - along, torch.ones_like(codes), along], 1)
        places = torch.cat([start_or_absent, end], 1)
        state: Tensor
        if torch.is_grad_enabled():
            state = _WeightedRows.apply(self.vectors.weight, places, weights)
        else:
            # The same sum: exporters know no functions with a gradient of their own.
            state = self.vectors(places, per_sample_weights=weights)
        state = state + self.bias
        return state if self.cycles is None else state + self.cycles(self._phases(x))

    def _phases(self, x: Tensor) -> Tensor:
        """Return sine and cosine of each date's place in the day, the week and the year, 0 where it is not there."""
        place = self.dates[:, 0].long()
        seconds = x[:, place].double() * self.dates[:, 2].double() + self.dates[:, 1].double()
        angle = (seconds[:, :, None] / seconds.new_tensor(_PERIODS)).frac().mul(2 * pi).flatten(1)
        return torch.cat([angle.sin(), angle.cos()], 1).nan_to_num(0.0).to(x.dtype)


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Linear(width, hidden)
        self.drop = nn.Dropout(0.0)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(self.drop(torch.relu(self.widen(x))))
