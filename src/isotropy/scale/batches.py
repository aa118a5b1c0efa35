"""Batches of Ray Data, tables of Arrow, as the rows that a representation takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isotropy.data import Preprocess
from isotropy.data.frames import arrow_to_pandas, stacked
from isotropy.errors import UserError, nearest


def rows_of(batch: pa.Table, preprocess: Preprocess, column: str | None) -> Any:
    """Return the rows of a batch as `Representation.transform` takes them.

    Args:
        preprocess: as it was learnt. column: of arrays (tensors or lists, nested or not), one a row; None where the
            columns are those of a table.

    Raises:
        UserError: no such column, or one of a table that is taken for arrays, or the reverse.

    Example:
        >>> from isotropy.data import SeriesPreprocess
        >>> batch = pa.table({"beat": pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((2, 3, 8), np.float32))})
        >>> rows_of(batch, SeriesPreprocess.learn(np.random.default_rng(0).normal(size=(9, 3, 8))), "beat").shape
        (2, 3, 8)
    """
    if column is None:
        if not preprocess.takes_frames:
            raise UserError(
                f"the encoder takes {preprocess.modality}: name the column that holds them (column=), one of "
                f"{', '.join(batch.column_names)}"
            )
        return arrow_to_pandas(batch)
    return array_of(batch, column)


def array_of(batch: pa.Table, column: str) -> NDArray[Any]:
    """Return a column of numbers, tensors or lists of one length as an array (N, ...).

    Raises:
        UserError: no such column, or one of other values.

    Example:
        >>> array_of(pa.table({"z": [[1.0, 2.0], [3.0, 4.0]]}), "z")
        array([[1., 2.],
               [3., 4.]])
    """
    check_columns(batch, [column])
    found = batch.column(column)
    kind = found.type
    if isinstance(kind, pa.FixedShapeTensorType):
        return _joined([chunk.to_numpy_ndarray() for chunk in found.chunks], (0, *kind.shape), kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and hasattr(kind, "shape"):
        # Ray's own tensors, whose class gives the shape that their storage has lost.
        pieces = [chunk.to_numpy(zero_copy_only=False) for chunk in found.chunks]
        return _joined(pieces, (0, *kind.shape), pa.float32())
    values = arrow_to_pandas(batch.select([column]))[column]
    if values.dtype.kind in "biuf":
        return values.to_numpy()
    array = stacked(values)
    if array is None:
        raise UserError(f"column {column!r}: {kind} is no column of numbers, nor of arrays of one shape")
    return array


def column_of(vectors: NDArray[Any]) -> pa.Array:
    """Return vectors (N, width) as a column of tensors, of no rows too.

    Example:
        >>> array_of(pa.table({"z": column_of(np.empty((0, 3)))}), "z").shape
        (0, 3)
    """
    # `FixedShapeTensorArray.from_numpy_ndarray` takes no empty array.
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(values.type.value_type, [vectors.shape[1]]), values)


def check_columns(batch: pa.Table, names: Sequence[str]) -> None:
    """Raise UserError for a column that a batch does not have."""
    for name in names:
        if name not in batch.column_names:
            raise UserError(f"no column {name!r} in the data set{nearest(name, batch.column_names)}")


def _joined(pieces: Sequence[NDArray[Any]], shape: tuple[int, ...], kind: pa.DataType) -> NDArray[Any]:
    if not pieces:
        return np.empty(shape, kind.to_pandas_dtype())
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
