"""Preprocessing of arrays of any shape: finite numbers, standardised along their first axis behind the rows."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.preprocess import Preprocess
from isotropy.data.tensors import as_array, pieces
from isotropy.errors import UserError


@dataclass(kw_only=True, eq=False)
class ArrayPreprocess(Preprocess):
    """Arrays (samples, channels, ...) of one shape, kept as float32.

    Args:
        sizes: the shape of a row.
        mean, std: of each channel, the first axis of a row, over the training rows.

    Example:
        >>> volumes = ArrayPreprocess.learn(np.array([0.0, 4.0]).reshape(2, 1, 1, 1, 1))
        >>> volumes.to_input(volumes.transform(np.full((1, 1, 1, 1, 1), 4.0))).flatten()
        tensor([1.])
    """

    sizes: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    modality = "array"
    noun = "arrays"

    def __post_init__(self) -> None:
        if not self.sizes or not len(self.mean) == len(self.std) == self.sizes[0]:
            raise ValueError("sizes, or mean and std, of another length")

    @classmethod
    def arrange(cls, array: NDArray[Any], scale: str | None = None) -> tuple[NDArray[Any], str]:
        """Return an array (N, ...) of numbers as it is; see `Preprocess.arrange`."""
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim < 2 or 0 in array.shape[1:]:
            raise UserError(f"arrays have rows along their first axis; this one has shape {array.shape}")
        return array, f"arrays of {'x'.join(map(str, array.shape[1:]))}"

    @classmethod
    def learn(cls, values: Any, rows: NDArray[np.int64] | None = None, *, any_length: bool = False) -> Self:
        """Learn on rows (N, channels, ...); UserError for fewer than two, missing values, or one value everywhere."""
        array = _numbers(values)
        count = len(array) if rows is None else len(rows)
        if count < 2:
            raise UserError(f"training needs at least two rows; there are {count}")
        axes = (0, *range(2, array.ndim))
        means, squares, shift, number = 0.0, 0.0, None, 0
        for _, piece in pieces(array, rows):
            part = piece.astype(np.float64)
            # Moments about a value of the data: large offsets would eat the deviation.
            shift = part.mean(axis=axes, keepdims=True) if shift is None else shift
            part = part - shift
            means, squares = means + part.sum(axis=axes), squares + (part**2).sum(axis=axes)
            number += part.size // part.shape[1]
        assert shift is not None
        mean = means / number
        std = np.sqrt(np.maximum(squares / number - mean**2, 0))
        if not (std > 0).any():
            raise UserError("nothing is left to learn from: every number of the rows has the same value in its channel")
        std = np.where(std > 0, std, 1.0)
        return cls(sizes=array.shape[1:], mean=tuple((mean + shift.reshape(-1)).tolist()), std=tuple(std.tolist()))

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of a row."""
        return {"sizes": list(self.sizes)}

    @property
    def trained_on(self) -> str:
        """Arrays, with the shape of a row."""
        return f"arrays of {'x'.join(map(str, self.sizes))}"

    def transform(self, values: Any) -> Tensor:
        """Return rows (N, channels, ...) as float32, standardised; UserError for another shape."""
        array = _numbers(values)
        if array.shape[1:] != self.sizes:
            raise UserError(f"the rows have the shape {array.shape[1:]}; the training had {self.sizes}")
        ones = [1] * (array.ndim - 2)
        mean, std = (np.array(one).reshape(-1, *ones) for one in (self.mean, self.std))
        out = np.empty(array.shape, dtype=np.float32)
        for part, piece in pieces(array):
            out[part] = (piece.astype(np.float64) - mean) / std
        return torch.from_numpy(out)


def _numbers(values: Any) -> NDArray[Any]:
    array = as_array(values)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise UserError(f"arrays are numbers (samples, ...); this one is {array.dtype} of shape {array.shape}")
    if array.dtype.kind == "f" and not all(np.isfinite(piece).all() for _, piece in pieces(array)):
        raise UserError("arrays of any shape take no missing or infinite values: fill them in first")
    return array
