"""Arrays of numbers: from and to tensors, and in pieces."""

import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from isotropy.batch import batched
from isotropy.data.overlapping import WindowArray
from isotropy.data.sparse import is_sparse
from isotropy.errors import UserError

# What is an array already, and the sequences of which numpy makes one.
_ARRAYS = ("__array__", "__array_interface__", "__array_struct__", "__buffer__")
_NESTED = (np.ndarray, np.generic, list, tuple, range, memoryview, bytearray, array.array)
_SPARSE = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
# Bytes that all numbers of a sparse matrix may take.
DENSE = 250_000_000
# Values per piece in which a large array is read.
PIECE = 1 << 22


@dataclass(frozen=True)
class Pieces:
    """An array of which only a piece is in memory at a time: `pieces` reads it as it reads an array.

    Attributes:
        shape: (N, ...). dtype: of its numbers. read: returns its pieces (n, ...), one after the other.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], Iterator[NDArray[Any]]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of its numbers."""
        return prod(self.shape)


def as_array(values: Any) -> NDArray[Any]:
    """Return an array, or a tensor from any device, as a numpy array; nothing is copied where possible.

    `Pieces`, which only `pieces` reads, and a `WindowArray`, of which rows are picked, are returned as they are.

    What a masked array hides is missing: NaN among numbers (which then are floats), None among other values.

    Raises:
        UserError: a data set or a loader of torch, whose rows could be anything: give its tensors; a sparse matrix of
            which all numbers take more than `DENSE` bytes.
    """
    if isinstance(values, Pieces | WindowArray):
        return values  # type: ignore[return-value]
    if isinstance(values, Dataset | DataLoader):
        name = type(values).__name__
        hint = "its tensors, as dataset.tensors[0]" if isinstance(values, TensorDataset) else "its rows as one tensor"
        raise UserError(f"a {name} of torch is not read, since only its author knows what its items are: give {hint}")
    if isinstance(values, Tensor) and values.layout in _SPARSE:
        values = _of_torch(values)
    if is_sparse(values):
        rows, columns = values.shape
        if rows * columns * values.dtype.itemsize <= DENSE:
            return np.asarray(values.toarray())
        raise UserError(
            f"a sparse matrix of {rows:,} x {columns:,} ({values.nnz / max(1, rows * columns):.1%} filled) is not "
            f"read: all its numbers take {rows * columns * values.dtype.itemsize / 1e9:.2g} GB, and up to "
            f"{DENSE / 1e6:.0f} MB are read; give x.toarray() where that fits, or fewer columns, as scikit-learn's "
            "TruncatedSVD makes them"
        )
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    if isinstance(values, Tensor):
        if values.is_meta:
            raise UserError("a tensor on the device 'meta' has no numbers: give one that has")
        values = values.dequantize() if values.is_quantized else values
        values = values.detach().cpu()
        # numpy has no bfloat16, and none of the floats of 8 bits.
        strange = values.is_floating_point() and values.dtype not in (torch.float16, torch.float32, torch.float64)
        return np.asarray(values.float().numpy() if strange else values.numpy())
    if not isinstance(values, _NESTED) and not any(hasattr(values, name) for name in _ARRAYS):
        # numpy would walk through a data set of (row, label), or through any sequence, and make something of it.
        what = "its arrays or tensors" if hasattr(values, "__len__") else "an array, a tensor, a DataFrame or a path"
        raise UserError(f"a {type(values).__name__} is not read: give {what}")
    return np.asanyarray(values)


def _of_torch(values: Tensor) -> Any:
    """Return a sparse tensor as a matrix of scipy."""
    if values.ndim != 2:
        raise UserError(f"a sparse tensor of shape {tuple(values.shape)} is not read: give x.to_dense()")
    from scipy import sparse

    table = values.detach().cpu().to_sparse_coo().coalesce()
    return sparse.coo_matrix((table.values().numpy(), table.indices().numpy()), shape=tuple(values.shape))


def _unmasked(values: Any) -> NDArray[Any]:
    hidden = np.ma.getmaskarray(values)
    if not hidden.any():
        return np.asarray(values.data)
    if values.dtype.kind in "iuf":
        kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        return np.asarray(values.astype(kind).filled(np.nan))
    shown = np.array(values.data, dtype=object)
    shown[hidden] = None
    return shown


def as_tensor(values: NDArray[Any]) -> Tensor:
    """Return an array as a contiguous tensor that shares its memory where it can.

    Read-only memory is copied, since a tensor cannot be marked read-only; map files copy-on-write (mode "c").
    """
    values = np.ascontiguousarray(values)
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def pieces(
    array: NDArray[Any], rows: NDArray[np.int64] | None = None, values: int | None = None
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield an array, or those of its rows, in pieces: where each stands in the whole, and the piece.

    A piece has about so many values, `PIECE` by default.

    Example:
        >>> list(pieces(np.array([5, 6, 7]), np.array([2, 0])))
        [(slice(0, 2, None), array([7, 5]))]
    """
    if isinstance(array, Pieces):
        begin = 0
        for one in array.read():
            for part, piece in pieces(one, None, values):
                yield slice(begin + part.start, begin + part.stop), piece
            begin += len(one)
        return
    size = max(1, int(np.prod(array.shape[1:])))
    for part in batched(len(array) if rows is None else len(rows), rows=max(1, (values or PIECE) // size)):
        yield part, array[part if rows is None else rows[part]]
