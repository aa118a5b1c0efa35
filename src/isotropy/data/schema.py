"""The schema of a table: learnt on training rows alone, kept as JSON, applied to any rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.column_learning import Remarks, checked_kinds, learn_column
from isotropy.data.column_schema import ColumnSchema
from isotropy.data.frames import Table, as_frame, spread_as
from isotropy.data.odd_values import refuse_odd_values
from isotropy.data.text import TextAxes, letters
from isotropy.errors import UserError, counted, listed, nearest
from isotropy.io.json_file import check_arguments


def _has_axis(text: TextAxes | None, reading: tuple[str, ...]) -> bool:
    if text is None or not all(word.isdecimal() for word in reading[2:]):
        return False
    text.describe(pd.Series([""]))  # raises where it is damaged
    return int(reading[2]) < int(reading[3]) == len(text)


@dataclass(frozen=True)
class Schema:
    """The columns that a table model reads, learnt on training rows.

    Attributes:
        columns: the columns used, in the table's order.
        seen: all columns of the training table, the dropped ones too (arrays are matched by their number).
        named: whether the names were the user's (a frame) or made here (an array).
        texts: what was learnt of columns of free text, by name.

    New rows are matched by name. Columns that training did not have are ignored: a label, a split or an
    identifier may stand beside the features. Columns that were dropped in training may be absent.
    """

    columns: tuple[ColumnSchema, ...]
    seen: tuple[str, ...]
    named: bool
    texts: dict[str, TextAxes] = field(default_factory=dict)

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
            values: the rows. kinds: what columns are, one of `column_kinds.WANTED`, where they are not recognised.

        Raises:
            UserError: fewer than two rows, infinities, text among numbers, or no column left.
        """
        frame, named = as_frame(values)
        if len(frame) < 2:
            raise UserError(f"training needs at least two rows; the table has {len(frame)}")
        kinds = checked_kinds(kinds or {}, frame.columns)
        remarks, texts = Remarks(), dict[str, TextAxes]()
        columns = [
            made for name in frame.columns for made in learn_column(frame[name], kinds.get(name), remarks, texts)
        ]
        if not columns:
            raise UserError(f"no column is left to learn from ({remarks.reasons or 'the table has none'})")
        remarks.warn()
        return cls(tuple(columns), tuple(frame.columns), named, texts)

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
            if column.of_text:
                if column.source not in texts:
                    texts[column.source] = self._described(frame[column.source], column)
                rows[:, place], gone = column.scaled(texts[column.source][:, int(column.reading[2])])
            else:
                rows[:, place], gone = column.numbers(frame[column.name])
            if column.missing:
                rows[:, indicator] = gone
                indicator += 1
        for place, column in enumerate(self._categorical, start=self.numeric):
            rows[:, place] = column.codes(frame[column.name])
        return rows

    def _described(self, text: "pd.Series[Any]", column: ColumnSchema) -> NDArray[np.float64]:
        refuse_odd_values(text, f"column {text.name!r}")
        if column.reading[0] == "letters":
            return letters(text, int(column.reading[3]))
        return self.texts[column.source].describe(text)

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
            raise UserError(f"the data lack {counted(len(absent), 'column')} of the training: {listed(absent)}{hint}")
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
        found = {"columns": columns, "seen": list(self.seen), "named": self.named}
        return found | ({"texts": {name: asdict(one) for name, one in self.texts.items()}} if self.texts else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """Return the schema that `to_json` wrote; UserError if it is not one."""
        try:
            check_arguments(cls, data)
            columns = tuple(ColumnSchema.from_json(column) for column in data["columns"])
            if not columns:
                raise UserError("columns is empty")
            texts = {name: TextAxes(**one) for name, one in data.get("texts", {}).items()}
            for column in columns:
                # As many as it says, and so many that each has one.
                if column.reading[:1] == ("axes",) and not _has_axis(texts.get(column.source), column.reading):
                    raise UserError(f"column {column.name!r} has no axis of its text")
        except UserError as error:
            raise UserError(f"this is no table schema of isotropy: {error}") from error
        return cls(columns, tuple(data["seen"]), data["named"], texts)
