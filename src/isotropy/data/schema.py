"""The schema of a table: learnt on training rows alone, kept as JSON, applied to any rows."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.columns import WANTED, Kind, as_names, as_numbers, kind_of
from isotropy.data.frames import as_pandas, spread, spread_as
from isotropy.data.quantiles import edges_of, tail_of
from isotropy.data.tensors import as_array
from isotropy.data.text import letters
from isotropy.errors import UserError, nearest
from isotropy.io.json_file import check_arguments

MAX_LEVELS = 255
# A level in fewer than one training row in ten thousand teaches nothing about itself.
RARE = 1e-4
# Standardised training values never reach this; it keeps new ones finite in float32.
LIMIT = 1e6

# Of so many training rows on a level is left out where one row alone has it.
_MANY = 20

Table = pd.DataFrame | NDArray[Any] | Tensor


def as_frame(values: Any) -> tuple[pd.DataFrame, bool]:
    """Return a table (N, D) as a frame with text names (an array's: x0, x1, ...), and whether these are the user's.

    Frames of other libraries are taken as `frames.as_pandas` does, and columns of lists as `frames.spread`.
    """
    values = as_pandas(values)
    if isinstance(values, pd.DataFrame):
        return spread(values), True
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
        reading: how its texts are read where that is not plain, as in `columns.Found`; of a column made of the letters
            of a text ("letters", the text's column, which of the columns, how many).
        fill: what stands for a missing value where training rows had none: 0, the mean, or the fraction of true.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    std: float = 1.0
    missing: bool = False
    levels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    tail: tuple[float, ...] = ()
    reading: tuple[str, ...] = ()
    fill: float = 0.0

    @property
    def source(self) -> str:
        """The column of a table that it is made of."""
        return self.reading[1] if self.reading[:1] == ("letters",) else self.name

    @property
    def cardinality(self) -> int:
        """Number of codes: unknown, the levels, and missing where training rows had it."""
        return 1 + len(self.levels) + self.missing

    def numbers(self, column: "pd.Series[Any]") -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the standardised values (N,), `fill` where missing, and where they are missing (N,)."""
        raw = as_numbers(column, self.kind, self.reading)
        if self.reading:
            _say_unread(column, np.isnan(raw), self.reading[0])
        return self.scaled(raw)

    def scaled(self, raw: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return what `numbers` does of values (N,) that are numbers already, NaN where missing."""
        gone = np.isnan(raw)
        with np.errstate(over="ignore"):
            scaled = np.clip((raw - self.mean) / self.std, -LIMIT, LIMIT)
        scaled[gone] = self.fill
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
    def learn(cls, values: Table, kinds: Mapping[str, str] | None = None) -> "Schema":
        """Learn on training rows (N, D); one warning each says what was read, cut and dropped of which columns.

        Args:
            values: the rows. kinds: what columns are, one of `columns.WANTED`, where they are not recognised.

        Raises:
            UserError: fewer than two rows, infinities, text among numbers, or no column left.
        """
        frame, named = as_frame(values)
        if len(frame) < 2:
            raise UserError(f"training needs at least two rows; the table has {len(frame)}")
        kinds = checked_kinds(kinds or {}, frame.columns)
        said = _Said()
        columns = [made for name in frame.columns for made in _learn_column(frame[name], kinds.get(name), said)]
        if not columns:
            raise UserError(f"no column is left to learn from ({said.reasons or 'the table has none'})")
        said.warn()
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
        texts: dict[str, NDArray[np.float64]] = {}
        for place, column in enumerate(self._numeric):
            if column.reading[:1] == ("letters",):
                if column.source not in texts:
                    texts[column.source] = letters(frame[column.source], int(column.reading[3]))
                rows[:, place], gone = column.scaled(texts[column.source][:, int(column.reading[2])])
            else:
                rows[:, place], gone = column.numbers(frame[column.name])
            if column.missing:
                rows[:, indicator] = gone
                indicator += 1
        for place, column in enumerate(self._categorical, start=self.numeric):
            rows[:, place] = column.codes(frame[column.name])
        return rows

    def _matched(self, values: Table) -> pd.DataFrame:
        frame, named = as_frame(values)
        frame = spread_as(frame, self.seen) if named else frame
        needed = dict.fromkeys(column.source for column in self.columns)
        absent = [name for name in needed if name not in frame.columns]
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
            check_arguments(cls, data)
            columns = tuple(_column_from_json(column) for column in data["columns"])
            if not columns:
                raise UserError("columns is empty")
        except UserError as error:
            raise UserError(f"this is no table schema of isotropy: {error}") from error
        return cls(columns, tuple(data["seen"]), data["named"])


def _column_from_json(column: dict[str, Any]) -> ColumnSchema:
    learnt: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in column.items()}
    made = ColumnSchema(**learnt)
    words = _READINGS.get(made.reading[0]) if made.reading else 0
    strange = made.reading[:1] == ("exact numbers",) and not made.reading[-1].removeprefix("-").isdecimal()
    if made.std <= 0 or len(made.reading) != words or strange:
        raise UserError(f"column {made.name!r} has a std of {made.std} and is read as {list(made.reading)}")
    return made


# How many words a reading has, by the first of them; see `columns.Found` and `ColumnSchema`.
_READINGS = {"numbers": 3, "dates": 2, "times": 1, "durations": 1, "exact numbers": 2, "letters": 4}


@dataclass
class _Said:
    """What a user has to know of the columns: one line for each kind of thing."""

    read: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    @property
    def reasons(self) -> str:
        return "; ".join(f"{reason}: {listed(names)}" for reason, names in self.dropped.items())

    def warn(self) -> None:
        if self.read:
            some = ", ".join(self.read[:8]) + (f" and {len(self.read) - 8} more" if len(self.read) > 8 else "")
            warnings.warn(f"columns read: {some}; --kind NAME=KIND says otherwise ({', '.join(WANTED)})", stacklevel=4)
        if self.cut:
            some = ", ".join(self.cut[:8]) + (f" and {len(self.cut) - 8} more" if len(self.cut) > 8 else "")
            warnings.warn(f"categories that few rows have count as one: {some}", stacklevel=4)
        if self.dropped:
            hint = "; --kind NAME=text describes a text by its letters" if _OWN_TEXT in self.dropped else ""
            warnings.warn(f"columns dropped ({self.reasons}{hint})", stacklevel=4)


_OWN_TEXT = "nearly every row has a text of its own"
_MARKS = 3  # texts beside numbers that may mean a missing value


def checked_kinds(kinds: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the kinds that a user gives to columns; UserError where a column or a kind does not exist."""
    names = list(names)
    for name, kind in kinds.items():
        if name not in names:
            raise UserError(f"there is no column {name!r} (to be {kind}){nearest(name, names)}")
        if kind not in WANTED:
            raise UserError(f"column {name!r} cannot be of kind {kind!r}{nearest(kind, WANTED)}")
    return dict(kinds)


def _say_unread(column: "pd.Series[Any]", gone: NDArray[np.bool_], what: str) -> None:
    """Warn of values that are there and could not be read."""
    unread = np.flatnonzero(gone & column.notna().to_numpy())
    if len(unread):
        place = int(unread[0])
        warnings.warn(
            f"column {column.name!r}: {len(unread):,} of {len(column):,} values are no {what} as in training and count "
            f"as missing, such as {column.iloc[place]!r} (row {column.index[place]})",
            stacklevel=5,
        )


def _learn_column(column: "pd.Series[Any]", wanted: str | None, said: _Said) -> list[ColumnSchema]:
    """Return what a training column is, nothing where it is dropped."""
    name = str(column.name)
    missing = bool(column.isna().any())
    if bool(column.isna().all()):
        said.dropped.setdefault("all missing", []).append(name)
        return []
    found = kind_of(column, wanted)
    learnt: list[ColumnSchema] | ColumnSchema | str
    if found.kind == "text":
        learnt = _learn_letters(column, missing)
    elif found.kind == "categorical":
        learnt = _learn_levels(column, missing, wanted is not None, said)
    else:
        numbers = as_numbers(column, found.kind, found.reading)
        learnt = _learn_numbers(name, found.kind, numbers, found.reading)
    if isinstance(learnt, str):
        if learnt == _OWN_TEXT and (marks := _marks_among_numbers(column)):
            learnt = f"numbers except for {listed(marks)}: name what means missing with --na (na)"
        said.dropped.setdefault(learnt, []).append(name)
        return []
    if found.why:
        kind = "" if found.reading else f"{found.kind}, "
        said.read.append(f"{name!r} as {kind}{found.why}")
    return learnt if isinstance(learnt, list) else [learnt]


def _marks_among_numbers(column: "pd.Series[Any]") -> list[str]:
    """Return the few texts that a column has beside numbers, as "?" or "-"; none where it is no such column."""
    texts = column.dropna().astype(str).str.strip()
    strange = pd.to_numeric(texts, errors="coerce").isna()
    marks = [str(one) for one in texts[strange].unique()]
    return marks if strange.mean() < 0.5 and len(marks) <= _MARKS else []


def _learn_numbers(name: str, kind: Kind, numbers: NDArray[np.float64], reading: tuple[str, ...]) -> ColumnSchema | str:
    gone = np.isnan(numbers)
    missing, present = bool(gone.any()), numbers[~gone]
    if not len(present):
        return f"none of its values is a {kind}"
    if present.min() == present.max() and not missing:
        return "constant"
    if kind == "boolean":
        fill = 0.0 if missing else float(present.mean())
        return ColumnSchema(name, kind, missing=missing, edges=tuple(edges_of(present)), fill=fill)
    # Centred on one value first, so that a large offset (a date, an account) costs no digits.
    with np.errstate(over="ignore", invalid="ignore"):
        centred = present - present[0]
        mean, std = float(present[0] + centred.mean()), float(centred.std())
    if not np.isfinite(std):
        largest = np.abs(present).max()
        raise UserError(f"column {name!r}: values up to {largest:.3g} are too large to standardise")
    scaled = np.clip((present - mean) / (std or 1.0), -LIMIT, LIMIT)
    return ColumnSchema(
        name,
        kind,
        mean=mean,
        std=std or 1.0,
        missing=missing,
        edges=tuple(edges_of(scaled)),
        tail=tuple(tail_of(scaled)),
        reading=reading,
    )


def _learn_letters(column: "pd.Series[Any]", missing: bool) -> list[ColumnSchema] | str:
    """Return the columns that describe a text; the first one says where it is missing."""
    values = letters(column)
    made: list[ColumnSchema] = []
    for place, numbers in enumerate(values.T):
        learnt = _learn_numbers(f"{column.name}~{place}", "numeric", numbers[~np.isnan(numbers)], ())
        if isinstance(learnt, ColumnSchema):
            reading = ("letters", str(column.name), str(place), str(values.shape[1]))
            made.append(replace(learnt, reading=reading, missing=missing and not made))
    return made or "constant"


def _learn_levels(column: "pd.Series[Any]", missing: bool, wanted: bool, said: _Said) -> ColumnSchema | str:
    places, names = as_names(column)
    counts = Counter[str]()
    for name, count in zip(names, np.bincount(places[places >= 0], minlength=len(names)), strict=True):
        counts[name] += int(count)
    total = sum(counts.values())
    if len(counts) == 1 and not missing:
        return "constant"
    if len(counts) > max(20, total // 2) and not wanted:
        return _OWN_TEXT
    levels = frequent_levels(counts, len(column))
    if not levels:
        return _OWN_TEXT
    if len(levels) < len(counts):
        rest = 1 - sum(counts[name] for name in levels) / total
        said.cut.append(f"{column.name!r} keeps {len(levels)} of {len(counts):,} ({rest:.1%} of rows have the others)")
    return ColumnSchema(str(column.name), "categorical", missing=missing, levels=tuple(levels))


def frequent_levels(counts: Counter[str], rows: int) -> list[str]:
    """Return the levels of a column of so many rows that are learnt, sorted: the most frequent, none of them rare."""
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_LEVELS]
    least = max(RARE * rows, 2 if counts.total() >= _MANY else 1)
    return sorted(name for name in frequent if counts[name] >= least)
