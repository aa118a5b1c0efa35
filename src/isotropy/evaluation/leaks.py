"""What makes a split easier than new data will be: duplicates, and subjects in blocks of rows; see also `windows`."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, batched, tensors_of
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
_PIECE = 4096
_FEWEST_VALUES = 4


def duplicates(
    rows: Tensor | Batch, parts: tuple[Rows, Rows], probed: tuple[Rows, Rows], features: tuple[Floats, Floats]
) -> list[str]:
    """Return a line where test rows are copies of training rows, and one where they nearly are.

    Copies are equal as they are stored. Nearly equal is a cosine above .999 of standardised features, among at most
    5,000 test and 5,000 training rows, evenly spread, and only where the features span at least 12 directions (the
    effective rank) and few of them have two values: else rows are that close by chance.

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
    keys, asked = (part[_spread(len(part), COMPARED)] for part in (features[0], others))
    near = _near(keys, asked) if len(asked) and len(keys) > 1 else 0
    if near:
        lines.append(f"{near:,} of {len(asked):,} test rows are nearly training rows (cosine above {NEAR}).")
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
        codes = pd.factorize(column, use_na_sentinel=False)[0]
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


def _near(train: Floats, test: Floats) -> int:
    """Return how many test rows have a training row in nearly their own direction."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    kept = spread > 1e-6 * (1 + np.abs(mean))
    keys, queries = ((part[:, kept] - mean[kept]) / spread[kept] for part in (train, test))
    two_valued = ((keys == keys.min(axis=0)) | (keys == keys.max(axis=0))).all(axis=0)
    if not len(two_valued) or two_valued.mean() > _TWO_VALUED:
        return 0
    if keys.shape[1] > _WIDEST:
        directions = np.random.default_rng(0).normal(size=(keys.shape[1], _WIDEST)).astype(np.float32)
        keys, queries = keys @ directions, queries @ directions
    if not effective_rank(keys) >= FEWEST_DIRECTIONS:
        return 0
    keys, queries = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in (keys, queries))
    return sum(int(((queries[piece] @ keys.T).max(axis=1) > NEAR).sum()) for piece in batched(len(queries), rows=1024))


def _spread(count: int, most: int) -> Rows:
    """Return at most `most` row numbers, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _percent(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction >= 0.1 else f"{fraction:.1%}"
