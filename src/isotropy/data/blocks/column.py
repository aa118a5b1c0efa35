"""What stands beside the rows of large files and is kept with their embeddings, read slice by slice."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.blocks.blocks import Blocks
from isotropy.data.kept import plain_values


@dataclass(frozen=True)
class BlockColumn:
    """A column or array beside the values of blocks, (N,), of which a slice is read when it is asked for.

    Args:
        blocks: whose. name: of the column.
    """

    blocks: Blocks
    name: str

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of all its values: that of texts (objects) where any is one, of floats where a number is missing."""
        kinds, gaps = set(), False
        for number in range(len(self.blocks.blocks)):
            column = self._block(number)
            gaps = gaps or bool(column.isna().any())
            if column.notna().any():  # else they are of any type
                kinds.add(plain_values(column).dtype)
        if not kinds:
            self.blocks.refuse_absent(self.name)
        several = len({"number" if one.kind in "iuf" else one.kind for one in kinds}) != 1
        if several or (gaps and kinds == {np.dtype(bool)}):
            return np.dtype(object)
        floats = [np.dtype(np.float64)] if gaps and all(one.kind in "iu" for one in kinds) else []
        return np.result_type(*kinds, *floats)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return the values of consecutive rows: numbers, dates, booleans or texts."""
        begin, end, _ = rows.indices(len(self.blocks))
        first, last = (
            int(np.searchsorted(self.blocks.starts, place, side="right")) - 1 for place in (begin, max(begin, end - 1))
        )
        parts = [plain_values(self._block(number), self.dtype) for number in range(first, last + 1)]
        start = self.blocks.starts[first]
        return np.concatenate(parts)[begin - start : end - start]

    def _block(self, number: int) -> "pd.Series[Any]":
        return self.blocks.beside(number, self.name)
