"""Rows that are there more than once: copies, and what is nearly one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from isotropy.audit import tails
from isotropy.audit.alignment import aligned
from isotropy.audit.linkage import agreement
from isotropy.audit.parts import coarse
from isotropy.audit.pictures import stretched
from isotropy.batch import spread_out

Rows = NDArray[np.int64]
_ALIGNED, _FRACTION = (1500, 8000), 0.2  # pairs that are laid on each other: at least, at most, and of the rows
_BULK = 500  # rows that show how alike nearest rows are
_COPIES = 5  # of one row of a table, at most, each of which is named
_TRIED = 2  # candidates of a row that are laid on it, by their crops
_LIKELY = 2  # pairs for each row that are laid on each other, by all their parts


@dataclass(frozen=True)
class Near:
    """The nearest other row of each row.

    Attributes:
        partner: (N,) its number. distance: (N,) 0 for a copy.
        closeness: (N,) at least 0, by which rows are ranked: the distance, or its ratio to that of other neighbours.
        probability: (N,) of one as close where no row is a copy; it grows with the closeness.
        agreeing: (N,) in how many columns of a table the two are equal; 0 of other data.
    """

    partner: Rows
    distance: NDArray[np.float64]
    closeness: NDArray[np.float64]
    probability: NDArray[np.float64]
    agreeing: NDArray[np.int64]


def by_alignment(
    rows: Tensor, candidates: Rows, alone: NDArray[np.bool_], apart: NDArray[np.int64] | None = None,
    likely: tuple[Rows, NDArray[np.float32]] | None = None, ends: Tensor | None = None,
) -> Near:  # fmt: skip
    """Return the nearest rows among `candidates` (N, K), once each is cropped, shifted and amplified to fit the other.

    The distance is the square root of 1 - correlation. Its bulk is that of 500 rows, evenly spread.

    Args:
        rows: as `pictures.reduced` gives them. alone: (N,) which rows have no copy, and show what is usual.
        apart: (N,) blocks; rows of one block are not compared.
        likely: further candidates and how likely each pair is, as `parts.fitting` gives them.
        ends: (N,) what part of the width of each row is there; None for all.
    """
    found = coarse(stretched(rows, ends), candidates)
    if apart is not None:
        found[apart[candidates] == apart[:, None]] = -1.0
    order = np.argsort(-found, axis=1, kind="stable")
    places = np.arange(len(rows))
    partner, best = candidates[places, order[:, 0]], found[places, order[:, 0]].astype(np.float64)
    usual = np.flatnonzero(alone) if alone.any() else places
    bulk = usual[spread_out(len(usual), _BULK)]
    closest = np.argsort(-best, kind="stable")[: int(np.clip(_FRACTION * len(rows), *_ALIGNED))]
    looked = np.union1d(closest, bulk)
    tried = order[looked][:, : min(_TRIED, candidates.shape[1])]
    pairs = [(looked[:, None], candidates[looked[:, None], tried], found[looked[:, None], tried] > -1.0)]
    if likely is not None:
        others, excess = likely
        kept = excess >= np.sort(excess, axis=None)[-min(_LIKELY * len(rows), excess.size)]
        # What is usual has to be as well looked for as what is not.
        kept[bulk] = True
        pairs.append((places[:, None], others, kept & np.isfinite(excess)))
    one, other = _each_once(pairs)
    fits = np.tile(aligned(rows, one, other, ends).astype(np.float64), (2, 1))
    # The best fit of each row, the first of equal ones.
    row, fellow = np.concatenate([one, other]), np.concatenate([other, one])
    ordered = np.lexsort((fellow, -fits[:, 0], row))
    laid, first = np.unique(row[ordered], return_index=True)
    partner[laid], best[laid] = fellow[ordered][first], fits[ordered][first, 0]
    details = best.copy()
    details[laid] = fits[ordered][first, 1]
    distance = np.sqrt(np.maximum(1 - best, 1e-7))
    # Rows that are no copies fit by their outlines: the details tell, where rows were laid on each other.
    probability = _probability(best, bulk)
    probability[laid] = _probability(details, bulk)[laid]
    return Near(partner, distance, distance, probability, np.zeros(len(rows), dtype=np.int64))


def _probability(fit: NDArray[np.float64], bulk: Rows) -> NDArray[np.float64]:
    """Return how probable each fit (N,) is beside those of the rows `bulk`."""
    closeness = -np.log(np.maximum(1 - fit, 1e-7)) / 2
    return tails.upper_of_highest(closeness, closeness[bulk])


def _each_once(pairs: Sequence[tuple[Rows, Rows, NDArray[np.bool_]]]) -> tuple[Rows, Rows]:
    """Return the pairs of rows and others that are kept, (P,) and (P,), each once whichever comes first."""
    one, other = (
        np.concatenate([np.broadcast_to(pair[side], pair[2].shape)[pair[2]] for pair in pairs]) for side in (0, 1)
    )
    low, high = np.unique(np.stack([np.minimum(one, other), np.maximum(one, other)]), axis=1)
    return low, high


def by_agreement(
    columns: NDArray[np.float32], codes: NDArray[np.bool_], candidates: Rows, alone: NDArray[np.bool_]
) -> Near:
    """Return the rows of a table that agree most among `candidates` (N, K), and how much more than the others do.

    The distance is minus the agreement; the closeness falls with how much it exceeds that of the candidate in the
    fifth place, so of up to five copies each is named.

    Args:
        columns: (N, C), NaN where missing. codes: (C,) which are categories.
        alone: (N,) which rows have no copy, and show what is usual.
    """
    places, count = np.arange(len(columns)), candidates.shape[1]
    # A candidate that is there twice, or is the row itself, counts once, or not.
    candidates = np.sort(candidates, axis=1)
    again = np.pad(candidates[:, 1:] == candidates[:, :-1], ((0, 0), (1, 0))) | (candidates == places[:, None])
    found = agreement(columns, codes, np.repeat(places, count), candidates.ravel()).reshape(candidates.shape)
    found[again] = -1.0
    order = np.argsort(-found, axis=1, kind="stable")
    best, fifth = (found[places, order[:, min(place, count - 1)]] for place in (0, _COPIES - 1))
    partner, excess = candidates[places, order[:, 0]], best - np.maximum(fifth, 0.0)
    equal = columns == columns[partner]
    both = np.isnan(columns) & np.isnan(columns[partner])
    return Near(
        partner,
        -best,
        1 / (1 + excess),
        tails.upper_of_logs(excess, excess[alone] if alone.any() else None),
        (equal | both).sum(axis=1),
    )


def by_distance(distances: NDArray[np.float64], neighbours: Rows) -> Near:
    """Return the nearest rows by distance, and how much nearer they are than the others; both are (N, K), sorted."""
    ratio = distances[:, 0] / np.maximum(distances[:, -1], np.finfo(np.float32).tiny)
    # Columns of few values make gaps wide by themselves: the bulk of the rows has to be surprised, too.
    surprise = tails.upper(-np.log(np.maximum(ratio, np.finfo(np.float32).tiny)))
    return Near(
        neighbours[:, 0], distances[:, 0], ratio, np.maximum(tails.gaps(distances), surprise), 0 * neighbours[:, 0]
    )


def sets_of(count: int, pairs: Sequence[tuple[Rows, Rows]]) -> Rows:
    """Return which set each of `count` rows belongs to, (N,), -1 for those in no pair; sets are numbered from 0.

    Example:
        >>> sets_of(5, [(np.array([0, 3]), np.array([3, 4]))]).tolist()
        [0, -1, -1, 0, 0]
    """
    one, other = (np.concatenate([np.asarray(pair[side], dtype=np.int64) for pair in pairs]) for side in (0, 1))
    _, part = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(count, count)), directed=False)
    paired = np.zeros(count, dtype=bool)
    paired[one] = paired[other] = True
    out = np.full(count, -1, dtype=np.int64)
    out[paired] = np.unique(part[paired], return_inverse=True)[1]
    return out
