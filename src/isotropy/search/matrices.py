"""What is searched and asked for: matrices of finite numbers, and what cannot be answered of them."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.errors import UserError


def matrix(values: Any, name: str) -> Tensor:
    """Return values as a tensor of floats (N, d) on the CPU, without a copy where they are one already.

    Raises: UserError for what is no matrix of numbers, which it calls `name`.

    Example:
        >>> matrix([[1, 2]], "rows")
        tensor([[1., 2.]], dtype=torch.float64)
    """
    if not isinstance(values, Tensor):
        array = np.asarray(values)
        if array.dtype.kind not in "fiub" or array.ndim != 2:
            raise UserError(f"{name}: {array.dtype} of shape {array.shape} is no matrix of numbers (rows, width)")
        array = array if array.dtype.kind == "f" and array.dtype.itemsize <= 8 else array.astype(np.float64)
        values = _tensor(array)
    values = values.detach().cpu()
    if values.ndim != 2:
        raise UserError(f"{name}: shape {tuple(values.shape)} is no matrix (rows, width)")
    return values if values.is_floating_point() else values.double()


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return a tensor that shares its memory with an array where it can; it is only read."""
    if not array.dtype.isnative or any(stride < 0 for stride in array.strides):
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        # A file's map may not be written to, and is not.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def check(queries: Tensor, rows: Tensor, top_k: int, own: NDArray[Any]) -> None:
    """Refuse queries of another width, more rows than there are, and numbers of rows that are none.

    Example:
        >>> check(torch.eye(2), torch.eye(2), 1, np.array([0, -1]))
    """
    if queries.shape[1] != rows.shape[1]:
        raise UserError(f"queries of width {queries.shape[1]} cannot be looked up among rows of width {rows.shape[1]}")
    if (
        own.shape != (len(queries),)
        or own.dtype.kind not in "iu"
        or (len(own) and not -1 <= own.min() <= own.max() < len(rows))
    ):
        raise UserError(
            f"leave_out: give the number of a row, below {len(rows)}, or -1 for each of {len(queries)} queries"
        )
    if not rows.shape[1]:
        raise UserError("rows: rows of no numbers have no neighbours")
    if not len(rows):
        raise UserError("rows: there are no rows to search among")
    there = len(rows) - bool(len(own) and own.max() >= 0)
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or not 1 <= top_k <= there:
        raise UserError(f"top_k = {top_k}: give a whole number from 1 to {there}, as many rows as there are")
