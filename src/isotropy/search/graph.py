"""The nearest rows of every row of one set, by Euclidean distance: the graph that audits and pages read."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched
from isotropy.search.groups import GROUP, largest

Floats = NDArray[np.float32]
_CELLS = 1 << 24  # squared distances held at a time
_WIDEST = 64  # principal axes along which candidates of many wide rows are looked for
_AXIS_ROWS = 4096  # from so many rows on, of which so many give the axes
_PIECE = 4096


def neighbour_graph(x: Floats, k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances and numbers of the k nearest other rows of each row, both (N, k), nearest first.

    Of more than 4,096 rows wider than 64, candidates are more than twice as many nearest rows along the 64 leading
    principal axes; else all rows are. Distances are then taken of the whole rows, by their differences, so those of
    near copies keep their digits. Ties go by row number. Of rows of length 1 the order is that of cosines.

    Args:
        x: (N, D), finite. k: at most N - 1.

    Example:
        >>> neighbour_graph(np.float32([[0], [1], [3]]), 1)[1].flatten().tolist()
        [1, 0, 1]
    """
    x = np.require(x, np.float32, ["C", "W"])
    many = x.shape[1] > _WIDEST and len(x) > _AXIS_ROWS
    sought = _axes(x) if many else torch.from_numpy(x - x.mean(axis=0))
    # Rounding turns near ones round where no axis is left out, too.
    candidates = _candidates(sought, min(2 * k + 12, len(x) - 1))
    distances = _distances(x, candidates)
    # Candidates come sorted by number, and equal distances stay so.
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(candidates, order, axis=1)


def _distances(x: Floats, others: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance (N, K) of every row to the rows `others` (N, K)."""
    out = np.empty(others.shape, dtype=np.float64)
    values = torch.from_numpy(x)
    for piece in batched(len(x), rows=_PIECE):
        for place in range(others.shape[1]):
            difference = values[piece] - values[torch.from_numpy(others[piece, place])]
            out[piece, place] = difference.square_().sum(1).sqrt_().numpy()
    return out


def _candidates(x: Tensor, count: int) -> NDArray[np.int64]:
    """Return the places of the `count` nearest other rows of each row, (N, count), in their order."""
    out = np.empty((len(x), count), dtype=np.int64)
    half = x.square().sum(1) / 2
    padded = len(x) + -len(x) % GROUP
    most = max(1, _CELLS // padded)
    held = torch.full((most, padded), -torch.inf)
    for rows in batched(len(x), rows=most):
        nearness = held[: rows.stop - rows.start]
        torch.addmm(-half[None], x[rows], x.T, out=nearness[:, : len(x)])
        own = torch.arange(len(nearness))
        nearness[own, rows.start + own] = -torch.inf
        out[rows] = largest(nearness, count).sort(dim=1).values.numpy()
    return out


def _axes(x: Floats) -> Tensor:
    """Return the coordinates of the rows along 64 leading principal axes of some of them."""
    values = torch.from_numpy(x)
    # Evenly spaced ones could miss what recurs.
    drawn = np.random.default_rng(0).choice(len(x), _AXIS_ROWS, replace=False)
    some = values[torch.from_numpy(np.sort(drawn))]
    mean = some.mean(0)
    axes = _leading(some - mean)
    return torch.cat([(values[piece] - mean) @ axes.T for piece in batched(len(x), rows=_PIECE)])


def _leading(some: Tensor) -> Tensor:
    if some.shape[1] <= len(some):
        return torch.linalg.eigh(some.T @ some).eigenvectors[:, -_WIDEST:].T
    values, vectors = torch.linalg.eigh(some @ some.T)
    kept = values[-_WIDEST:].clamp(min=1e-12 * float(values[-1]))
    return (some.T @ vectors[:, -_WIDEST:] / kept.sqrt()).T
