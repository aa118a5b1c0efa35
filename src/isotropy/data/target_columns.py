"""Labels and parts: brought to one form, and kept away from the values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.tensors import as_array
from isotropy.errors import UserError, nearest

PARTS = ("train", "test")


def pop_column(frame: pd.DataFrame, column: Any, what: str) -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    """Return the frame without a column, and the column; UserError with the nearest name if there is none."""
    found = [name for name in frame.columns if str(name) == str(column)]
    if not found:
        names = [str(name) for name in frame.columns]
        raise UserError(f"there is no column {column!r} ({what}){nearest(str(column), names)}")
    if len(found) > 1:
        raise UserError(f"two columns are called {column!r}: rename one")
    return frame.drop(columns=found), frame[found[0]]


def as_labels(values: Any, rows: int, na: Sequence[str] = ()) -> NDArray[Any]:
    """Return labels (N,): numbers, booleans, or objects; missing ones are NaN or None, texts in `na` too.

    Raises:
        UserError: not one label per row, or none at all.
    """
    if not isinstance(values, pd.Series):
        array = as_array(values)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise UserError(f"labels are one value per row; this array has shape {array.shape}")
        values = pd.Series(array)
    if len(values) != rows:
        raise UserError(f"there are {len(values)} labels for {rows} rows")
    missing = values.isna().to_numpy(dtype=bool) | values.isin(list(na)).to_numpy(dtype=bool)
    if missing.all():
        raise UserError("every label is missing")
    # Copies: pandas gives read-only views of its columns.
    boolean = pd.api.types.is_bool_dtype(values.dtype)
    if boolean and not missing.any():
        return values.to_numpy(dtype=np.bool_, copy=True)
    if pd.api.types.is_numeric_dtype(values.dtype) and not boolean:
        if not missing.any() and isinstance(values.dtype, np.dtype):
            return values.to_numpy(copy=True)
        exact = np.float64 if missing.any() or pd.api.types.is_float_dtype(values.dtype) else np.int64
        return values.to_numpy(dtype=exact, na_value=np.nan, copy=True)
    labels = values.to_numpy(dtype=object, copy=True)
    labels[missing] = None
    return labels


def as_split(values: Any, rows: int, name: str = "split") -> NDArray[np.str_]:
    """Return which part each row belongs to, (N,) "train" or "test".

    Booleans are read by the name of their column: true is the part that the name mentions.

    Raises:
        UserError: another value, or a part without rows.
    """
    column = pd.Series(as_array(values)) if not isinstance(values, pd.Series) else values
    if len(column) != rows:
        raise UserError(f"the split {name!r} has {len(column)} values for {rows} rows")
    if pd.api.types.is_bool_dtype(column.dtype):
        named = [part for part in PARTS if part in name.lower()]
        if len(named) != 1:
            raise UserError(
                f"the split {name!r} is true or false, and its name does not say whether true is the test part"
            )
        other = PARTS[1 - PARTS.index(named[0])]
        column = column.map({True: named[0], False: other})
    parts = column.astype(str).str.strip().str.lower()
    wrong = ~parts.isin(PARTS).to_numpy()
    if wrong.any():
        place = int(wrong.argmax())
        raise UserError(
            f"the split {name!r} holds {column.iloc[place]!r} (row {column.index[place]}); "
            "only 'train' and 'test' are known"
        )
    for part in PARTS:
        if not (parts == part).any():
            raise UserError(f"the split {name!r} has no {part} rows")
    return parts.to_numpy(dtype="<U5")


def is_split(values: Any) -> bool:
    """Return whether `values` are "train" and "test", both and nothing else."""
    return set(pd.unique(pd.Series(values).astype(object))) == set(PARTS)


@dataclass
class TargetColumns:
    """Labels and parts that stand beside the values, collected while data are read.

    Attributes:
        rows: the number of rows that labels and parts must have.
        na: texts that mean a missing label.
        notes: what was taken for what, so far.
    """

    rows: int
    na: Sequence[str] = ()
    labels: NDArray[Any] | None = None
    split: NDArray[np.str_] | None = None
    notes: list[str] = field(default_factory=list)

    def label(self, values: Any, name: str = "given") -> None:
        """Take labels, from the column or array `name`."""
        self.labels = as_labels(values, self.rows, self.na)
        missing = int(pd.isna(self.labels).sum())
        self.notes.append(f"labels from {name}" + (f" ({missing} missing)" if missing else ""))

    def part(self, values: Any, name: str = "given") -> None:
        """Take the parts, from the column or array `name`."""
        self.split = as_split(values, self.rows, name)
        counts = ", ".join(f"{int((self.split == part).sum())} {part}" for part in PARTS)
        self.notes.append(f"parts from {name} ({counts})")
