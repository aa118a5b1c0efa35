"""Rows in parts of bounded size: the one way to go over what does not fit into memory at once."""

from collections.abc import Iterator

# Bytes of a part.
PART_BYTES = 1 << 27


def batched(count: int, *, rows: int | None = None, row_bytes: int = 1, part_bytes: int = 0) -> Iterator[slice]:
    """Yield slices that cover `count` rows in order.

    Args:
        count: of all rows.
        rows: of a part; None takes as many as fit into `part_bytes`, by default 128 MiB.
        row_bytes: memory that a row takes; a part has one row at least.

    Example:
        >>> list(batched(5, rows=2)), list(batched(2, row_bytes=1 << 30))
        ([slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)], [slice(0, 1, None), slice(1, 2, None)])
    """
    step = rows or max(1, (part_bytes or PART_BYTES) // max(1, row_bytes))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
