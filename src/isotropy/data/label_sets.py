"""Several labels a row: lists of names, texts that are divided, and columns of 0 and 1."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.odd_values import naming_half_letters, refuse_odd_values
from isotropy.data.tensors import as_array
from isotropy.errors import UserError, plain

SEVERAL = "labels"  # the task of several labels a row
LISTS = (list, tuple, set, frozenset, np.ndarray)
BLANK = ("",)  # texts that mean a missing label, of one label a row


def missing_labels(na: Sequence[str], task: str | None) -> tuple[str, ...]:
    """Return the texts that mean a missing label: those in `na` and ""; of several labels a row "" means none of them.

    Example:
        >>> missing_labels(["?"], None), missing_labels(["?"], "labels")
        (('?', ''), ('?',))
    """
    return tuple(na) if task == SEVERAL else (*na, *BLANK)


def as_label_sets(values: Iterable[Any], name: str = "") -> NDArray[Any]:
    """Return several labels a row, (N,) sorted tuples of names, None where missing; texts are divided at ; , or |.

    UserError: numbers; `name` is what the label is called.

    Example:
        >>> as_label_sets([["sad", "slow"], "slow; calm", "", None]).tolist()
        [('sad', 'slow'), ('calm', 'slow'), (), None]
    """
    sets = [_label_set(value, name) for value in values]
    found = np.empty(len(sets), dtype=object)
    found[:] = sets
    return found


def _label_set(value: Any, name: str) -> tuple[str, ...] | None:
    if isinstance(value, LISTS):
        refuse_odd_values(value, f"label {name}".strip())
        return tuple(sorted({str(one) for one in value}))
    if pd.isna(value):
        return None
    if not isinstance(value, str):
        raise UserError(
            f"{f'label {name}'.strip()}: {plain(value)!r} is no list of labels: task labels takes a column of "
            "lists or of texts such as 'a;b', or several columns of 0 and 1"
        )
    return tuple(sorted({one.strip() for one in re.split("[;,|]", value)} - {""}))


def label_rows(values: Any) -> Any:
    """Return an array (N, L) of 0 and 1 as several labels a row, called by their places; anything else as it is.

    Example:
        >>> label_rows(np.array([[0, 1], [1, 1]])).tolist()
        [('1',), ('0', '1')]
    """
    if isinstance(values, str | pd.Series) or values is None:
        return values
    if isinstance(values, pd.DataFrame):
        return joined({str(name): values[name] for name in values.columns})
    if isinstance(values, list | tuple):  # of names: as many as a row has
        numbers = all(isinstance(row, list | tuple) and not any(isinstance(one, str) for one in row) for row in values)
        if not numbers or len({len(row) for row in values}) != 1:
            return values
    array = as_array(values)
    return joined({str(n): column for n, column in enumerate(array.T)}) if array.ndim == 2 else values


def joined(columns: Mapping[str, Any]) -> NDArray[Any]:
    """Return columns of 0 and 1, (N,) each, as several labels a row; a row with a missing value has none.

    UserError: another value.

    Example:
        >>> joined({"a": [1, 0], "b": [1.0, float("nan")]}).tolist()
        [('a', 'b'), None]
    """
    with naming_half_letters("the name of a label"):
        frame = pd.DataFrame({name: pd.Series(np.asarray(values)) for name, values in columns.items()})
    for name in frame.columns:
        wrong = ~(frame[name].isin([0, 1]) | frame[name].isna())
        if wrong.any():
            raise UserError(
                f"label {name!r} holds {plain(frame[name][wrong].iloc[0])!r}: of several columns that are one "
                "label each holds 0 or 1"
            )
    missing = frame.isna().any(axis=1)
    names = np.array(frame.columns, dtype=object)
    there = frame.fillna(0).to_numpy(dtype=bool)
    return as_label_sets([None if gone else list(names[row]) for gone, row in zip(missing, there, strict=True)])
