"""Columns learnt on training rows: statistics of numbers, levels of categories, letters of texts."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.column_kinds import WANTED, kind_of
from isotropy.data.column_schema import LIMIT, ColumnSchema
from isotropy.data.columns import Kind, as_names, as_numbers
from isotropy.data.number_text import NumberText
from isotropy.data.quantiles import edges_of, tail_of
from isotropy.data.text import TextAxes
from isotropy.errors import UserError, listed, nearest

MAX_LEVELS = 255
# A level in fewer than one training row in ten thousand teaches nothing about itself.
RARE = 1e-4
# Of so many training rows on a level is left out where one row alone has it.
_MANY = 20
_MARKS = 3  # texts that may mean a missing value, beside at least so many different numbers: fewer may be codes
_NUMBERS = 10
_OWN_TEXT = "nearly every row has a text of its own"


@dataclass
class Remarks:
    """What a user has to know of the columns: one line for each kind of thing."""

    read: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)

    @property
    def reasons(self) -> str:
        """Why columns were dropped, and which."""
        return "; ".join(f"{reason}: {listed(names)}" for reason, names in self.dropped.items())

    def warn(self) -> None:
        """Warn of them."""
        if self.read:
            hint = f"--kind NAME=KIND says otherwise ({', '.join(WANTED)})"
            warnings.warn(f"columns read: {_first(self.read)}; {hint}", stacklevel=4)
        if self.cut:
            warnings.warn(f"categories that few rows have count as one: {_first(self.cut)}", stacklevel=4)
        if self.dropped:
            hint = "; --kind NAME=text describes a text by its letters" if _OWN_TEXT in self.dropped else ""
            warnings.warn(f"columns dropped ({self.reasons}{hint})", stacklevel=4)


def _first(remarks: list[str], limit: int = 8) -> str:
    return ", ".join(remarks[:limit]) + (f" and {len(remarks) - limit} more" if len(remarks) > limit else "")


def checked_kinds(kinds: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the kinds that a user gives to columns; UserError where a column or a kind does not exist."""
    names = list(names)
    for name, kind in kinds.items():
        if name not in names:
            raise UserError(f"there is no column {name!r} (to be {kind}){nearest(name, names)}")
        if kind not in WANTED:
            raise UserError(f"column {name!r} cannot be of kind {kind!r}{nearest(kind, WANTED)}")
    return dict(kinds)


def learn_column(
    column: "pd.Series[Any]", wanted: str | None, remarks: Remarks, texts: dict[str, TextAxes]
) -> list[ColumnSchema]:
    """Return what a training column is, nothing where it is dropped; `texts` takes the axes of one of free text."""
    name = str(column.name)
    missing = bool(column.isna().any())
    if bool(column.isna().all()):
        remarks.dropped.setdefault("all missing", []).append(name)
        return []
    found = kind_of(column, wanted)
    learnt: list[ColumnSchema] | ColumnSchema | str
    if found.kind == "text":
        texts[name] = TextAxes.learn(column)
        learnt = _learn_axes(column, texts[name], missing)
    elif found.kind == "categorical":
        learnt = _learn_levels(column, missing, wanted is not None, remarks)
    else:
        numbers = as_numbers(column, found.kind, found.reading)
        learnt = _learn_numbers(name, found.kind, numbers, found.reading)
    marks = _marks_among_numbers(column) if found.kind == "categorical" and wanted is None and not found.why else []
    but = f"numbers except for {listed(marks)}: name what means missing with --na (na)"
    if isinstance(learnt, str):
        remarks.dropped.setdefault(but if learnt == _OWN_TEXT and marks else learnt, []).append(name)
        return []
    if marks:
        remarks.read.append(f"{name!r} as categorical ({but})")
    if found.why:
        kind = "" if found.reading else f"{found.kind}, "
        remarks.read.append(f"{name!r} as {kind}{found.why}")
    return learnt if isinstance(learnt, list) else [learnt]


def _marks_among_numbers(column: "pd.Series[Any]") -> list[str]:
    """Return the few texts that a column has beside many different numbers, as "?" or "n.a."; none where it has not."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return []
    places, values = pd.factorize(column.dropna().astype(str).str.strip())
    texts, counts = np.asarray(values, dtype=object), np.bincount(places)
    with_digits = np.array([any(map(str.isdigit, text)) for text in texts], dtype=bool)
    if with_digits.sum() < _NUMBERS or counts[with_digits].sum() < counts.sum() / 2:
        return []
    numbers = NumberText.find(texts[with_digits], counts[with_digits]) or NumberText()
    strange = np.isnan(numbers.parse(texts))
    few = strange.sum() <= _MARKS and counts[strange].sum() < counts.sum() / 2
    return list(map(str, texts[strange])) if few else []


def _learn_numbers(name: str, kind: Kind, numbers: NDArray[np.float64], reading: tuple[str, ...]) -> ColumnSchema | str:
    gone = np.isnan(numbers)
    missing, present = bool(gone.any()), numbers[~gone]
    if not len(present):
        return f"no value can be read as {kind}"
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


def _learn_axes(column: "pd.Series[Any]", axes: TextAxes, missing: bool) -> list[ColumnSchema] | str:
    """Return the columns that describe a text; the first one says where it is missing."""
    values = axes.describe(column)
    made: list[ColumnSchema] = []
    for place, numbers in enumerate(values.T):
        learnt = _learn_numbers(f"{column.name}~{place}", "numeric", numbers[~np.isnan(numbers)], ())
        if isinstance(learnt, ColumnSchema):
            reading = ("axes", str(column.name), str(place), str(values.shape[1]))
            made.append(replace(learnt, reading=reading, missing=missing and not made))
    return made or "constant"


def _learn_levels(column: "pd.Series[Any]", missing: bool, wanted: bool, remarks: Remarks) -> ColumnSchema | str:
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
        remarks.cut.append(
            f"{column.name!r} keeps {len(levels)} of {len(counts):,} ({rest:.1%} of rows have the others)"
        )
    return ColumnSchema(str(column.name), "categorical", missing=missing, levels=tuple(levels))


def frequent_levels(counts: Counter[str], rows: int) -> list[str]:
    """Return the levels of a column of so many rows that are learnt, sorted: the most frequent, none of them rare."""
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_LEVELS]
    least = max(RARE * rows, 2 if counts.total() >= _MANY else 1)
    return sorted(name for name in frequent if counts[name] >= least)
