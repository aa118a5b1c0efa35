"""How alike two images or series are once one is cropped, shifted, amplified or brightened to fit the other."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched

Box = tuple[float, float, float]  # size, top and left, as fractions of the sides
SIDE, STEPS = 32, 512  # pixels of a side and steps in which rows are compared, at most
_CROPPED = 12, 48  # of a crop, of which many are compared
# Sizes of the crops as fractions of the side, and their places in what is left.
_SIZES = (1.0, 0.85, 0.7), (1.0, 0.92, 0.85, 0.78, 0.7)
_PLACES = (0.0, 0.5, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
# Of the search: fractions of the side, and of the size. It ends at a hundredth of a step of 128, since of smooth rows
# natural twins differ from copies by less than what a tenth of a step costs.
_STEP, _ROUNDS, _SHORTER = 0.03, 11, 0.55
_LEAST = 0.5  # of a row has to lie in the other one
_PAIRS = 256
# Sizes and places of what may be enlarged to a whole row, and places of what may be moved to the middle of one.
_CUTS = ((0.9, 0.8, 0.7), 5), (tuple(1 - 0.03 * step for step in range(1, 11)), 17)
_MOVES, _MIDDLE = (9, 33), 0.7
_WHOLE = (1.0, 0.0, 0.0)
_AXES, _WHITENED = 64, 0.5  # axes of parts, and how far their variances are brought to each other
_FLOOR = 1e-7  # of the largest variance: what is below is rounding
_DRAWN = 20_000  # crops by which axes are found


def reduced(rows: Tensor) -> Tensor:
    """Return images (N, C, H, W) or series (N, C, T), small enough to be compared in numbers, as (N, C, h, w) float32.

    Example:
        >>> reduced(torch.ones(2, 3, 900)).shape, reduced(torch.ones(2, 3, 20, 50)).shape
        (torch.Size([2, 3, 1, 512]), torch.Size([2, 3, 20, 32]))
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

    A pattern search over scale and place begins at the pair of parts that correlates most. Means are taken off each
    channel and gain is divided out, where both rows are there.
    """
    out = np.empty(len(one), dtype=np.float32)
    for piece in batched(len(one), rows=_PAIRS):
        a, b = (rows[torch.from_numpy(side[piece])] for side in (one, other))
        theta = _start(a, b)
        # The smaller part is laid on the larger one, so that what is read between two places is never coarser.
        turned = theta[:, 0] > 0
        first, second = (torch.where(turned[:, None, None, None], *pair) for pair in ((b, a), (a, b)))
        out[piece] = _climbed(first, second, torch.where(turned[:, None], _turned(theta), theta)).numpy()
    return out


def fitting(rows: Tensor, count: int, apart: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the `count` rows (N, count) of which a part, enlarged or moved, is most like each row, or the reverse.

    Parts are compared along 64 principal axes with the variances of these brought half of the way to each other: twins
    by nature are alike in what varies most, copies in the rest too. It takes N x N similarities of 16 bits.

    Args:
        rows: as `reduced` gives them. count: below N. apart: (N,) blocks; rows of one block are not compared.
    """
    flat, rows = rows.shape[2] == 1, grey(rows)
    cuts, moves = _guesses(flat)
    axes = _whitening(rows, cuts)
    found = torch.full((len(rows), len(rows)), -torch.inf, dtype=torch.float16)
    for boxes, target in ((cuts, [_WHOLE]), (moves, _middle(flat))):
        others = _described(rows, target, axes)[:, 0].T
        for piece in batched(len(rows), rows=_PAIRS):
            parts = _described(rows[piece], boxes, axes)
            best = torch.full((len(parts), len(rows)), -torch.inf)
            for place in range(parts.shape[1]):
                torch.maximum(best, parts[:, place] @ others, out=best)
            if apart is not None:
                best[torch.from_numpy(apart[piece, None] == apart)] = -torch.inf
            found[piece] = torch.maximum(found[piece], best.half())
    found = torch.maximum(found, found.T).fill_diagonal_(-torch.inf)
    nearest = [found[piece].float().topk(count, dim=1).indices for piece in batched(len(rows), rows=_PAIRS)]
    return torch.cat(nearest).numpy()


def _guesses(flat: bool) -> tuple[list[Box], list[Box]]:
    """Return the boxes that may be enlarged to a whole row, itself the first, and those that may be its middle."""
    sizes, places = _CUTS[flat]
    return [_WHOLE, *_parts(sizes, places, flat)], list(_parts((_MIDDLE,), _MOVES[flat], flat))


def _middle(flat: bool) -> list[Box]:
    edge = (1 - _MIDDLE) / 2
    return [(_MIDDLE, 0.0 if flat else edge, edge)]


def _parts(sizes: Sequence[float], places: int, flat: bool) -> Iterator[Box]:
    """Yield size, top and left of parts at evenly spaced places; those of a series (`flat`) in time alone."""
    steps = [place / (places - 1) for place in range(places)]
    for size in sizes:
        for top in (0.0,) if flat else steps:
            for left in steps:
                yield size, top * (1 - size), left * (1 - size)


def _whitening(rows: Tensor, boxes: Sequence[Box]) -> Tensor:
    """Return the axes (D, 64) along which parts are compared, each as long as its variance asks."""
    some = rows[:: max(1, len(rows) * len(boxes) // _DRAWN)]
    parts = _cut(some, boxes).flatten(0, 1)
    variances, axes = torch.linalg.eigh((parts - parts.mean(0)).T @ (parts - parts.mean(0)) / len(parts))
    lengths = variances[-_AXES:].clamp(min=_FLOOR * float(variances[-1])).clamp(min=1e-30) ** (-_WHITENED / 2)
    return axes[:, -_AXES:] * lengths


def _described(rows: Tensor, boxes: Sequence[Box], axes: Tensor) -> Tensor:
    """Return the directions (N, G, 64) of parts of rows."""
    return F.normalize(_cut(rows, boxes) @ axes, dim=2)


def grey(rows: Tensor) -> Tensor:
    """Return the mean of the colours of images, which move together; series keep their channels."""
    return rows.mean(1, keepdim=True) if rows.shape[2] > 1 else rows


def _planes(rows: Tensor) -> Tensor:
    return rows[:, :, None] if rows.ndim == 3 else rows


def _boxes(flat: bool) -> Iterator[Box]:
    """Yield size, top and left of every crop; a series (`flat`) is cropped in time alone."""
    for size in _SIZES[flat]:
        places = _PLACES[flat] if size < 1 else (0.0,)
        for top in (0.0,) if flat else places:
            for left in places:
                yield size, top * (1 - size), left * (1 - size)


def _crops(rows: Tensor) -> Tensor:
    """Return all crops (N, G, D) of rows (N, C, H, W), each with a mean of 0 in every channel and of length 1."""
    return _cut(rows, list(_boxes(rows.shape[2] == 1)))


def _cut(rows: Tensor, boxes: Sequence[Box]) -> Tensor:
    flat = rows.shape[2] == 1
    found = []
    for size, top, left in boxes:
        down = _resize(rows.shape[2], top, 1.0 if flat else size, 1 if flat else _CROPPED[0])
        across = _resize(rows.shape[3], left, size, _CROPPED[flat])
        crop = down @ rows @ across.T
        found.append(F.normalize((crop - crop.mean((2, 3), keepdim=True)).flatten(1), dim=1))
    return torch.stack(found, dim=1)


@lru_cache(maxsize=1024)
def _resize(length: int, start: float, size: float, into: int) -> Tensor:
    """Return the (into, length) matrix that reads a part of an axis by triangles as wide as what they stand for."""
    at = (start + size * (torch.arange(into) + 0.5) / into) * length - 0.5
    wide = max(1.0, size * length / into)
    weights = (1 - (torch.arange(length)[None] - at[:, None]).abs() / wide).clamp(min=0)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-9)


def _start(a: Tensor, b: Tensor) -> Tensor:
    """Return log scale, and shifts down and right (P, 3), that lay the most alike parts on each other."""
    flat = a.shape[2] == 1
    cuts, moves = _guesses(flat)
    one, other = _cut(a, cuts), _cut(b, cuts)
    moved, middle = _cut(a, moves), _cut(b, _middle(flat))
    fits = [one @ other[:, 0, :, None], other @ one[:, 0, :, None], moved @ middle[:, 0, :, None]]
    best = torch.cat(fits, dim=1)[..., 0].argmax(1)
    first = torch.tensor([*cuts, *([_WHOLE] * len(cuts)), *moves])[best]
    second = torch.tensor([*([_WHOLE] * len(cuts)), *cuts, *(_middle(flat) * len(moves))])[best]
    # A point of `a` at p lies in its part at (p - start) / size, and in `b` at start + size * that.
    scale = second[:, 0] / first[:, 0]
    down, right = (second[:, side] - first[:, side] * scale + (scale - 1) / 2 for side in (1, 2))
    return torch.stack([scale.log(), torch.zeros_like(down) if flat else down, right], dim=1)


def _turned(theta: Tensor) -> Tensor:
    """Return the log scale and shifts that lay `b` on `a`, of those that lay `a` on `b`."""
    return torch.cat([-theta[:, :1], -theta[:, 1:] * (-theta[:, :1]).exp()], dim=1)


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
