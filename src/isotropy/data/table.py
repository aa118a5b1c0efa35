"""Preprocessing of tables: numbers standardised, categories as codes, by what was learnt of the columns."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.blocks.schema import exact
from isotropy.data.frames import Table, as_pandas
from isotropy.data.preprocess import Preprocess
from isotropy.data.schema import Schema
from isotropy.data.tensors import as_array, as_tensor
from isotropy.errors import UserError, counted

# Columns that a message names.
_SHOWN = 8


class TablePreprocess(Preprocess):
    """Tables: rows of standardised numbers and of codes.

    Args:
        schema: what was learnt about the columns.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [20.0, 40.0, None], "job": ["cook", "smith", "cook"]})
        >>> table = TablePreprocess.learn(frame)
        >>> table.transform(frame)
        tensor([[-1.,  0.,  1.],
                [ 1.,  0.,  2.],
                [ 0.,  1.,  1.]])
        >>> table.shape["numeric"], table.shape["categories"], table.shape["numbers"][0]
        (2, [3], {'edges': [-1.0, 1.0], 'missing': 1})
    """

    modality = "table"
    noun = "a table"
    takes_frames = True

    @classmethod
    def infers(cls, array: NDArray[Any]) -> bool:
        """Return whether an array has two dimensions."""
        return array.ndim == 2

    @classmethod
    def arrange(cls, array: NDArray[Any], scale: str | None = None) -> tuple[NDArray[Any], str]:
        """Return a table (N, D) as it is; see `Preprocess.arrange`."""
        if array.ndim != 2:
            raise UserError(
                f"a table has two dimensions (rows, columns); this array has shape {array.shape}: flatten it, or "
                "leave the modality to be detected"
            )
        return array, f"a table of {array.shape[1]} columns"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.column_names = list(dict.fromkeys(column.source for column in schema.columns))
        as_text = (column for column in schema.columns if column.kind == "categorical" or column.reading)
        self.text_columns = list(dict.fromkeys(column.source for column in as_text))

    @classmethod
    def learn(
        cls,
        values: Table,
        rows: NDArray[np.int64] | None = None,
        *,
        any_length: bool = False,
        kinds: Mapping[str, str] | None = None,
    ) -> Self:
        """Learn the schema on the training rows of (N, D); see `Schema.learn` for `kinds`, warnings and errors."""
        if rows is not None:
            values = as_pandas(values)
            values = values.iloc[rows] if isinstance(values, pd.DataFrame) else values[rows]
        return cls(Schema.learn(values, kinds))

    @classmethod
    def learn_blocks(
        cls,
        sample: Table,
        rows: NDArray[np.int64],
        training: Any,
        *,
        any_length: bool = False,
        **told: Any,
    ) -> Self:
        """Learn what columns are on the sample's training rows, and their numbers on all; see `blocks.schema.exact`."""
        known = cls.learn(sample, rows, **told)
        if len(rows) == len(training):
            return known
        some = sample.iloc[rows] if isinstance(sample, pd.DataFrame) else as_array(sample)[rows]
        return cls(exact(known.schema, some, training.read(known.text_columns)))

    @property
    def shape(self) -> dict[str, Any]:
        """The number of leading numeric columns, the cardinality of each trailing code column, and `Schema.numbers`."""
        return {
            "numeric": self.schema.numeric,
            "categories": self.schema.categories,
            "numbers": self.schema.numbers,
        }

    @property
    def trained_on(self) -> str:
        """A table, with the names of its columns where they have any."""
        if not self.schema.named:
            return f"a table of {counted(len(self.schema.seen), 'column')}"
        shown = [str(name) for name in self.column_names[:_SHOWN]]
        more = len(self.column_names) - len(shown)
        return f"a table with columns {', '.join(shown)}" + (f" and {more} more" if more else "")

    def read_options(self, *, folder: bool) -> dict[str, Any]:
        """Return which columns of new data are to be read as text, whatever they look like there."""
        return {"text": self.text_columns} if self.text_columns else {}

    def transform(self, values: Table) -> Tensor:
        """Return rows (N, D) as float32 (N, numeric + categories); see `Schema.encode`."""
        return as_tensor(self.schema.encode(values))

    def columns(self, rows: Tensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return stored rows as (N, D), NaN where a value is missing, and which columns are codes (D,)."""
        values = rows.detach().cpu().numpy()
        numeric = [column for column in self.schema.columns if column.kind != "categorical"]
        out = np.concatenate([values[:, : len(numeric)], values[:, self.schema.numeric :]], axis=1)
        with_missing = [place for place, column in enumerate(numeric) if column.missing]
        for place, gone in zip(with_missing, values[:, len(numeric) : self.schema.numeric].T, strict=True):
            out[gone > 0, place] = np.nan
        codes = np.arange(out.shape[1]) >= len(numeric)
        return out.astype(np.float32), codes

    def names(self) -> list[str]:
        """Return what the columns that `columns` gives are called, D texts."""
        ordered = sorted(self.schema.columns, key=lambda column: column.kind == "categorical")
        return [column.name for column in ordered]

    def features(self, rows: Tensor) -> NDArray[np.float32]:
        """Return stored rows as (N, F) float32, codes expanded one-hot (unknown and missing included)."""
        stored = rows.detach().cpu().numpy()
        *starts, width = accumulate(self.schema.categories, initial=self.schema.numeric)
        expanded = np.zeros((len(stored), width), dtype=np.float32)
        expanded[:, : self.schema.numeric] = stored[:, : self.schema.numeric]
        codes = stored[:, self.schema.numeric :].astype(np.intp)
        np.put_along_axis(expanded, codes + np.array(starts, dtype=np.intp), 1.0, axis=1)
        return expanded

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON values."""
        return {"modality": "table", "schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote; UserError if it is not one."""
        return cls(Schema.from_json(data.get("schema", {})))
