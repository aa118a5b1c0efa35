"""An index for more rows than an exact search has time for: HNSW graphs of usearch (extra `search`)."""

from importlib import import_module
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import batched
from isotropy.errors import UserError
from isotropy.search.cosine import cosines, unit_rows
from isotropy.search.matrices import check, matrix
from isotropy.validation import at_least

_PIECE = 65_536


@runtime_checkable
class Index(Protocol):
    """What finds rows near to queries: `ApproximateIndex`, or one of your own."""

    def search(
        self, queries: ArrayLike | Tensor, top_k: int = 10, *, leave_out: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return numbers and cosines of rows as `nearest` does, (M, top_k) each."""
        ...


class ApproximateIndex:
    """A graph of neighbours over rows, which finds most of the nearest without looking at all.

    Scores are the cosines that `nearest` gives; among the rows may be missing some that are nearer. It is built on all
    cores, so that two builds may find different rows. It holds the rows a second time, in float32.

    Args:
        rows: (N, d), kept (a file's map is not read into memory); cosines are of these.
        connectivity: links of a row. effort: rows that are looked at for a query, at least; more find more.

    Raises:
        UserError: usearch is missing, rows that are no matrix of finite numbers, a connectivity below 2, or no effort.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(1000, 16))
        >>> index = ApproximateIndex(rows)  # doctest: +SKIP
        >>> index.search(rows[:2], top_k=3)[0][:, 0].tolist()  # doctest: +SKIP
        [0, 1]
    """

    def __init__(self, rows: ArrayLike | Tensor, *, connectivity: int = 16, effort: int = 128) -> None:
        try:
            usearch = import_module("usearch.index")
        except ImportError as error:
            raise UserError(f"an index needs the package usearch: pip install 'isotropy[search]' ({error})") from error
        at_least(2, connectivity=connectivity)
        at_least(1, effort=effort)
        self.rows = matrix(rows, "rows")
        # float32: by default usearch keeps 16 bits of a number, and near rows change places.
        self._graph = usearch.Index(
            ndim=self.rows.shape[1], metric="cos", dtype="f32", connectivity=connectivity, expansion_add=effort,
            expansion_search=effort,
        )  # fmt: skip
        for part in batched(len(self.rows), rows=_PIECE):
            self._graph.add(np.arange(part.start, part.stop), unit_rows(self.rows[part], "rows", part.start).numpy())

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def search(
        self, queries: ArrayLike | Tensor, top_k: int = 10, *, leave_out: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return numbers and cosines as `nearest` does, (M, top_k), of the nearest rows that the graph finds.

        Raises:
            UserError: what `nearest` raises.
        """
        asked = matrix(queries, "queries")
        own = np.full(len(asked), -1) if leave_out is None else np.asarray(leave_out)
        check(asked, self.rows, top_k, own)
        if not len(asked):
            return np.empty((0, top_k), dtype=np.int64), np.empty((0, top_k), dtype=np.float32)
        # Some more than are asked for: their exact order may be another, and one may be left out.
        count = min(len(self), top_k + max(10, top_k // 4))
        found = self._graph.search(unit_rows(asked, "queries", 0).numpy(), count)
        places = np.asarray(found.keys).astype(np.int64).reshape(len(asked), -1)
        if places.shape[1] < count:
            raise UserError(
                f"the index found {places.shape[1]} of {count} rows: search exactly (isotropy.search.nearest)"
            )
        scores = cosines(asked, self.rows, places)
        scores[places == own[:, None]] = -np.inf
        order = np.lexsort((places, -scores), axis=1)[:, :top_k]
        return np.take_along_axis(places, order, 1), np.take_along_axis(scores, order, 1)
