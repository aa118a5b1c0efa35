"""What was learnt about one column of a table, and how new values of it are read by that."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.columns import Kind, as_names, as_numbers
from isotropy.errors import UserError, listed

# Standardised training values never reach this; it keeps new ones finite in float32.
LIMIT = 1e6

# So many values tell that a category is written in another way; fewer may be new ones by chance.
_TELLING = 10
# How many words a reading has, by the first of them; see `column_kinds.Found` and `ColumnSchema`.
_READINGS = {"numbers": 3, "dates": 2, "times": 1, "durations": 1, "exact numbers": 2, "letters": 4, "axes": 4}


@dataclass(frozen=True)
class ColumnSchema:
    """What was learnt about one column.

    Attributes:
        mean, std: of the training values, where they are standardised (0 and 1 for booleans).
        missing: whether training rows had missing values.
        levels: names of a categorical column's levels; level i has code i + 1.
        edges: of a numeric column, in its standardised unit; about as many training values lie between any two.
        tail: median and scale about which a long-tailed column may be read by its logarithm, else nothing.
        reading: how its texts are read where that is not plain, as in `column_kinds.Found`; of a column made of the
            letters of a text ("axes", or "letters" in older artefacts, the text's column, which of the columns, how
            many).
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
        return self.reading[1] if self.of_text else self.name

    @property
    def of_text(self) -> bool:
        """Whether it is made of the letters of a text."""
        return self.reading[:1] in (("letters",), ("axes",))

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
        if len(names) and not any(name in known for name in names):
            _say_unknown(column, int((places >= 0).sum()), names[0], self.levels)
        # One more entry at the end: place -1 is a missing value.
        codes = [known.get(name, 0) for name in names] + [self.cardinality - 1 if self.missing else 0]
        return np.array(codes, dtype=np.float32)[places]

    @classmethod
    def from_json(cls, column: dict[str, Any]) -> "ColumnSchema":
        """Return what a schema's JSON says of a column; UserError where no column can be so."""
        learnt: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in column.items()}
        made = cls(**learnt)
        words = _READINGS.get(made.reading[0]) if made.reading else 0
        strange = made.reading[:1] == ("exact numbers",) and not made.reading[-1].removeprefix("-").isdecimal()
        if made.std <= 0 or len(made.reading) != words or strange:
            raise UserError(f"column {made.name!r} has a std of {made.std} and is read as {list(made.reading)}")
        return made


def _say_unknown(column: "pd.Series[Any]", count: int, name: str, levels: Sequence[str]) -> None:
    """Warn of a category of which no value is known: it may be written in another way than in training."""
    if count >= _TELLING:
        warnings.warn(
            f"column {column.name!r}: none of its {count:,} values was there in training, such as {name!r} (there: "
            f"{listed(levels, 3)}): all count as unknown",
            stacklevel=5,
        )


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
