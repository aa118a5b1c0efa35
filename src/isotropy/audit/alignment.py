"""How alike two images or series are once one is cropped, shifted, amplified or brightened to fit the other."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched

SIDE, STEPS = 32, 96  # pixels of a side and steps in which rows are compared
_CROPPED = 12, 48  # of a crop, of which many are compared
# Sizes of the crops as fractions of the side, and their places in what is left.
_SIZES = (1.0, 0.85, 0.7), (1.0, 0.92, 0.85, 0.78, 0.7)
_PLACES = (0.0, 0.5, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
_STEP, _ROUNDS, _SHORTER = 0.06, 7, 0.55  # of the search: fractions of the side, and of the size
_LEAST = 0.5  # of a row has to lie in the other one
_PAIRS = 1024


def reduced(rows: Tensor) -> Tensor:
    """Return images (N, C, H, W) or series (N, C, T), small enough to be compared in numbers, as (N, C, h, w) float32.

    Example:
        >>> reduced(torch.ones(2, 3, 100)).shape, reduced(torch.ones(2, 3, 20, 50)).shape
        (torch.Size([2, 3, 1, 96]), torch.Size([2, 3, 20, 32]))
    """
    *_, height, width = _planes(rows[:1]).shape
    size = (min(height, SIDE), min(width, STEPS if rows.ndim == 3 else SIDE))
    pieces = batched(len(rows), row_bytes=4 * rows[0].numel())
    return torch.cat([F.adaptive_avg_pool2d(_planes(rows[piece]).float(), size) for piece in pieces])


def coarse(rows: Tensor, others: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the highest correlation (N, K) of crops of every row with crops of the rows `others` (N, K)."""
    # Crops are many times the rows, so 16-bit numbers hold them: which of them fit is all that they say.
    crops = torch.cat([_crops(rows[piece]).half() for piece in batched(len(rows), rows=_PAIRS)])
    out = np.empty(others.shape, dtype=np.float32)
    for piece in batched(len(rows), rows=_PAIRS):
        first = crops[piece].float()
        for place in range(others.shape[1]):
            second = crops[torch.from_numpy(others[piece, place])].float()
            out[piece, place] = torch.bmm(first, second.transpose(1, 2)).amax((1, 2)).numpy()
    return out


def aligned(rows: Tensor, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the correlation (P,) of the rows `one` with the rows `other`, moved and scaled to fit them best.

    A pattern search over scale and place begins at the pair of crops that correlates most. Means are taken off each
    channel and gain is divided out, where both rows are there.
    """
    out = np.empty(len(one), dtype=np.float32)
    for piece in batched(len(one), rows=_PAIRS):
        a, b = (rows[torch.from_numpy(side[piece])] for side in (one, other))
        out[piece] = _climbed(a, b, _start(a, b)).numpy()
    return out


def _planes(rows: Tensor) -> Tensor:
    return rows[:, :, None] if rows.ndim == 3 else rows


def _boxes(flat: bool) -> Iterator[tuple[float, float, float]]:
    """Yield size, top and left of every crop; a series (`flat`) is cropped in time alone."""
    for size in _SIZES[flat]:
        places = _PLACES[flat] if size < 1 else (0.0,)
        for top in (0.0,) if flat else places:
            for left in places:
                yield size, top * (1 - size), left * (1 - size)


def _crops(rows: Tensor) -> Tensor:
    """Return all crops (N, G, D) of rows (N, C, H, W), each with a mean of 0 in every channel and of length 1."""
    flat = rows.shape[2] == 1
    found = []
    for size, top, left in _boxes(flat):
        down = _resize(rows.shape[2], top, 1.0 if flat else size, 1 if flat else _CROPPED[0])
        across = _resize(rows.shape[3], left, size, _CROPPED[flat])
        crop = down @ rows @ across.T
        found.append(F.normalize((crop - crop.mean((2, 3), keepdim=True)).flatten(1), dim=1))
    return torch.stack(found, dim=1)


def _resize(length: int, start: float, size: float, into: int) -> Tensor:
    """Return the (into, length) matrix that reads a part of an axis by triangles as wide as what they stand for."""
    at = (start + size * (torch.arange(into) + 0.5) / into) * length - 0.5
    wide = max(1.0, size * length / into)
    weights = (1 - (torch.arange(length)[None] - at[:, None]).abs() / wide).clamp(min=0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-9)


def _start(a: Tensor, b: Tensor) -> Tensor:
    """Return log scale, and shifts down and right (P, 3), that lay the most alike crops on each other."""
    flat = a.shape[2] == 1
    boxes = torch.tensor(list(_boxes(flat)))
    best = torch.bmm(_crops(a), _crops(b).transpose(1, 2)).flatten(1).argmax(1)
    first, second = boxes[best // len(boxes)], boxes[best % len(boxes)]
    # A point of `a` at p lies in its crop at (p - start) / size, and in `b` at start + size * that.
    scale = second[:, 0] / first[:, 0]
    down, right = (second[:, side] - first[:, side] * scale + (scale - 1) / 2 for side in (1, 2))
    return torch.stack([scale.log(), torch.zeros_like(down) if flat else down, right], dim=1)


def _climbed(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """Return the correlations after a pattern search from `theta` (P, 3)."""
    flat = a.shape[2] == 1
    value, step = _correlation(a, b, theta), _STEP
    moves = torch.eye(3)[[0, 2] if flat else [0, 1, 2]]
    for _ in range(_ROUNDS):
        for move in torch.cat([moves, -moves]):
            tried = theta + step * move
            found = _correlation(a, b, tried)
            better = found > value
            theta, value = torch.where(better[:, None], tried, theta), torch.where(better, found, value)
        step *= _SHORTER
    return value


def _correlation(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """Return the correlation (P,) of `a` with `b` read at its points moved by `theta`, where these lie in `b`."""
    flat, scale = a.shape[2] == 1, theta[:, 0].exp()
    turn = torch.zeros(len(a), 2, 3)
    turn[:, 0, 0], turn[:, 1, 1] = scale, 1.0 if flat else scale
    turn[:, 0, 2], turn[:, 1, 2] = 2 * theta[:, 2], 2 * theta[:, 1]
    grid = F.affine_grid(turn, list(a.shape), align_corners=False)
    inside = (grid.abs() <= 1).all(-1)[:, None].float()
    moved = F.grid_sample(b, grid, padding_mode="border", align_corners=False)
    count = inside.sum((2, 3), keepdim=True).clamp(min=1)
    x, y = ((part - (part * inside).sum((2, 3), keepdim=True) / count) * inside for part in (a, moved))
    dots, squares = (x * y).sum((1, 2, 3)), (x * x).sum((1, 2, 3)) * (y * y).sum((1, 2, 3))
    found = dots / squares.sqrt().clamp(min=1e-9)
    return torch.where(inside.mean((1, 2, 3)) >= _LEAST, found, torch.full_like(found, -1.0))
