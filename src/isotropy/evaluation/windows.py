"""Windows of one series that overlap, in the order of the file or not: which go on with which, across which split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched, spread_out

Rows = NDArray[np.int64]
_PIECE = 4096
_PAIRS = 512  # consecutive rows on which a hop is looked for, and rows on which it is seen whether they were shuffled
_SOME = 0.2  # of the pairs: fewer that fit at a hop do so by chance, as flat or two-valued series do
_ELSEWHERE = 0.01  # of the rows: from so many on that go on with a row out of the file's order, it is not theirs
_MORE_THAN_CHANCE = 4  # times as many as go on with a beginning that is read backwards
_TRIED = 4  # places in a row at which another may begin, the first ones, that are compared to the end
_BASE, _ODD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Which rows are overlapping windows of longer series.

    Attributes:
        order: (N,) the rows, each before the one that goes on with it; the order of the file where that is so there.
        linked: (N - 1,) whether the row at a place of `order` overlaps the next one.
        hop: the commonest distance of the two in steps; 0 where rows do not overlap.
    """

    order: Rows
    linked: NDArray[np.bool_]
    hop: int

    @classmethod
    def of_file(cls, linked: NDArray[np.bool_], hop: int) -> "Overlaps":
        """Return the overlaps of rows in the order of the file, of which is known whether each overlaps the next."""
        return cls(np.arange(len(linked) + 1), linked, hop)

    @property
    def shuffled(self) -> bool:
        """Whether rows that go on with each other stand elsewhere in the file."""
        return bool(self.hop) and not np.array_equal(self.order, np.arange(len(self.order)))

    def blocks(self, *, most: float = 0.05) -> Rows:
        """Return the block of each row (N,), of windows that overlap; long ones are cut at `most` of the rows.

        Example:
            >>> Overlaps(np.array([2, 0, 1, 3]), np.array([True, False, True]), 5).blocks(most=1.0).tolist()
            [0, 1, 0, 1]
        """
        blocks = np.concatenate([[0], np.cumsum(~self.linked)])
        starts, sizes = np.unique(blocks, return_index=True)[1], np.bincount(blocks)
        longest = max(1, int(most * len(blocks)))
        pieces = -(-sizes // longest)
        inside = (np.arange(len(blocks)) - starts[blocks]) * pieces[blocks] // sizes[blocks]
        return self._of_rows(np.unique(np.stack([blocks, inside], axis=1), axis=0, return_inverse=True)[1].reshape(-1))

    def across(self, test: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
        """Return which rows (N,) overlap a row of the other side, at most `reach` rows away in a chain of windows."""
        blocks = np.concatenate([[0], np.cumsum(~self.linked)])
        side, out = test[self.order], np.zeros(len(test), dtype=bool)
        for away in range(1, min(reach, len(test) - 1) + 1):
            meets = (blocks[away:] == blocks[:-away]) & (side[away:] != side[:-away])
            out[away:] |= meets
            out[:-away] |= meets
        return self._of_rows(out)

    def _of_rows(self, values: NDArray[Any]) -> NDArray[Any]:
        out = np.empty_like(values)
        out[self.order] = values
        return out


def overlaps(series: NDArray[Any]) -> Overlaps:
    """Return which rows are windows that overlap, exactly and in every channel.

    A row goes on with another at a hop h where its steps from h on are the first steps of the other, at least four and
    a tenth of them, and these steps vary. Windows that were normalised one by one are not recognised; shuffled ones
    are, and those of which some stand in another part of the file.

    Args:
        series: (N, channels, T).

    Example:
        >>> signal = np.random.default_rng(0).normal(size=100)
        >>> windows = np.stack([signal[start : start + 20] for start in range(0, 80, 5)])[:, None]
        >>> found = overlaps(windows)
        >>> bool(found.linked.all()), found.hop, found.shuffled
        (True, 5, False)
        >>> overlaps(windows[[5, 0, 2, 4, 1, 3, 6, 7]]).order.tolist()
        [1, 4, 2, 5, 3, 0, 6, 7]
    """
    count, steps = len(series), series.shape[-1]
    file, least = np.arange(count), max(4, steps // 10)
    if count < 4 or steps <= least:
        return Overlaps(file, np.zeros(max(0, count - 1), dtype=bool), 0)
    order = _reordered(series, _hops_to_next(series, file, least), least)
    hops = _hops_to_next(series, file if order is None else order, least)
    return Overlaps(file if order is None else order, hops > 0, int(np.bincount(hops[hops > 0], minlength=1).argmax()))


def _hops_to_next(series: NDArray[Any], order: Rows, least: int) -> Rows:
    """Return the hop at which each row goes on with the next one in an order, (N - 1,); 0 where it does not.

    The hops are the four at which most pairs do, if many do.
    """
    found = np.zeros(len(order) - 1, dtype=np.int64)
    some = spread_out(len(found), _PAIRS)
    pairs = zip(_filled(series[order[some]]), _filled(series[order[some + 1]]), strict=True)
    counts = np.bincount([hop for first, second in pairs for hop in _hops(first, second, least)], minlength=1)
    few = max(3, _SOME * len(some))
    for hop in [int(hop) for hop in np.argsort(-counts, kind="stable")[:4] if counts[hop] >= few]:
        for piece in batched(len(found), rows=_PIECE):
            first, second = (_filled(series[order[piece.start + k : piece.stop + k]]) for k in (0, 1))
            head = second[:, :, : series.shape[-1] - hop]
            fits = (first[:, :, hop:] == head).all((1, 2)) & (head != head[:, :, :1]).any((1, 2))
            found[piece] = np.where(fits & (found[piece] == 0), hop, found[piece])
    return found


def _hops(first: NDArray[Any], second: NDArray[Any], least: int) -> list[int]:
    """Return the hops at which the end of one window (channels, T) is the start of the next one."""
    steps = first.shape[1]
    starts = np.flatnonzero((first[:, 1 : steps - least + 1] == second[:, :1]).all(axis=0)) + 1
    return [int(hop) for hop in starts if _goes_on(first, second, int(hop))][:1]


def _goes_on(first: NDArray[Any], second: NDArray[Any], hop: int) -> bool:
    head = second[:, : second.shape[1] - hop]
    return np.array_equal(first[:, hop:], head) and bool((head != head[:, :1]).any())


def _reordered(series: NDArray[Any], to_next: Rows, least: int) -> Rows | None:
    """Return an order in which rows go on with the next one, or None where that is the file's; its hops are known."""
    beginnings = _Beginnings.of(series, least)
    some = spread_out(len(series), _PAIRS)
    known = np.append(to_next, 0)
    if not _go_on_elsewhere(series, some, known[some], beginnings):
        return None
    after, hop = np.full(len(series), -1), np.zeros(len(series), dtype=np.int64)
    for piece in batched(len(series), rows=_PIECE):
        after[piece], hop[piece] = beginnings.behind(series, np.arange(piece.start, piece.stop))
    near = np.flatnonzero((known > 0) & ((known <= hop) | (hop == 0)))
    after[near], hop[near] = near + 1, known[near]
    # Of several rows that go on with one, copies say, the nearest is before it.
    before = np.full(len(series), -1)
    for row in np.lexsort((np.arange(len(series)), hop))[::-1]:
        if after[row] >= 0:
            before[after[row]] = row
    return _in_chains(before)


def _go_on_elsewhere(series: NDArray[Any], rows: Rows, known: Rows, beginnings: "_Beginnings") -> bool:
    """Return whether others go on with these rows, nearer than the next one, and more often than chance has it.

    Chance is how often others do that run backwards. `known`: the hops to the next row, 0 for none.
    """
    share = _nearer(beginnings, series, rows, known)
    if not share >= max(_ELSEWHERE, 3 / len(rows)):
        return False
    return share >= _MORE_THAN_CHANCE * _nearer(
        _Beginnings.of(series[..., ::-1], beginnings.least), series, rows, known
    )


def _nearer(beginnings: "_Beginnings", series: NDArray[Any], rows: Rows, known: Rows) -> float:
    hop = beginnings.behind(series, rows)[1]
    return float(((hop > 0) & ((known == 0) | (hop < known))).mean())


def _in_chains(before: Rows) -> Rows:
    """Return the rows (N,), each behind the one that is named as before it, -1 for none."""
    after = np.full(len(before), -1)
    named = np.flatnonzero(before >= 0)
    after[before[named]] = named
    seen, order = np.zeros(len(before), dtype=bool), []
    for start in [*np.flatnonzero(before < 0), *named]:  # a ring, of a signal that repeats, begins anywhere
        row = int(start)
        while row >= 0 and not seen[row]:
            seen[row] = True
            order.append(row)
            row = int(after[row])
    return np.array(order, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Beginnings:
    """The first `least` steps of series (N, channels, T), where they vary, by a number made of them.

    Attributes:
        series: all. least: steps. keys: the numbers, sorted, each once. rows: a row that begins so, for each of them.
    """

    series: NDArray[Any]
    least: int
    keys: NDArray[np.uint64]
    rows: Rows

    @classmethod
    def of(cls, series: NDArray[Any], least: int) -> "_Beginnings":
        heads = _filled(series[:, :, :least])
        vary = np.flatnonzero((heads != heads[:, :, :1]).any((1, 2)))
        keys, first = np.unique(_keys(heads[vary], least)[:, 0], return_index=True)
        return cls(series, least, keys, vary[first])

    def behind(self, series: NDArray[Any], rows: Rows) -> tuple[Rows, Rows]:
        """Return which row goes on with each of `rows` of other series at the smallest hop, and the hop; -1 and 0."""
        after, hops = np.full(len(rows), -1), np.zeros(len(rows), dtype=np.int64)
        if not len(self.keys) or not len(rows):
            return after, hops
        keys = _keys(_filled(series[rows]), self.least)[:, 1:]
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        hits = (self.keys[place] == keys) & (self.rows[place] != rows[:, None])
        for number in np.flatnonzero(hits.any(axis=1)):
            first = _filled(series[rows[number]])
            for at in np.flatnonzero(hits[number])[:_TRIED]:
                other = int(self.rows[place[number, at]])
                if _goes_on(first, _filled(self.series[other]), int(at) + 1):
                    after[number], hops[number] = other, at + 1
                    break
        return after, hops


def _keys(series: NDArray[Any], length: int) -> NDArray[np.uint64]:
    """Return a number of each piece of so many steps, (N, T - length + 1): the same one where pieces are equal."""
    count, channels, steps = series.shape
    # Zero has two signs and one value.
    bits = (series.astype(np.float64) + 0.0).view(np.uint64)
    mixed = bits ^ (bits >> np.uint64(29))
    own = (mixed * (_ODD * (2 * np.arange(channels, dtype=np.uint64) + 1))[:, None]).sum(axis=1, dtype=np.uint64)
    sums = np.zeros((steps + 1, count), dtype=np.uint64)
    for step in range(steps):
        sums[step + 1] = sums[step] * _BASE + own[:, step]
    power = np.uint64(pow(int(_BASE), length, 1 << 64))
    return np.ascontiguousarray((sums[length:] - sums[:-length] * power).T)


def _filled(series: NDArray[Any]) -> NDArray[Any]:
    """Return the values with a number in place of NaN, which equals nothing."""
    return np.where(np.isnan(series), np.finfo(series.dtype).max, series) if series.dtype.kind == "f" else series
