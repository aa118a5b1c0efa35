"""Do discrete codes use all their values, say what a label says, and repeat each other? Arrays in, numbers out.

Codes are whole numbers (N, S), N > 0: one of B values for each of S segments; others raise ValueError.
"""

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Rows whose one-hot codes are in memory at once.
_ROWS = 4096


def bins_used(codes: ArrayLike) -> NDArray[np.int64]:
    """Return how many different values every segment's codes take, (S,) in 1 to B.

    Example:
        >>> bins_used([[0, 1], [3, 1]]).tolist()
        [2, 1]
    """
    return np.array([len(np.unique(column)) for column in _columns(codes)], dtype=np.int64)


def usage(codes: ArrayLike, bins: int) -> NDArray[np.float64]:
    """Return the entropy of every segment's use of its values over log B, the largest possible, (S,).

    Range 0 (one value for all rows) to 1 (all B = `bins` > 1 values used alike); N rows reach log N / log B at most.

    Source: the normalised entropy that Niu and Wang 2022 (MUSIC, arXiv 2206.06461) drive to 1; Pielou 1966.

    Example:
        >>> usage([[0, 0], [1, 0], [2, 0], [3, 0]], 4).tolist()
        [1.0, 0.0]
    """
    if bins < 2:
        raise ValueError(f"usage needs at least 2 bins, got {bins}")
    fractions = [np.unique(column, return_counts=True)[1] / len(column) for column in _columns(codes)]
    return np.array([-(q * np.log(q)).sum() / np.log(bins) + 0.0 for q in fractions])


def purity(codes: ArrayLike, labels: ArrayLike, *, learnt_on: tuple[ArrayLike, ArrayLike]) -> NDArray[np.float64]:
    """Return how often a code's majority label is a row's label, for every segment, (S,) in 0 to 1.

    The majority is learnt on other rows, so that many values with a row each are worth nothing; of a tie the first
    label in order is taken. A value that none of those rows has stands for their commonest label.

    Args:
        codes: (N, S) of the rows that are scored. labels: (N,), their classes.
        learnt_on: codes (M, S) and labels (M,) of the rows that the majorities are learnt on.

    Source: Manning, Raghavan and Schuetze 2008, section 16.3, there on the clustered rows themselves.

    Example:
        >>> train = [[0, 0], [0, 1], [1, 0], [1, 1]], ["a", "a", "b", "b"]
        >>> purity([[0, 0], [1, 0]], ["a", "b"], learnt_on=train).tolist()
        [1.0, 0.5]
    """
    learnt, known = (np.asarray(x) for x in learnt_on)
    classes, place = np.unique(known, return_inverse=True)
    commonest = classes[np.bincount(place).argmax()]
    scores = []
    for column, old in zip(_columns(codes), _columns(learnt), strict=True):
        values, value = np.unique(old, return_inverse=True)
        table = np.zeros((len(values), len(classes)), dtype=np.int64)
        np.add.at(table, (value, place), 1)
        majority = dict(zip(values.tolist(), classes[table.argmax(axis=1)].tolist(), strict=True))
        said = np.array([majority.get(code, commonest) for code in column.tolist()], dtype=classes.dtype)
        scores.append(float((said == np.asarray(labels)).mean()))
    return np.array(scores)


def mutual_information(codes: ArrayLike, bins: int) -> NDArray[np.float64]:
    """Return the normalised mutual information 2 I(s; r) / (H(s) + H(r)) of all pairs of segments, (S, S).

    Range 0 (independent) to 1 (the same clustering under other names: the diagonal); NaN where both segments take one
    value. From N rows independent segments give about (B - 1)^2 / (2 N log B), not 0; B = `bins`.

    Source: Strehl and Ghosh 2002, with the arithmetic mean of the entropies (Kvalseth 1987).

    Example:
        >>> mutual_information([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0]], 2).round(6).tolist()
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    rows = np.stack(_columns(codes), axis=1)
    segments = rows.shape[1]
    offsets = np.arange(segments) * bins
    counts = np.zeros((segments * bins, segments * bins))
    for part in np.array_split(rows, ceil(len(rows) / _ROWS)):
        one_hot = np.zeros((len(part), segments * bins), dtype=np.float32)
        np.put_along_axis(one_hot, part + offsets, 1.0, axis=1)
        counts += one_hot.T @ one_hot
    joint = counts.reshape(segments, bins, segments, bins) / len(rows)
    pair = _negentropy(joint.transpose(0, 2, 1, 3).reshape(segments, segments, -1))
    own = _negentropy(joint.sum(axis=3)[:, :, 0])  # (S,): the fractions of every segment's values
    information = pair - own[:, None] - own[None, :]
    with np.errstate(invalid="ignore"):
        normalised = -2 * information / (own[:, None] + own[None, :])
    return np.clip(normalised, 0.0, 1.0)


def _negentropy(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (fractions * np.log(np.where(fractions > 0, fractions, 1.0))).sum(axis=-1)
    return result


def _columns(codes: ArrayLike) -> list[NDArray[np.int64]]:
    array = np.asarray(codes)
    if array.ndim != 2 or not len(array) or array.dtype.kind not in "iu":
        raise ValueError(f"codes must be whole numbers (N, S) with N > 0, got {array.dtype} of shape {array.shape}")
    return list(array.astype(np.int64).T)
