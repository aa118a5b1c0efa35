"""Which rows of large files are held out: decided on the sample, and told of every row by what stands beside it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.blocks.blocks import Blocks
from isotropy.data.data import Data
from isotropy.data.grouping import group_names, refuse_missing, sortable
from isotropy.data.target_columns import parts_of

# Returns which rows of a block, given by its number, are held out: (B,).
HeldOut = Callable[[int], NDArray[np.bool_]]


def held_out(data: Data, test: NDArray[np.int64]) -> HeldOut:
    """Return which rows are held out where the rows `test` (M,) of the sample are.

    Of files that name their parts these are the rows of the test part, of groups all rows of the groups that test
    rows of the sample have, of times all rows from the first of their times on; else the sample's test rows alone.
    """
    blocks = data.stream
    if blocks.split:
        return _of_part(blocks)
    if not len(test):
        return numbered(blocks, test)
    if data.groups is not None:
        return _of_groups(blocks, data.groups[test])
    if data.times is not None:
        return _from_time(blocks, data.times[test].min())
    assert data.sampled is not None
    return numbered(blocks, data.sampled[test])


def numbered(blocks: Blocks, rows: NDArray[np.int64]) -> HeldOut:
    """Return that rows are held out by their numbers, which increase."""

    def of_block(number: int) -> NDArray[np.bool_]:
        begin, end = blocks.starts[number : number + 2]
        found = np.zeros(end - begin, dtype=np.bool_)
        found[rows[slice(*np.searchsorted(rows, (begin, end)))] - begin] = True
        return found

    return of_block


def _of_part(blocks: Blocks) -> HeldOut:
    return lambda number: parts_of(blocks.beside(number, blocks.split), blocks.split) == "test"


def _of_groups(blocks: Blocks, groups: NDArray[np.object_]) -> HeldOut:
    there = pd.unique(groups)

    def of_block(number: int) -> NDArray[np.bool_]:
        column = blocks.beside(number, blocks.group, text=True)
        names = group_names(column, blocks.options.na)
        refuse_missing(pd.Series(names == "", index=column.index), f"group {blocks.group!r}")
        return np.isin(names.astype(str), there.astype(str))

    return of_block


def _from_time(blocks: Blocks, first: float) -> HeldOut:
    return lambda number: sortable(blocks.beside(number, blocks.time), blocks.time) >= first
