"""The schema of a table: learnt on training rows alone, kept as JSON, applied to any rows."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.columns import KINDS, Kind, as_names, as_numbers, kind_of
from isotropy.data.quantiles import edges_of, tail_of
from isotropy.data.tensors import as_array
from isotropy.errors import UserError, nearest

MAX_LEVELS = 255
# A level in fewer than one training row in ten thousand teaches nothing about itself.
RARE = 1e-4
# Standardised training values never reach this; it keeps new ones finite in float32.
LIMIT = 1e6

Table = pd.DataFrame | NDArray[Any] | Tensor


def as_frame(values: Table) -> tuple[pd.DataFrame, bool]:
    """Return a table (N, D) as a frame with text names (an array's: x0, x1, ...), and whether these are the user's."""
    if isinstance(values, pd.DataFrame):
        frame = values.rename(columns=str)
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise UserError(f"two columns are called {twice[0]!r}: rename one")
        return frame, True
    array = as_array(values)
    if array.ndim != 2:
        raise UserError(f"a table has two dimensions (rows, columns); this array has shape {array.shape}")
    frame = pd.DataFrame(array, columns=[f"x{place}" for place in range(array.shape[1])])
    return (frame.infer_objects() if array.dtype == object else frame), False


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Return names in quotes, the first `limit` of them."""
    shown = ", ".join(repr(str(name)) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


@dataclass(frozen=True)
class ColumnSchema:
    """What was learnt about one column.

    Attributes:
        mean, std: of the training values, where they are standardised (0 and 1 for booleans).
        missing: whether training rows had missing values.
        levels: names of a categorical column's levels; level i has code i + 1.
        edges: of a numeric column, in its standardised unit; about as many training values lie between any two.
        tail: median and scale about which a long-tailed column may be read by its logarithm, else nothing.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    std: float = 1.0
    missing: bool = False
    levels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    tail: tuple[float, ...] = ()

    @property
    def cardinality(self) -> int:
        """Number of codes: unknown, the levels, and missing where training rows had it."""
        return 1 + len(self.levels) + self.missing

    def numbers(self, column: "pd.Series[Any]") -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the standardised values (N,), 0 where missing, and where they are missing (N,)."""
        raw = as_numbers(column, self.kind)
        gone = np.isnan(raw)
        with np.errstate(over="ignore"):
            scaled = np.clip((raw - self.mean) / self.std, -LIMIT, LIMIT)
        scaled[gone] = 0.0
        return scaled.astype(np.float32), gone

    def codes(self, column: "pd.Series[Any]") -> NDArray[np.float32]:
        """Return codes (N,): 0 never seen, i + 1 level i, the last one missing (0 if training had none)."""
        places, names = as_names(column)
        known = {level: code for code, level in enumerate(self.levels, start=1)}
        # One more entry at the end: place -1 is a missing value.
        codes = [known.get(name, 0) for name in names] + [self.cardinality - 1 if self.missing else 0]
        return np.array(codes, dtype=np.float32)[places]


@dataclass(frozen=True)
class Schema:
    """The columns that a table model reads, learnt on training rows.

    Attributes:
        columns: the columns used, in the table's order.
        seen: all columns of the training table, the dropped ones too (arrays are matched by their number).
        named: whether the names were the user's (a frame) or made here (an array).

    New rows are matched by name. Columns that training did not have are ignored: a label, a split or an
    identifier may stand beside the features. Columns that were dropped in training may be absent.
    """

    columns: tuple[ColumnSchema, ...]
    seen: tuple[str, ...]
    named: bool

    @cached_property
    def _numeric(self) -> list[ColumnSchema]:
        return [column for column in self.columns if column.kind != "categorical"]

    @cached_property
    def _categorical(self) -> list[ColumnSchema]:
        return [column for column in self.columns if column.kind == "categorical"]

    @classmethod
    def learn(cls, values: Table) -> "Schema":
        """Learn on training rows (N, D); columns with nothing to learn from are dropped with one warning.

        Raises:
            UserError: fewer than two rows, infinities, text among numbers, or no column left.
        """
        frame, named = as_frame(values)
        if len(frame) < 2:
            raise UserError(f"training needs at least two rows; the table has {len(frame)}")
        learnt = {name: _learn_column(frame[name]) for name in frame.columns}
        columns = [column for column in learnt.values() if isinstance(column, ColumnSchema)]
        dropped: dict[str, list[str]] = {}
        for name, reason in learnt.items():
            if isinstance(reason, str):
                dropped.setdefault(reason, []).append(name)
        reasons = "; ".join(f"{reason}: {listed(names)}" for reason, names in dropped.items())
        if not columns:
            raise UserError(f"no column is left to learn from ({reasons or 'the table has none'})")
        if dropped:
            warnings.warn(f"columns dropped ({reasons})", stacklevel=3)
        return cls(tuple(columns), tuple(frame.columns), named)

    @property
    def numeric(self) -> int:
        """Number of leading numeric columns of a stored row, missing indicators among them."""
        return len(self._numeric) + sum(column.missing for column in self._numeric)

    @property
    def categories(self) -> list[int]:
        """Cardinality of each trailing code column of a stored row."""
        return [column.cardinality for column in self._categorical]

    @property
    def numbers(self) -> list[dict[str, Any]]:
        """What is known of each leading numeric column of a stored row, as plain JSON values.

        "edges" and "tail" as in `ColumnSchema`; "missing": the column that tells where its values are missing;
        "date": mean and standard deviation of its seconds since 1970 (UTC).
        """
        found: list[dict[str, Any]] = []
        indicator = len(self._numeric)
        for column in self._numeric:
            known: dict[str, Any] = {"edges": list(column.edges)}
            if column.tail:
                known["tail"] = list(column.tail)
            if column.kind == "datetime":
                known["date"] = [column.mean, column.std]
            if column.missing:
                known["missing"] = indicator
                indicator += 1
            found.append(known)
        return found + [{"edges": [0.0, 1.0]}] * (self.numeric - len(self._numeric))

    @property
    def stored_names(self) -> list[str]:
        """Name of each column of a stored row."""
        gone = [f"{column.name} missing" for column in self._numeric if column.missing]
        return [column.name for column in self._numeric] + gone + [column.name for column in self._categorical]

    @property
    def expanded_names(self) -> list[str]:
        """Name of each column after codes were expanded one-hot, as in `workclass=Private`."""
        names = self.stored_names[: self.numeric]
        for column in self._categorical:
            levels = ["(unknown)", *column.levels] + ["(missing)"] * column.missing
            names += [f"{column.name}={level}" for level in levels]
        return names

    def encode(self, values: Table) -> NDArray[np.float32]:
        """Return rows (N, numeric + categories) float32 as they are stored.

        First the numeric columns: standardised, 0 where missing, booleans 0 and 1; then one indicator for
        each of them that had missing values in training; then one code per categorical column.

        Raises:
            UserError: columns that differ from the schema, text where numbers were, infinities.
        """
        frame = self._matched(values)
        rows = np.empty((len(frame), self.numeric + len(self._categorical)), dtype=np.float32)
        indicator = len(self._numeric)
        for place, column in enumerate(self._numeric):
            rows[:, place], gone = column.numbers(frame[column.name])
            if column.missing:
                rows[:, indicator] = gone
                indicator += 1
        for place, column in enumerate(self._categorical, start=self.numeric):
            rows[:, place] = column.codes(frame[column.name])
        return rows

    def _matched(self, values: Table) -> pd.DataFrame:
        frame, named = as_frame(values)
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if named and not absent:
            return frame
        if named and self.named:
            hint = nearest(absent[0], frame.columns)
            hint = hint if "did you mean" in hint else f" (found {listed(list(frame.columns))})"
            raise UserError(f"the data lack {len(absent)} column(s) of the training: {listed(absent)}{hint}")
        if len(frame.columns) != len(self.seen):
            raise UserError(
                f"the data have {len(frame.columns)} columns, the training had {len(self.seen)}: {listed(self.seen)}"
            )
        return frame.set_axis(list(self.seen), axis=1)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON values; floats survive exactly."""
        columns = [
            {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(column).items()}
            for column in self.columns
        ]
        return {"columns": columns, "seen": list(self.seen), "named": self.named}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """Return the schema that `to_json` wrote; UserError if it is not one."""
        try:
            columns = tuple(_column_from_json(column) for column in data["columns"])
            schema = cls(columns, tuple(data["seen"]), bool(data["named"]))
        except (KeyError, TypeError) as error:
            raise UserError(f"this is no table schema of isotropy: {error}") from error
        unknown = [column.kind for column in columns if column.kind not in KINDS]
        if unknown:
            raise UserError(f"the table schema has a column of kind {unknown[0]!r}{nearest(unknown[0], KINDS)}")
        return schema


def _column_from_json(column: dict[str, Any]) -> ColumnSchema:
    learnt: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in column.items()}
    return ColumnSchema(**learnt)


def _learn_column(column: "pd.Series[Any]") -> ColumnSchema | str:
    """Return what a training column is, or why it is dropped."""
    missing = bool(column.isna().any())
    if bool(column.isna().all()):
        return "all missing"
    kind = kind_of(column)
    if kind == "categorical":
        return _learn_levels(column, missing)
    numbers = as_numbers(column, kind)
    present = numbers[~np.isnan(numbers)]
    if present.min() == present.max() and not missing:
        return "constant"
    if kind == "boolean":
        return ColumnSchema(str(column.name), kind, missing=missing, edges=tuple(edges_of(present)))
    # Centred on one value first, so that a large offset (a date, an account) costs no digits.
    with np.errstate(over="ignore", invalid="ignore"):
        centred = present - present[0]
        mean, std = float(present[0] + centred.mean()), float(centred.std())
    if not np.isfinite(std):
        largest = np.abs(present).max()
        raise UserError(f"column {column.name!r}: values up to {largest:.3g} are too large to standardise")
    scaled = np.clip((present - mean) / (std or 1.0), -LIMIT, LIMIT)
    return ColumnSchema(
        str(column.name),
        kind,
        mean=mean,
        std=std or 1.0,
        missing=missing,
        edges=tuple(edges_of(scaled)),
        tail=tuple(tail_of(scaled)),
    )


def _learn_levels(column: "pd.Series[Any]", missing: bool) -> ColumnSchema | str:
    places, names = as_names(column)
    counts = Counter[str]()
    for name, count in zip(names, np.bincount(places[places >= 0], minlength=len(names)), strict=True):
        counts[name] += int(count)
    if len(counts) == 1 and not missing:
        return "constant"
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_LEVELS]
    levels = sorted(name for name in frequent if counts[name] >= RARE * len(column))
    if len(counts) > max(20, sum(counts.values()) // 2) or not levels:
        return "nearly every row has a text of its own"
    return ColumnSchema(str(column.name), "categorical", missing=missing, levels=tuple(levels))
