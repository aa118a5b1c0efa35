"""How unlikely it is that two rows of a table agree by chance: a copy stays one when some of its values are changed."""

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched

Rows = NDArray[np.int64]
_BESIDE = 2  # rows on either side in the order of a column
_COLUMNS = 24  # by whose order candidates are found
_PIECE = 4096


def beside(columns: NDArray[np.float32], seed: int = 0) -> Rows:
    """Return candidates (N, M): the rows beside each one in the order of the columns that tell most rows apart.

    Equal values are in the order of the other columns, so rows that differ in one value are beside each other in
    several of the orders.

    Args:
        columns: (N, C), NaN where missing.
    """
    count = len(columns)
    filled = np.where(np.isnan(columns), np.float32(np.finfo(np.float32).max), columns)
    distinct = np.array([len(np.unique(column)) for column in filled.T])
    kept = np.argsort(-distinct, kind="stable")[:_COLUMNS]
    reach = min(_BESIDE, (count - 1) // 2)
    steps = [step for step in range(-reach, reach + 1) if step]
    found = np.empty((count, len(kept) * len(steps)), dtype=np.int64)
    for number, place in enumerate(kept):
        # The columns that tell least apart last: lexsort takes its last key first.
        others = [one for one in kept[::-1] if one != place]
        order = np.lexsort([filled[:, one] for one in [*others, place]])
        for at, step in enumerate(steps):
            found[order, number * len(steps) + at] = np.roll(order, -step)
    return found


def agreement(columns: NDArray[np.float32], codes: NDArray[np.bool_], one: Rows, other: Rows) -> NDArray[np.float64]:
    """Return how many nats two rows agree beyond chance, (P,): over columns the sum of minus the log probability.

    In a column of numbers the probability is that of a row so close to the first one or closer; in one of categories,
    that of its value where both have it. Where they differ it is 1.

    Source: the agreement weights of record linkage, Fellegi and Sunter (1969), with no errors in copies known.

    Args:
        columns: (N, C), NaN where missing. codes: (C,) which are categories. one, other: (P,) row numbers.
    """
    total = np.zeros(len(one))
    for column, code in zip(columns.T, codes):
        ordered = np.sort(column[~np.isnan(column)]).astype(np.float64)
        count = max(len(ordered), 1)
        for piece in batched(len(one), rows=1 << 20):
            x, y = (column[side[piece]].astype(np.float64) for side in (one, other))
            away = np.where(x == y, 0.0, np.inf) if code else np.abs(x - y)
            with np.errstate(invalid="ignore"):
                low = np.searchsorted(ordered, x - away, "left")
                high = np.searchsorted(ordered, x + away, "right")
            weight = -np.log(np.clip((high - low) / count, 1 / count, 1.0))
            total[piece] += np.where(np.isnan(x) | np.isnan(y), 0.0, weight)
    return total
