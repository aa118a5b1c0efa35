"""Rows held whole and drawn by index."""

from typing import Any

import torch
from torch import Tensor

from isotropy.batch import Batch, WindowRows, map_rows, take, tensors_of, unwrap
from isotropy.data.preprocess import Preprocess


class ArrayDataset:
    """Unlabelled rows, batched by index; what the training loop draws from.

    Args:
        rows: (N, ...) as `preprocess.transform` returned them; a `Batch` where values are missing.
        preprocess: turns rows into the encoder's input.
        device: where batches are wanted; None keeps them where the rows are.
        index: (M,) the rows that this source is about (a training part, say), in order; None for all.

    The rows move to the device once if they take less than half of its free memory; otherwise each batch moves.
    Of a file mapped to memory, on a CPU, only the rows that a batch asks for are read. What is kept is in `rows`,
    not a copy, and in `index` the places there of those that are meant.

    Example:
        >>> import numpy as np
        >>> from isotropy.data import TablePreprocess
        >>> table = TablePreprocess.learn(np.array([[0.0], [2.0]]))
        >>> dataset = ArrayDataset(table.transform(np.array([[0.0], [2.0]])), table)
        >>> len(dataset), dataset.batch(torch.tensor([1, 1]))
        (2, tensor([[1.],
                [1.]]))
    """

    def __init__(
        self,
        rows: Tensor | Batch,
        preprocess: Preprocess,
        *,
        device: torch.device | str | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.device = torch.device(device) if device is not None else rows.device
        self.preprocess = preprocess
        self.modality = preprocess.modality
        if self.device != rows.device and fits(rows, self.device):
            rows = (rows if index is None else take(rows, index)).to(self.device)
            index = None
        self.rows = map_rows(unwrap(rows), _dense)
        self.index = None if index is None else index.to("cpu", torch.int64)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows if self.index is None else self.index)

    def batch(self, index: Tensor) -> Tensor | Batch:
        """Return the rows `index` (B,) int64 as they are stored, (B, ...), on the source's device."""
        if self.index is not None:
            index = self.index[index]
        return take(self.rows, index).to(self.device)

    def to_input(self, rows: Any) -> Tensor | Batch:
        """Return stored rows as the float32 input of an encoder."""
        return self.preprocess.to_input(rows)


def _dense(rows: Tensor) -> Tensor:
    """Return rows in one piece of memory; overlapping windows, which take less, as they are."""
    if isinstance(rows, WindowRows):
        return rows
    return rows if rows.untyped_storage().nbytes() < rows.nbytes else rows.contiguous()


def fits(rows: Tensor | Batch, device: torch.device) -> bool:
    """Return whether `rows` take less than half of the free memory of a CUDA device (true for other kinds)."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(x.numel() * x.element_size() for x in tensors_of(rows)) < free // 2
