"""The rows nearest to a query by cosine: exact, on all threads, in memory that does not grow with the rows.

A fast product, of bf16 where the processor multiplies it and of float32 elsewhere, finds candidates. No row that could
be among the nearest is missed: the bound on its rounding is the worst case. Candidates are then scored on integers: a
row, scaled by a power of two, is rounded to a grid on which products and sums are exact in float64. So equal rows have
equal scores, and a score depends on its two rows alone: not on their places, other rows, or the number of threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import batched
from isotropy.search.cosine import AT_ONCE, cosine, inverse_lengths, on_grid, scaled, unit_rows
from isotropy.search.groups import GROUP, where_at_least
from isotropy.search.matrices import check, matrix

# Rows of a piece, queries of a block, and the numbers that either, or their similarities, may hold.
_ROWS, _QUERIES = 2048, 1024
_NUMBERS = 1 << 21


def nearest(
    queries: ArrayLike | Tensor, rows: ArrayLike | Tensor, top_k: int = 10, *, leave_out: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the numbers and the cosines of the `top_k` rows most similar to each query, both (M, top_k), best first.

    Equal cosines are ordered by row number. Rows that are equal, or differ by a power of two, have equal cosines, and
    the answer is the same to the bit on any number of threads. It takes less than 200 MB beside its arguments and its
    answer.

    Args:
        queries: (M, d) of numbers. rows: (N, d); a file's map is read piece by piece. A row of zeros has cosine 0 to
            every other.
        top_k: at most N, or N - 1 where a row is left out.
        leave_out: (M,) the number of the row that is not an answer to each query, its own; -1 for none.

    Returns:
        indices: int64. scores: float32, in [-1, 1].

    Raises:
        UserError: more rows asked for than there are, another width, or numbers that are not finite.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [2.0, 0.0], [0.0, 1.0]])
        >>> nearest(x[:1], x, 3)[0].tolist(), nearest(x, x, 1, leave_out=np.arange(4))[0].ravel().tolist()
        ([[0, 2, 1]], [2, 0, 0, 1])
    """
    q, r = matrix(queries, "queries"), matrix(rows, "rows")
    own = np.full(len(q), -1) if leave_out is None else np.asarray(leave_out)
    check(q, r, top_k, own)
    indices = np.empty((len(q), top_k), dtype=np.int64)
    scores = np.empty((len(q), top_k), dtype=np.float32)
    width = max(1, q.shape[1])
    piece = GROUP * max(1, min(_ROWS, -(-len(r) // GROUP) * GROUP, _NUMBERS // width) // GROUP)
    block = max(1, min(_QUERIES, _NUMBERS // max(width, top_k)))
    scale: Tensor | None = None
    with _full_float32():
        for start in range(0, len(q), block):
            some = slice(start, start + block)
            found = _Nearest(q[some], own[some], top_k)
            # The norms are kept from the first block of queries on.
            scale = found.read(r, piece, scale)
            indices[some], scores[some] = found.answer()
    return indices, scores


class _Nearest:
    """The nearest rows of a block of queries among the rows that were read so far."""

    def __init__(self, queries: Tensor, own: NDArray[np.int64], top_k: int) -> None:
        self.unit = unit_rows(queries, "queries")
        self.grid, self.norms = on_grid(queries)
        self.own, self.top_k = own, top_k
        # Products that find candidates, the fastest first, until one finds few.
        self.kinds = [torch.bfloat16, torch.float32] if _multiplies_bf16() else [torch.float32]
        shape = (len(queries), top_k)
        # Where fewer than top_k rows were seen, places after all rows stand in.
        self.indices, self.scores = np.full(shape, np.iinfo(np.int64).max), np.full(shape, -np.inf, dtype=np.float32)
        self.pending: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []

    def read(self, rows: Tensor, piece: int, scale: Tensor | None) -> Tensor:
        """Read all rows, `piece` at a time; return what scales each to length 1."""
        known = scale is not None
        scale = torch.empty(len(rows)) if scale is None else scale
        buffer = torch.zeros(piece, rows.shape[1])
        for start in range(0, len(rows), piece):
            some = rows[start : start + piece]
            if not known:
                scale[start : start + piece] = inverse_lengths(some, "rows", start)
            scaled(some, scale[start : start + piece], buffer[: len(some)])
            pairs = self._candidates(buffer, start, len(some))
            if pairs is None:
                self._score_all(some, start)
            else:
                self._score(*pairs, some, start)
        return scale

    def answer(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the numbers and the scores of the nearest rows, best first."""
        self._merge()
        return self.indices, self.scores

    def _candidates(self, unit: Tensor, start: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return pairs of a query and one of `count` rows that may be near, or None where most are."""
        mine = np.flatnonzero((self.own >= start) & (self.own < start + count))
        # As many as rows in random order give, and what costs less to score than a slower product.
        expected = 3 * self.top_k * len(self.unit) * len(unit) // (start + len(unit))
        while self.kinds:
            kind = self.kinds[0]
            similarity = self.unit.to(kind) @ unit.to(kind).T
            similarity[:, count:] = -torch.inf
            similarity[mine, self.own[mine] - start] = -torch.inf
            margin = _margin(kind, unit.shape[1])
            most = expected + similarity.numel() // (512 if self.kinds[1:] else 32)
            # No answers yet, or a piece that is nearer than those before: its own answers are the better bound.
            if not start or (pairs := where_at_least(similarity, _real(self._kth() - margin), most)) is None:
                self._merge()
                bound = self._kth()
                if self.top_k <= len(unit):
                    kth = similarity.topk(self.top_k, dim=1).values[:, -1].float()
                    bound = torch.maximum(bound, kth - margin)
                pairs = where_at_least(similarity, _real(bound - margin), most)
            if pairs is not None or kind == torch.float32:
                return pairs
            self.kinds = self.kinds[1:]
        raise AssertionError("float32 is the last kind")

    def _kth(self) -> Tensor:
        """Return the worst score of each query's answers."""
        return torch.from_numpy(self.scores[:, -1])

    def _score(self, which: NDArray[np.int64], places: NDArray[np.int64], rows: Tensor, start: int) -> None:
        """Score pairs of a query and a row."""
        unique, turn = np.unique(places, return_inverse=True)
        grid, norms = on_grid(rows[torch.from_numpy(unique)])
        query, row = torch.from_numpy(which), torch.from_numpy(turn)
        products = torch.empty(len(query), dtype=torch.float64)
        for some in batched(len(query), rows=max(1, AT_ONCE // max(1, grid.shape[1]))):
            one = self.grid.index_select(0, query[some])
            products[some] = one.mul_(grid.index_select(0, row[some])).sum(1)
        self._keep(which, start + places, cosine(products, self.norms[query], norms[row]))

    def _score_all(self, rows: Tensor, start: int) -> None:
        """Score every pair: most are about as near as the nearest, as where rows are copies of each other."""
        for some in batched(len(rows), rows=max(1, AT_ONCE // max(1, rows.shape[1]))):
            grid, norms = on_grid(rows[some])
            score = cosine(self.grid @ grid.T, self.norms[:, None], norms)
            places = start + some.start + np.arange(score.shape[1])
            score[places == self.own[:, None]] = -np.inf
            which, order = np.nonzero(score > self.scores[:, -1:])
            if len(which) > 2 * self.indices.size:
                # Of equal ones the first are the answers.
                best = np.argsort(-score, axis=1, kind="stable")[:, : self.top_k]
                which, order = np.repeat(np.arange(len(score)), best.shape[1]), best.ravel()
            self._keep(which, places[order], score[which, order])
            self._merge()

    def _keep(self, which: NDArray[np.int64], places: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Keep scored pairs; they are merged when they are as many as the answers, since the older bound holds too."""
        # Rows come in order: one that is as near as the worst of the answers comes too late.
        nearer = scores > self.scores[which, -1]
        self.pending.append((which[nearer], places[nearer], scores[nearer]))
        if sum(len(each) for each, _, _ in self.pending) >= self.indices.size:
            self._merge()

    def _merge(self) -> None:
        if not self.pending:
            return
        which, places, scores = (np.concatenate(each) for each in zip(*self.pending, strict=True))
        self.pending = []
        touched = np.unique(which)
        which = np.concatenate([np.repeat(touched, self.top_k), which])
        places = np.concatenate([self.indices[touched].ravel(), places])
        scores = np.concatenate([self.scores[touched].ravel(), scores])
        order = np.lexsort((places, -scores, which))
        first = np.searchsorted(which[order], touched)
        best = order[first[:, None] + np.arange(self.top_k)]
        self.indices[touched], self.scores[touched] = places[best], scores[best]


def _real(bound: Tensor) -> Tensor:
    # What is left out, or behind the last row, is minus infinity, and is never a candidate.
    return bound.clamp(min=-2)


def _margin(kind: torch.dtype, width: int) -> float:
    """Return the largest distance between a product of rows of length 1, of numbers of `kind`, and the score."""
    # gamma_d of the sum in float32, as much of the norms, and a few roundings.
    margin = (width + 8) * 2.0**-23
    # Both factors and the product are rounded to 8 bits, each by at most 2^-8 of itself.
    return margin if kind == torch.float32 else margin + 3.02 * 2.0**-8


@cache
def _multiplies_bf16() -> bool:
    """Whether the processor multiplies bf16, and so faster than float32."""
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


@contextmanager
def _full_float32() -> Iterator[None]:
    """Full float32 products, and no gradients, whatever the caller has set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
