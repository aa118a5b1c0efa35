"""Labels and parts: brought to one form, and kept away from the values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.data import Data
from isotropy.data.tensors import as_array
from isotropy.errors import UserError, nearest

PARTS = ("train", "test")


def counted_rows(count: int, name: str) -> str:
    """Return "3 rows" for the description of data; UserError where there are none."""
    if count == 0:
        raise UserError(f"{name} has no rows")
    return f"{count} rows" if count > 1 else "1 row"


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

    UserError: not one label per row, or none at all.
    """
    if not isinstance(values, pd.Series):
        array = as_array(values)
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
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
    """Return which part each row belongs to, (N,) "train" or "test"; true is the part that the name mentions.

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
        column = column.map({True: named[0], False: PARTS[1 - PARTS.index(named[0])]})
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


@dataclass(frozen=True)
class Target:
    """Labels or parts as they were found (None where there are none), and the name of where that was."""

    values: Any
    source: str = "given"


NO_TARGET = Target(None)


def pop_target(frame: pd.DataFrame, given: Any, what: str) -> tuple[pd.DataFrame, Target]:
    """Return a target that is given by value, or by a column's name; and the frame without that column."""
    if not isinstance(given, str):
        return frame, Target(given)
    frame, column = pop_column(frame, given, what)
    return frame, Target(column, given)


def several(label: Any, names: Iterable[str] | None, rows: int | None = None) -> tuple[Any, tuple[str, ...]]:
    """Return the first label and the names of the others, of a list of names; anything else is one label by value.

    Args:
        label: what the user gave. names: of columns or arrays, None where there are none.
        rows: so many texts that are not all names are one label by value.

    Example:
        >>> several(["a", "b"], "abc", 5), several(["u", "v"], "abc", 2)
        (('a', ('b',)), (['u', 'v'], ()))
    """
    if names is None or not isinstance(label, list | tuple) or not all(isinstance(one, str) for one in label):
        return label, ()
    if not label or (len(label) == rows and not set(label) <= set(names)):
        return label or None, ()
    if twice := [one for place, one in enumerate(label) if one in label[:place]]:
        raise UserError(f"label {twice[0]!r} is given twice")
    return label[0], tuple(label[1:])


def with_more_labels(data: Data, more: Mapping[str, Any], na: Sequence[str]) -> Data:
    """Return the data with further labels beside the first."""
    if not more:
        return data
    labels = {name: as_labels(values, len(data), na) for name, values in more.items()}
    missing = {name: int(pd.isna(values).sum()) for name, values in labels.items()}
    said = [f"labels from {name}" + (f" ({n} missing)" if n else "") for name, n in missing.items()]
    return replace(data, more_labels=labels, description="; ".join([data.description, *said]))


def with_targets(
    values: Any,
    modality: str,
    description: str,
    label: Target = NO_TARGET,
    split: Target = NO_TARGET,
    na: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Data:
    """Return data with labels and parts brought to one form; the description says where they come from."""
    said, labels, parts = [description], None, None
    if label.values is not None:
        labels = as_labels(label.values, len(values), na)
        missing = int(pd.isna(labels).sum())
        said.append(f"labels from {label.source}" + (f" ({missing} missing)" if missing else ""))
    if split.values is not None:
        parts = as_split(split.values, len(values), split.source)
        counts = ", ".join(f"{int((parts == part).sum())} {part}" for part in PARTS)
        said.append(f"parts from {split.source} ({counts})")
    return Data(values, modality, labels, parts, "; ".join([*said, *notes]))
