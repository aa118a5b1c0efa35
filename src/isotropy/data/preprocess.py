"""What is learnt on the training rows before any network sees them: one class per modality.

Each has the same methods: `learn(values, rows)` on the training rows of all, `transform(values)` for rows as they
are kept and batched, `to_input(rows)` for the encoder's input, `shape` for building an encoder, `features(rows)`
for baselines, and `to_json` and `from_json`, between which every number survives exactly.
"""

from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data.images import ImagePreprocess
from isotropy.data.schema import Schema, Table
from isotropy.data.series import SeriesPreprocess
from isotropy.data.tensors import as_tensor


class Preprocess(Protocol):
    """What the rest of the library asks of a preprocessing."""

    modality: str

    @property
    def shape(self) -> dict[str, Any]:
        """What an encoder must know of a row, as plain JSON values."""
        ...

    def transform(self, values: Any) -> Tensor:
        """Return rows as they are stored and batched."""
        ...

    def to_input(self, rows: Tensor) -> Tensor:
        """Return stored rows as the float32 input of an encoder."""
        ...

    def features(self, rows: Tensor) -> NDArray[np.float32]:
        """Return stored rows as raw features (N, F) for baselines."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what was learnt, as plain JSON values."""
        ...


class TablePreprocess:
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
        >>> table.shape
        {'numeric': 2, 'categories': [3]}
    """

    modality = "table"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @classmethod
    def learn(cls, values: Table, rows: NDArray[np.int64] | None = None) -> Self:
        """Learn the schema on the training rows of (N, D), or on all; see `Schema.learn` for warnings and errors."""
        if rows is not None:
            values = values.iloc[rows] if isinstance(values, pd.DataFrame) else values[rows]
        return cls(Schema.learn(values))

    @property
    def shape(self) -> dict[str, Any]:
        """The number of leading numeric columns, and the cardinality of each trailing code column."""
        return {"numeric": self.schema.numeric, "categories": self.schema.categories}

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of `features`."""
        return self.schema.expanded_names

    def transform(self, values: Table) -> Tensor:
        """Return rows (N, D) as float32 (N, numeric + categories); see `Schema.encode`."""
        return as_tensor(self.schema.encode(values))

    def to_input(self, rows: Tensor) -> Tensor:
        """Return the rows as they are: encoders expand the codes themselves."""
        return rows

    def features(self, rows: Tensor) -> NDArray[np.float32]:
        """Return stored rows as (N, F) float32, codes expanded one-hot (unknown and missing included)."""
        stored = rows.detach().cpu().numpy()
        numeric = self.schema.numeric
        parts = [stored[:, :numeric]]
        for place, cardinality in enumerate(self.schema.categories, start=numeric):
            parts.append(np.eye(cardinality, dtype=np.float32)[stored[:, place].astype(np.intp)])
        return np.concatenate(parts, axis=1)

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON values."""
        return {"modality": "table", "schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote; UserError if it is not one."""
        return cls(Schema.from_json(data.get("schema", {})))


PREPROCESS: dict[str, type[TablePreprocess] | type[SeriesPreprocess] | type[ImagePreprocess]] = {
    "table": TablePreprocess,
    "series": SeriesPreprocess,
    "image": ImagePreprocess,
}
