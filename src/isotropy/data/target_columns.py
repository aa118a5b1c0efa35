"""Labels and parts: brought to one form, and kept away from the values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.data import Data
from isotropy.data.label_sets import BLANK, LISTS, as_label_sets
from isotropy.data.odd_values import naming_half_letters, refuse_odd_values
from isotropy.data.tensors import as_array
from isotropy.data.written_labels import numbers_of_texts, said_of_labels
from isotropy.errors import UserError, nearest, plain

PARTS = ("train", "test")
_TEXT_OF_NAN = "nan"


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
        parts = [one.strip() for one in str(column).split(",")]
        each = f": name each by itself, {' and '.join(map(repr, parts))}" if {*parts} <= {*names} else ""
        raise UserError(f"there is no column {column!r} ({what}){each or nearest(str(column), names)}")
    if len(found) > 1:
        raise UserError(f"two columns are called {column!r}: rename one")
    return frame.drop(columns=found), frame[found[0]]


def one_per_row(values: Any, rows: int, what: str) -> "pd.Series[Any]":
    """Return values (N,) or (N, 1) as a column; UserError, naming them, where they are not one for each row."""
    if not isinstance(values, pd.Series):
        array = _with_texts(values) if isinstance(values, list | tuple) else as_array(values)
        array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        if array.ndim != 1:
            raise UserError(f"{what} has shape {array.shape}: give one value per row")
        with naming_half_letters(what):
            values = pd.Series(array)
    refuse_odd_values(values, what)
    if len(values) != rows:
        raise UserError(f"{what} has {len(values)} values for {rows} rows")
    return values


def _with_texts(values: Sequence[Any]) -> NDArray[Any]:
    """Return a list as an array, of objects where texts are in it: numpy makes texts of NaN and numbers beside them."""
    if not any(isinstance(one, str) for one in values):
        return as_array(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_labels(values: Any, rows: int, na: Sequence[str] = BLANK, name: str = "") -> NDArray[Any]:
    """Return labels (N,) as `brought_labels` does, texts of numbers as numbers; UserError where no row has one."""
    labels = brought_labels(values, rows, na)
    if pd.isna(labels).all():
        raise UserError(f"every label{f' of {name}' * (name not in ('', 'given'))} is missing")
    return numbers_of_texts(labels)


def brought_labels(values: Any, rows: int, na: Sequence[str] = BLANK) -> NDArray[Any]:
    """Return labels (N,): numbers, booleans, or objects; missing ones are NaN or None.

    Texts in `na` and "nan" are missing too, as in text files, whatever holds them: "nan" is what numpy makes of NaN
    beside texts, and "" what some exports make of None; "" stands for any blank text. Lists are tuples of names:
    several labels a row.

    UserError: not one label per row.

    Example:
        >>> brought_labels(["a", float("nan"), "b"], 3).tolist(), brought_labels(np.array(["a", "nan"]), 2).tolist()
        (['a', None, 'b'], ['a', None])
        >>> brought_labels(np.array(["a", "", "b"]), 3).tolist()
        ['a', None, 'b']
    """
    if isinstance(values, list | tuple) and any(isinstance(one, LISTS) for one in values):
        values = pd.Series(list(values))
    values = one_per_row(values, rows, "label")
    if any(isinstance(one, LISTS) for one in values):
        return as_label_sets(values)
    odd = [one for one in values[~values.isna()] if isinstance(one, dict)]
    if odd:
        raise UserError(f"label {plain(odd[0])!r} is no text, number or list of names: give one of these per row")
    numbers = pd.api.types.is_numeric_dtype(values.dtype)
    marks = [*na] if numbers else [*na, _TEXT_OF_NAN, *(_blank_texts(values) if BLANK[0] in na else ())]
    missing = values.isna().to_numpy(dtype=bool) | values.isin(marks).to_numpy(dtype=bool)
    # Copies: pandas gives read-only views of its columns.
    boolean = pd.api.types.is_bool_dtype(values.dtype)
    if boolean and not missing.any():
        return values.to_numpy(dtype=np.bool_, copy=True)
    if numbers and not boolean:
        if not missing.any() and isinstance(values.dtype, np.dtype):
            return values.to_numpy(copy=True)
        exact = np.float64 if missing.any() or pd.api.types.is_float_dtype(values.dtype) else np.int64
        return values.to_numpy(dtype=exact, na_value=np.nan, copy=True)
    labels = values.to_numpy(dtype=object, copy=True)
    if any(isinstance(one, Decimal) for one in labels) and all(isinstance(one, Number) for one in labels[~missing]):
        labels[missing] = np.nan
        return labels.astype(np.float64)
    labels[missing] = None
    return labels


def _blank_texts(values: "pd.Series[Any]") -> list[str]:
    return [one for one in values.unique() if isinstance(one, str) and not one.strip()]


def as_split(values: Any, rows: int, name: str = "split") -> NDArray[np.str_]:
    """Return which part each row belongs to, (N,) "train" or "test"; true is the part that the name mentions.

    UserError: another value, or a part without rows.
    """
    column = one_per_row(values, rows, f"the split {name!r}")
    parts = parts_of(column, name)
    for part in PARTS:
        if not (parts == part).any():
            raise UserError(f"the split {name!r} has no {part} rows")
    return parts


def parts_of(column: "pd.Series[Any]", name: str) -> NDArray[np.str_]:
    """Return the part of each row of a column, as `as_split` does, of which one may be missing."""
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
            f"the split {name!r} holds {plain(column.iloc[place])!r} (row {column.index[place]}); "
            "only 'train' and 'test' are known"
        )
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
    labels = {name: as_labels(values, len(data), na, name) for name, values in more.items()}
    said = [said_of_labels(name, more[name], values) for name, values in labels.items()]
    return replace(data, more_labels=labels, description="; ".join([data.description, *said]))


def with_targets(
    values: Any,
    modality: str,
    description: str,
    label: Target = NO_TARGET,
    split: Target = NO_TARGET,
    na: Sequence[str] = BLANK,
    notes: Sequence[str] = (),
    form: Mapping[str, Any] | None = None,
) -> Data:
    """Return data with labels and parts brought to one form; the description says where they come from."""
    said, labels, parts = [description], None, None
    if label.values is not None:
        labels = as_labels(label.values, len(values), na, label.source)
        said.append(said_of_labels(label.source, label.values, labels))
    if split.values is not None:
        parts = as_split(split.values, len(values), split.source)
        counts = ", ".join(f"{int((parts == part).sum())} {part}" for part in PARTS)
        said.append(f"parts from {split.source} ({counts})")
    return Data(values, modality, labels, parts, "; ".join([*said, *notes]), form=dict(form or {}))
