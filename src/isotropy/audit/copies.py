"""Rows that are there more than once, as issues: copies, near copies, and those on both sides of a split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isotropy.audit import tails
from isotropy.audit.duplicates import Near, by_agreement, by_alignment, by_distance, sets_of
from isotropy.audit.given import Given
from isotropy.audit.issue import Issue
from isotropy.audit.linkage import beside
from isotropy.audit.parts import fitting
from isotropy.audit.pictures import stretched
from isotropy.search import neighbour_graph

_PLAIN = 5  # candidates by the values, beside those by the embedding
_FITTING, _ALL = 8, 8192  # candidates by all parts of all rows, of so many rows at most: it grows with their square
_LAID = 1_000_000  # candidates of all rows whose crops are compared, about
LOCAL = 10  # of them say how dense it is
# By what the nearest row was found.
_ALIGNMENT, _AGREEMENT = "laid on each other, after the embedding", "agreement of the columns beyond chance"
_DISTANCE = "distance in the embedding"
Neighbours = tuple[NDArray[np.float64], NDArray[np.int64]]


def copies_of(of: Given, near: Neighbours, raw_near: Neighbours | None) -> tuple[dict[str, Issue], NDArray[np.int64]]:
    """Return copies and near copies, and the set of each row (N,), -1 for none."""
    rows, raw = np.arange(len(of.vectors)), of.raw
    first = rows if raw is None else raw.first
    sizes = np.bincount(first, minlength=len(rows))[first]
    exact = sizes > 1
    found, method = _nearest(of, near, raw_near, ~exact)
    partner = np.where(exact, _other_copy(first), found.partner)
    # Copies take no part in what is usual, and are copies already.
    probability = np.where(exact, 1.0, found.probability)
    close = tails.rare(probability) & ~exact
    sets = sets_of(len(rows), [(rows[exact], first[exact]), (rows[close], partner[close])])
    score = np.where(exact, 0.0, tails.lower_is_worse(found.closeness))
    issues = {
        "near_duplicate": Issue(
            close, score, _near_reason(found, partner, method), method,
            np.where(close, partner, -1), {"near_duplicate_set": sets, "nearest_row": partner},
        )
    }  # fmt: skip
    if raw is not None:
        issues["exact_duplicate"] = Issue(
            exact, np.where(exact, 0.0, 1.0),
            lambda row: f"equal to row {partner[row]}" + (f" and {sizes[row] - 2} more" if sizes[row] > 2 else ""),
            "equal as stored", np.where(exact, partner, -1),
        )  # fmt: skip
    return issues, sets


def _nearest(of: Given, near: Neighbours, raw_near: Neighbours | None, alone: NDArray[np.bool_]) -> tuple[Near, str]:
    """Return the nearest other row of each, by what tells copies best of such rows, and what that is.

    Args:
        near: neighbours in the embedding. raw_near: in the columns, of a table. alone: (N,) rows without a copy.
    """
    count, raw = len(of.vectors), of.raw
    if raw is not None and raw.pictures is not None and raw.thumbnails is not None:
        # Copies of another gain or brightness are next to each other without them, whatever the embedding says.
        plain = neighbour_graph(raw.thumbnails, min(_PLAIN, count - 1))[1]
        each = max(_LAID // count, LOCAL)
        candidates = np.concatenate([near[1][:, :each], plain], axis=1)
        likely = None
        if count <= _ALL:
            likely = fitting(stretched(raw.pictures, raw.ends), min(_FITTING, count - 1), raw.blocks)
        return by_alignment(raw.pictures, candidates, alone, raw.blocks, likely, raw.ends), _ALIGNMENT
    if raw_near is not None:
        assert raw is not None and raw.columns is not None and raw.codes is not None
        candidates = np.concatenate([raw_near[1][:, :LOCAL], beside(raw.columns)], axis=1)
        return by_agreement(raw.columns, raw.codes, candidates, alone), _AGREEMENT
    return by_distance(*_local(near)), _DISTANCE


def _local(near: Neighbours) -> Neighbours:
    """Return the ten nearest rows, among which the density is about the same."""
    return near[0][:, :LOCAL], near[1][:, :LOCAL]


def _near_reason(found: Near, partner: NDArray[np.int64], method: str) -> Any:
    def reason(row: int) -> str:
        other, distance = partner[row], found.distance[row]
        if method == _ALIGNMENT:
            return f"fits row {other} with a correlation of {1 - distance**2:.4f}"
        if method == _AGREEMENT:
            return f"agrees with row {other} in {found.agreeing[row]} columns, beyond what chance allows"
        return f"{distance:.3g} from row {other} in the embedding, far closer than to its other neighbours"

    return reason


def _other_copy(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the next row of its set of copies, the first one for the last; itself where it is alone."""
    order = np.lexsort((np.arange(len(first)), first))
    following = np.roll(order, -1)
    last = first[following] != first[order]
    following[last] = first[order][last]
    out = np.empty_like(order)
    out[order] = following
    return out


def twins(part: NDArray[np.str_], found: dict[str, Issue], sets: NDArray[np.int64]) -> Issue:
    """Return test rows of which a training row is a copy; `found` and `sets` as `copies_of` gives them."""
    train, test = part == "train", (part == "test") & (sets >= 0)
    members: dict[int, int] = {}
    for row in np.flatnonzero(train & (sets >= 0))[::-1]:
        members[int(sets[row])] = int(row)
    other = np.array([members.get(int(sets[row]), -1) if test[row] else -1 for row in range(len(part))])
    issue, near = other >= 0, found["near_duplicate"]
    equal = found["exact_duplicate"].issue if "exact_duplicate" in found else np.zeros(len(part), dtype=bool)

    def reason(row: int) -> str:
        how = "a copy of" if equal[row] else "nearly"
        return f"this test row is {how} training row {other[row]}: its score counts what was seen"

    score = np.where(part == "test", np.where(issue, near.score, np.maximum(near.score, 0.5)), 1.0)
    return Issue(issue, score, reason, "duplicates on both sides of the split", other)
