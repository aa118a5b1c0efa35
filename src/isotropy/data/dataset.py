"""Rows held whole and drawn by index."""

import torch
from torch import Tensor

from isotropy.data.preprocess import Preprocess


class ArrayDataset:
    """Unlabelled rows, batched by index; what the training loop draws from.

    Args:
        rows: (N, ...) as `preprocess.transform` returned them.
        preprocess: turns rows into the encoder's input.
        device: where batches are wanted; None keeps them where the rows are.
        index: (M,) the rows that this source is about (a training part, say), in order; None for all.

    The rows move to the device once if they take less than half of its free memory; otherwise they stay and
    each batch moves. Of a file mapped to memory, on a CPU, only the rows that a batch asks for are read.

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
        rows: Tensor,
        preprocess: Preprocess,
        *,
        device: torch.device | str | None = None,
        index: Tensor | None = None,
    ) -> None:
        self.device = torch.device(device) if device is not None else rows.device
        self.preprocess = preprocess
        self.modality = preprocess.modality
        if self.device != rows.device and fits(rows, self.device):
            rows = (rows if index is None else rows.index_select(0, index.to(rows.device))).to(self.device)
            index = None
        self._rows = rows.contiguous()
        self._index = None if index is None else index.to("cpu", torch.int64)
        self._length = len(rows) if index is None else len(index)
        # On a CPU numpy's `take` copies each row at memory speed; torch's `index_select` was measured at 1 to
        # 4 times its cost on large rows, and `rows[index]` at up to 20 times.
        self._array = self._rows.numpy() if self._rows.device.type == "cpu" else None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    @property
    def rows(self) -> Tensor:
        """The stored rows that batches are drawn from, not a copy; those that `index` leaves out are among them."""
        return self._rows

    @property
    def index(self) -> Tensor | None:
        """Places (M,) int64 in `rows` of the rows that this source is about, on the CPU; None for all."""
        return self._index

    def batch(self, index: Tensor) -> Tensor:
        """Return the rows `index` (B,) int64 as they are stored, (B, ...), on the source's device."""
        if self._index is not None:
            index = self._index[index]
        if self._array is not None:
            rows = torch.from_numpy(self._array.take(index.numpy(), axis=0))
            return rows if self.device.type == "cpu" else rows.to(self.device)
        return self._rows.index_select(0, index.to(self.device, non_blocking=True))

    def to_input(self, rows: Tensor) -> Tensor:
        """Return stored rows as the float32 input of an encoder."""
        return self.preprocess.to_input(rows)


def fits(rows: Tensor, device: torch.device) -> bool:
    """Return whether `rows` take less than half of the free memory of a CUDA device (true for other kinds)."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return rows.numel() * rows.element_size() < free // 2
