"""Rows together, and which of their values are there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map_only

from isotropy.errors import UserError

# Memory that a part takes where nobody says how many rows it has.
PART_BYTES = 1 << 27


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of which not every value is there: unequal series, padded, or with missing values.

    Data without a mask are plain tensors everywhere; what takes rows takes either, and never pairs of them.

    Args:
        values: (B, ...); what stands where the mask is False must change nothing.
        mask: booleans of the shape of `values`, True where a value is there; None for everywhere.

    Raises: UserError for a mask of another shape or type.

    Example:
        >>> batch = Batch(torch.zeros(3, 1, 5), torch.ones(3, 1, 5, dtype=torch.bool))
        >>> len(batch), batch[torch.tensor([2, 0])].shape, Batch.cat([batch, batch.values[:1]]).mask.shape
        (3, torch.Size([2, 1, 5]), torch.Size([4, 1, 5]))
    """

    values: Tensor
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        mask = self.mask
        if mask is not None and (mask.shape != self.values.shape or mask.dtype != torch.bool):
            raise UserError(
                f"Batch: the mask is {mask.dtype} {tuple(mask.shape)}: give booleans of the values' shape "
                f"{tuple(self.values.shape)}, True where a value is there"
            )

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Tensor) -> "Batch":
        return self.map(lambda x: x[rows])

    @property
    def shape(self) -> torch.Size:
        """The shape of the values (B, ...)."""
        return self.values.shape

    @property
    def device(self) -> torch.device:
        """Where the values are."""
        return self.values.device

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch of what `function`, which moves or picks rows, makes of the values and of the mask."""
        return Batch(function(self.values), None if self.mask is None else function(self.mask))

    def to(self, *args: Any, **options: Any) -> "Batch":
        """Return the batch on another device or with values of another type, asked for as of `Tensor.to`."""
        values = self.values.to(*args, **options)
        return Batch(values, None if self.mask is None else self.mask.to(values.device))

    @staticmethod
    def cat(parts: "Sequence[Tensor | Batch]") -> "Tensor | Batch":
        """Return the rows of all parts: a tensor where no part has a mask; one that has none beside others is whole."""
        batches = [part if isinstance(part, Batch) else Batch(part) for part in parts]
        values = torch.cat([batch.values for batch in batches])
        if all(batch.mask is None for batch in batches):
            return values
        masks = [torch.ones_like(b.values, dtype=torch.bool) if b.mask is None else b.mask for b in batches]
        return Batch(values, torch.cat(masks))


class WindowRows(Tensor):
    """Rows (N, C, steps) that are windows of series laid end to end, cut when they are taken: they share its memory.

    It is a tensor like others: its rows are picked without the others, and whatever else is done with it is done with
    all of them in memory.

    Args:
        series: (C, T) on a CPU. begins: (N,) int64, the first step of each row. steps: of a row.

    Example:
        >>> rows = WindowRows(torch.arange(6.0)[None], torch.tensor([0, 1, 3]), 3)
        >>> rows.shape, take(rows, torch.tensor([2, 0]))[:, 0].tolist(), rows.sum()
        (torch.Size([3, 1, 3]), [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]], tensor(21.))
    """

    series: Tensor
    begins: Tensor

    @staticmethod
    def __new__(cls, series: Tensor, begins: Tensor, steps: int) -> "WindowRows":  # noqa: D102 (of the class)
        shape = (len(begins), len(series), steps)
        made: WindowRows = Tensor._make_wrapper_subclass(cls, shape, dtype=series.dtype, device=series.device)
        made.series, made.begins = series, begins
        return made

    def __init__(self, *_: Any) -> None:
        """Take nothing more: `__new__` has made it."""

    def rows(self, index: Tensor | slice) -> Tensor:
        """Return some rows in memory of their own."""
        (channels, length), steps = self.series.shape, self.shape[2]
        apart, step = self.series.stride()
        every = self.series.as_strided((length - steps + 1, channels, steps), (step, apart, step))
        return torch.from_numpy(np.ascontiguousarray(every.numpy()[self.begins[index].numpy()]))

    def numpy(self, *, force: bool = False) -> Any:
        """Return all rows as an array."""
        return self.rows(slice(None)).numpy(force=force)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Give slices of rows as rows of the same series, and of any other operation what it gives of all rows."""
        first = args[0]
        if isinstance(first, WindowRows):
            if func in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
                return WindowRows(first.series, first.begins, first.shape[2])
            if func is torch.ops.aten.slice.Tensor and (len(args) < 2 or args[1] == 0):
                return WindowRows(first.series, func(first.begins, *args[1:], **(kwargs or {})), first.shape[2])
            if func is torch.ops.aten.index_select.default and args[1] == 0:
                return first.rows(args[2])
            if func is torch.ops.aten.index.Tensor and len(args[1]) == 1:
                return first.rows(args[1][0])
        args, kwargs = tree_map_only(WindowRows, lambda rows: rows.rows(slice(None)), (args, kwargs or {}))
        return func(*args, **kwargs)


def map_rows(rows: Tensor | Batch, function: Callable[[Tensor], Tensor]) -> Tensor | Batch:
    """Return what `function`, which moves or picks rows, makes of a tensor, or of a batch's values and mask."""
    return rows.map(function) if isinstance(rows, Batch) else function(rows)


def take(rows: Tensor | Batch, index: Tensor) -> Tensor | Batch:
    """Return copies of the rows `index` (M,) int64, where the rows are; of a file's map only these are read."""

    def taken(x: Tensor) -> Tensor:
        if isinstance(x, WindowRows):
            return x.rows(index.cpu())
        if x.device.type == "cpu":
            # numpy's `take` copies each row at memory speed; torch's `index_select` was measured at 1 to 4 times its
            # cost on large rows, and `x[index]` at up to 20 times. It would copy all of overlapping windows first.
            if not x.is_contiguous():
                return torch.from_numpy(np.ascontiguousarray(x.numpy()[index.numpy(force=True)]))
            return torch.from_numpy(x.numpy().take(index.numpy(force=True), axis=0))
        return x.index_select(0, index.to(x.device, non_blocking=True))

    return map_rows(rows, taken)


def tensors_of(rows: Tensor | Batch) -> list[Tensor]:
    """Return what is stored of the rows: a tensor, or a batch's values and, where it has one, its mask."""
    return [rows] if isinstance(rows, Tensor) else [x for x in (rows.values, rows.mask) if x is not None]


def unwrap(rows: Tensor | Batch) -> Tensor | Batch:
    """Return a batch without a mask as the tensor that it is, and anything else as it came.

    Example:
        >>> unwrap(Batch(torch.ones(2)))
        tensor([1., 1.])
    """
    return rows.values if isinstance(rows, Batch) and rows.mask is None else rows


def filled(rows: Tensor | Batch) -> Tensor:
    """Return the values, 0 where the mask is False: series then go on with 0, the mean, behind their ends.

    Example:
        >>> filled(Batch(torch.ones(2), torch.tensor([True, False])))
        tensor([1., 0.])
    """
    if not isinstance(rows, Batch):
        return rows
    return rows.values if rows.mask is None else rows.values.masked_fill(~rows.mask, 0.0)


def masks_of(views: Sequence[Tensor | Batch]) -> list[Tensor] | None:
    """Return the masks of several views of the same rows, None where no view has one."""
    masks = [view.mask if isinstance(view, Batch) else None for view in views]
    if all(mask is None for mask in masks):
        return None
    return [
        torch.ones(view.shape, dtype=torch.bool, device=view.device) if mask is None else mask
        for view, mask in zip(views, masks, strict=True)
    ]


def lengths(mask: Tensor) -> Tensor:
    """Return how many steps series with a mask (B, C, T) have, (B,) int64: behind them nothing is there.

    Example:
        >>> lengths(torch.tensor([[[True, False, True, False]], [[False] * 4]])).tolist()
        [3, 0]
    """
    there = mask.any(1)
    # The first largest number from the end: bytes are an eighth of what step numbers would take.
    behind = there.to(torch.uint8).flip(1).argmax(1)
    return torch.where(there.any(1), mask.shape[-1] - behind, 0)


def rounded_up(steps: Tensor) -> Tensor:
    """Return lengths up to a quarter larger, of which there are few: multiples of 8, or of larger powers of 2.

    Example:
        >>> rounded_up(torch.tensor([0, 3, 60, 1000])).tolist()
        [8, 8, 64, 1024]
    """
    power = torch.exp2(torch.floor(torch.log2(steps.clamp(min=2).double() - 1)) - 2).long().clamp(min=8)
    return -(-steps.clamp(min=1) // power) * power


def unmasked(rows: Tensor | Batch) -> Tensor | Batch:
    """Return the values of a batch whose mask is True everywhere, and anything else as it is."""
    return rows.values if isinstance(rows, Batch) and (rows.mask is None or bool(rows.mask.all())) else rows


def without_mask(rows: Tensor | Batch, reader: str) -> Tensor:
    """Return the rows as a tensor, for a `reader` that knows of no mask.

    Raises: UserError where there is a mask: what stands under it would be taken for data.
    """
    rows = unwrap(rows)
    if isinstance(rows, Batch):
        raise UserError(
            f"{reader} cannot read a mask, and the data have missing values or series of unequal length: fill them in, "
            "cut the series to one length, or take what compares embeddings, as simclr does"
        )
    return rows


def spread_out(count: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` numbers of `count` rows, evenly spread.

    Example:
        >>> spread_out(9, 3).tolist(), spread_out(2, 3).tolist()
        ([0, 4, 8], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def batched(count: int, *, rows: int | None = None, row_bytes: int = 1) -> Iterator[slice]:
    """Yield slices that cover `count` rows in order, `rows` at a time, or as many as take `PART_BYTES` (128 MiB).

    Example:
        >>> list(batched(5, rows=2)), list(batched(2, row_bytes=1 << 30))
        ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(0, 1, None), slice(1, 2, None)])
    """
    step = rows or max(1, PART_BYTES // max(1, row_bytes))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
