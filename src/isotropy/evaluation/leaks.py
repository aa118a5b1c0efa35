"""What makes a split easier than new data will be: duplicates, and subjects in blocks of rows; see also `windows`."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, batched, spread_out, tensors_of
from isotropy.diagnostics.rank import effective_rank

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
COMPARED = 5000  # test and training rows among which near duplicates are looked for
NEAR = 0.999  # cosine of standardised features
# In fewer directions than this rows lie so close by chance: smooth curves, correlated columns.
FEWEST_DIRECTIONS = 12
_TWO_VALUED = 0.2  # of the columns: of names, one-hot, a rare one that two rows share is nearly all of their cosine
_HASHED = 4096  # elements of a row, evenly spread: enough to tell rows apart
_WIDEST = 256  # random directions keep distances to within a tenth (Johnson and Lindenstrauss 1984)
_FAR_NEARER = 0.01  # of the distance to the fifth neighbour
_FIFTH, _SEVERAL, _BY_CHANCE = 5, 3, 1e-4
_ASKED = 512  # test rows at a time
_PIECE = 4096
_FEWEST_VALUES = 4


def duplicates(
    rows: Tensor | Batch, parts: tuple[Rows, Rows], probed: tuple[Rows, Rows], features: tuple[Floats, Floats]
) -> list[str]:
    """Return a line where test rows are copies of training rows, and one where they nearly are.

    Copies are equal as they are stored. Nearly equal is a cosine above .999 of standardised features, among at most
    5,000 test and 5,000 training rows, evenly spread, where the features span at least 12 directions (the effective
    rank) and few of them have two values. Elsewhere rows are that close by chance, and nearly equal is a hundredth of
    the distance to the fifth neighbour at most, with small differences in three columns and more.

    Args:
        rows: all rows as they are stored (N, ...). parts: numbers of the training and test rows.
        probed: those of them that have features. features: theirs, (n, D) and (m, D).
    """
    known = set(digests(rows, parts[0]))
    copies = np.array([digest in known for digest in digests(rows, parts[1])], dtype=bool)
    lines = []
    if copies.any():
        lines.append(f"{copies.sum():,} of {len(copies):,} test rows ({_percent(copies.mean())}) copy training rows.")
    others = features[1][~np.isin(probed[1], parts[1][copies])]
    keys, asked = (part[spread_out(len(part), COMPARED)] for part in (features[0], others))
    if len(asked) and len(keys) > 1:
        near, how = _near(keys, asked)
        if near:
            lines.append(f"{near:,} of {len(asked):,} test rows are nearly training rows ({how}).")
    return lines


def blocked_columns(frame: pd.DataFrame, labels: NDArray[Any]) -> list[str]:
    """Return the columns of text or whole numbers whose values stand in long blocks of consecutive rows.

    A column counts that has at least four distinct values, each in two rows on average, and either nearly every value
    in one block alone and at most half as many blocks as chance, or blocks of ten rows and more on average and at most
    a tenth as many as chance. Chance is rows shuffled among those of the same label: a file that is sorted by its label
    names nothing.

    Args:
        frame: the inputs, (N, D). labels: class codes or names (N,).

    Example:
        >>> who, noise = np.repeat(list("abcde"), 20), np.random.default_rng(0).integers(0, 5, 100)
        >>> blocked_columns(pd.DataFrame({"who": who, "noise": noise}), np.arange(100) % 2)
        ['who']
    """
    kinds = pd.factorize(labels, use_na_sentinel=False)[0]
    found = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_float_dtype(column.dtype) and not np.array_equal(column.dropna(), column.dropna().round()):
            continue
        try:
            codes = pd.factorize(column, use_na_sentinel=False)[0]
        except TypeError:  # lists and records, which are refused where columns are learnt
            continue
        distinct = int(codes.max()) + 1
        if not _FEWEST_VALUES <= distinct <= len(codes) / 2:
            continue
        blocks = 1 + int((codes[1:] != codes[:-1]).sum())
        expected = _shuffled_blocks(codes, kinds)
        whole = blocks <= 1.1 * distinct and blocks <= expected / 2
        if whole or (len(codes) >= 10 * blocks and blocks <= expected / 10):
            found.append(str(name))
    return found


def _shuffled_blocks(codes: NDArray[np.int64], kinds: NDArray[np.int64]) -> float:
    """Return how many blocks are expected where values are shuffled among the rows of one label."""
    table = np.zeros((int(kinds.max()) + 1, int(codes.max()) + 1), dtype=np.float64)
    np.add.at(table, (kinds, codes), 1)
    table /= table.sum(axis=1, keepdims=True)
    same = table @ table.T
    return 1 + float((1 - same[kinds[1:], kinds[:-1]]).sum())


def digests(rows: Tensor | Batch, places: Rows) -> list[int]:
    """Return a number for each of the stored rows `places` that is the same where they are equal, bit for bit.

    Of rows of more than 4,096 values as many, evenly spread, are read.

    Example:
        >>> one, two, three = digests(torch.tensor([[1.0, 2.0], [3.0, 2.0], [1.0, 2.0]]), np.arange(3))
        >>> one == three, one == two
        (True, False)
    """
    found: list[int] = []
    for piece in batched(len(places), rows=_PIECE):
        here = torch.from_numpy(places[piece])
        parts = [tensor[here].reshape(len(here), -1) for tensor in tensors_of(rows)]
        thin = [part[:, :: max(1, part.shape[1] // _HASHED)].contiguous().cpu().numpy() for part in parts]
        found += [hash(b"".join(part[row].tobytes() for part in thin)) for row in range(len(here))]
    return found


def _near(train: Floats, test: Floats) -> tuple[int, str]:
    """Return how many test rows have a training row nearly where they are, and what that means."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    kept = spread > 1e-6 * (1 + np.abs(mean))
    keys, queries = ((part[:, kept] - mean[kept]) / spread[kept] for part in (train, test))
    if not kept.any():
        return 0, ""
    two_valued = ((keys == keys.min(axis=0)) | (keys == keys.max(axis=0))).all(axis=0)
    columns = keys, queries
    if keys.shape[1] > _WIDEST:
        directions = np.random.default_rng(0).normal(size=(keys.shape[1], _WIDEST)).astype(np.float32)
        keys, queries = keys @ directions, queries @ directions
    if two_valued.mean() > _TWO_VALUED or not effective_rank(keys) >= FEWEST_DIRECTIONS:
        return _far_nearer((keys, queries), columns), f"{1 / _FAR_NEARER:.0f} times nearer than others"
    keys, queries = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (keys, queries))
    pieces = batched(len(queries), rows=_ASKED)
    return sum(int(((queries[piece] @ keys.T).max(axis=1) > NEAR).sum()) for piece in pieces), f"cosine above {NEAR}"


def _far_nearer(parts: tuple[Floats, Floats], columns: tuple[Floats, Floats]) -> int:
    """Return how many test rows are far nearer to a training row than to the one that is fifth.

    In m dimensions the ratio of the two distances is below r by chance in a part 1 - (1 - r^m)^4 of the rows, about
    4 r^m: m is read from the median of the ratios, and r is where that is one row of 10,000, .01 at most. The row and
    its neighbour differ, by little, in three columns and more: columns of few values are often equal by chance, and
    then the others decide alone.

    Args:
        parts: training (n, D) and test (m, D) rows in which neighbours are found. columns: all of their columns.
    """
    keys, queries = parts
    if len(keys) <= _FIFTH:
        return 0
    ratios, several = [], []
    lengths = np.square(keys).sum(axis=1)
    for piece in batched(len(queries), rows=_ASKED):
        near = np.argpartition(lengths - 2 * queries[piece] @ keys.T, _FIFTH, axis=1)[:, :_FIFTH]
        # Of numbers in 32 bits products leave nothing of a difference that is small: it is taken here itself.
        apart = np.abs(columns[1][piece][:, None] - columns[0][near]).astype(np.float64)
        distance = np.sqrt(np.square(apart).sum(axis=2))
        order = distance.argsort(axis=1)
        first, fifth = (distance[np.arange(len(order)), order[:, place]] for place in (0, -1))
        ratios.append(np.where(fifth > 0, first / np.maximum(fifth, 1e-300), 1.0))
        several.append((apart[np.arange(len(order)), order[:, 0]] > 0).sum(axis=1) >= _SEVERAL)
    ratio = np.concatenate(ratios)
    median = float(np.median(ratio[ratio > 0])) if (ratio > 0).any() else 1.0
    dimensions = np.log(1 - 0.5 ** (1 / (_FIFTH - 1))) / np.log(min(median, 0.999))
    rare = (_BY_CHANCE / (_FIFTH - 1)) ** (1 / dimensions)
    return int(((ratio < min(_FAR_NEARER, rare)) & np.concatenate(several)).sum())


def _percent(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction >= 0.1 else f"{fraction:.1%}"
