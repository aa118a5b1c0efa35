"""Rows of large files as what a training draws from: some blocks in memory, in an order that asks for few at a time."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import PART_BYTES, Batch, take, tensors_of, unwrap
from isotropy.data.blocks.blocks import TrainingRows
from isotropy.data.dataset import ArrayDataset
from isotropy.data.preprocess import Preprocess
from isotropy.rng import mix, order

# Bytes of stored rows: of blocks among which rows are shuffled, and what small blocks are put together to.
WINDOW_BYTES, _LEAST_BYTES = PART_BYTES, PART_BYTES // 32
_WINDOWS = 2  # in memory: a batch at the border of two windows has rows of both


class BlockDataset:
    """Unlabelled rows of large files, batched by index as those of an `ArrayDataset` are.

    Args:
        rows: of the files. preprocess: was learnt on them.
        sample: some of them in memory: for views that mix rows, and for what looks at a training.
        device: where batches are wanted.
    """

    def __init__(
        self, rows: TrainingRows, preprocess: Preprocess, sample: ArrayDataset, *, device: torch.device | str = "cpu"
    ) -> None:
        self.rows, self.preprocess, self.sample = rows, preprocess, sample
        self.modality = preprocess.modality
        self.device = torch.device(device)
        self.row_bytes = sum(x[:1].nbytes for x in tensors_of(sample.rows))
        self.blocks = together(rows.counts, max(1, _LEAST_BYTES // self.row_bytes))
        self.counts = np.array([rows.counts[part].sum() for part in self.blocks], dtype=np.int64)
        self.ends = np.cumsum(self.counts)
        self.seconds, self.loaded = 0.0, 0
        self._held: OrderedDict[int, Tensor | Batch] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.ends[-1])

    def order(self, seed: int, pass_: int) -> "BlockOrder":
        """Return the order of the rows in a pass: see `BlockOrder`."""
        return BlockOrder(self.counts, WINDOW_BYTES // self.row_bytes, seed, pass_)

    @property
    def layout(self) -> str:
        """A digest of how many rows each block has, on which the order depends; empty where one window holds all."""
        one_window = len(self) <= WINDOW_BYTES // self.row_bytes
        return "" if one_window else hashlib.sha256(self.counts.tobytes()).hexdigest()[:16]

    def batch(self, index: Tensor) -> Tensor | Batch:
        """Return the rows `index` (B,) int64 as they are stored, (B, ...), on the data set's device."""
        places = index.numpy(force=True)
        numbers = np.searchsorted(self.ends, places, side="right")
        by_block = np.argsort(numbers, kind="stable")
        found, begins = np.unique(numbers[by_block], return_index=True)
        parts = []
        for number, part in zip(found.tolist(), np.split(by_block, begins[1:]), strict=True):
            start = self.ends[number] - self.counts[number]
            parts.append(take(self._block(number), torch.from_numpy(places[part] - start)))
        back = np.empty_like(by_block)
        back[by_block] = np.arange(len(by_block))
        return take(Batch.cat(parts), torch.from_numpy(back)).to(self.device)

    def to_input(self, rows: Any) -> Tensor | Batch:
        """Return stored rows as the float32 input of an encoder."""
        return self.preprocess.to_input(rows)

    @property
    def seconds_per_row(self) -> float:
        """How long a row took to read, of those that were; 0 before any was."""
        return self.seconds / max(1, self.loaded)

    def _block(self, number: int) -> Tensor | Batch:
        if number in self._held:
            self._held.move_to_end(number)
            return self._held[number]
        held = sum(len(rows) for rows in self._held.values()) + self.counts[number]
        while self._held and held * self.row_bytes > _WINDOWS * WINDOW_BYTES:
            held -= len(self._held.popitem(last=False)[1])
        start = perf_counter()
        names, texts = self.preprocess.column_names, self.preprocess.text_columns
        parts = [
            self.preprocess.transform(self.rows.values(one, names, texts))
            for one in range(*self.blocks[number].indices(len(self.rows.counts)))
            if self.rows.counts[one]
        ]
        self._held[number] = unwrap(parts[0] if len(parts) == 1 else Batch.cat(parts))
        self.seconds, self.loaded = self.seconds + perf_counter() - start, self.loaded + int(self.counts[number])
        return self._held[number]


class BlockOrder:
    """The order of the rows of blocks in a pass, a pure function of (seed, pass), of which any part is made at once.

    Blocks are shuffled and put together to windows, one after the other, until a window has `window` rows; then the
    rows of each window are shuffled. With one window it is the order of rows in memory, `rng.order`.

    Args:
        counts: (blocks,) how many rows each block has. window: rows of a window, at least; one block makes one, too.

    Example:
        >>> order = BlockOrder(np.array([3, 2, 3]), 3, seed=0, pass_=0)
        >>> order[0:8].tolist() == [*order[0:5].tolist(), *order[5:8].tolist()], sorted(order[0:8].tolist())
        (True, [0, 1, 2, 3, 4, 5, 6, 7])
    """

    def __init__(self, counts: NDArray[np.int64], window: int, seed: int, pass_: int) -> None:
        self.counts, self.seed, self.pass_ = counts, seed, pass_
        self.starts = np.cumsum(counts) - counts
        whole = counts.sum() <= window
        blocks = np.arange(len(counts)) if whole else order(mix(seed, len(counts)), pass_, len(counts)).numpy()
        self.windows = np.split(blocks, _ends(counts[blocks], window)[:-1])
        self.ends = np.cumsum([counts[blocks].sum() for blocks in self.windows])
        self._last: tuple[int, Tensor] | None = None

    def __getitem__(self, places: slice) -> Tensor:
        """Return the rows at consecutive places of the order, int64."""
        begin, end, _ = places.indices(int(self.ends[-1]))
        parts, number = [], int(np.searchsorted(self.ends, begin, side="right"))
        while begin < end:
            first = int(self.ends[number - 1]) if number else 0
            last = min(end, int(self.ends[number]))
            parts.append(self._window(number)[begin - first : last - first])
            begin, number = last, number + 1
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)

    def _window(self, number: int) -> Tensor:
        """Return the rows of a window in their order."""
        if self._last is None or self._last[0] != number:
            blocks = self.windows[number]
            rows = np.concatenate([self.starts[block] + np.arange(self.counts[block]) for block in blocks])
            seed = self.seed if len(self.windows) == 1 else mix(self.seed, number, len(rows))
            self._last = number, torch.from_numpy(rows)[order(seed, self.pass_, len(rows))]
        return self._last[1]


def together(counts: NDArray[np.int64], least: int) -> list[slice]:
    """Return neighbouring blocks put together until they have `least` rows; at the end fewer may be left.

    Example:
        >>> together(np.array([5, 1, 1, 1, 9, 1]), 3)
        [slice(0, 1, None), slice(1, 4, None), slice(4, 5, None), slice(5, 6, None)]
    """
    ends = _ends(counts, least)
    return [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def _ends(counts: Sequence[int] | NDArray[np.int64], least: int) -> list[int]:
    """Return where groups of neighbours end that have `least` rows each, the last one perhaps fewer."""
    ends: list[int] = []
    rows = 0
    for place, count in enumerate(counts):
        rows += int(count)
        if rows >= least:
            ends.append(place + 1)
            rows = 0
    return ends if rows == 0 and ends else [*ends, len(counts)]
