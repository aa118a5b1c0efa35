"""Parts of images and series, compared with each other and with whole rows: which rows a crop or a shift may lie on."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched

Box = tuple[float, float, float]  # size, top and left, as fractions of the sides
_CROPPED = 12, 48  # of a crop, of which many are compared
# Sizes of the crops as fractions of the side, and their places in what is left.
_SIZES = (1.0, 0.85, 0.7), (1.0, 0.92, 0.85, 0.78, 0.7)
_PLACES = (0.0, 0.5, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
PAIRS = 256  # compared at once
# Sizes and places of what may be enlarged to a whole row, and places of what may be moved to the middle of one.
_SERIES = tuple(1 - 0.03 * step for step in range(1, 11)), 17, 33
_COMPARED = (((0.92, 0.85, 0.78, 0.71), 7, 9), _SERIES)  # among all rows
_BEGUN = ((0.95, 0.9, 0.85, 0.8, 0.75, 0.7), 7, 13), _SERIES  # where a fit begins, of the pairs alone
_APART = 0.04  # of the second start from the first
_MIDDLE = 0.7
_WHOLE = (1.0, 0.0, 0.0)
_AXES, _WHITENED = 64, 0.5  # axes of parts, and how far their variances are brought to each other
_FLOOR = 1e-7  # of the largest variance: what is below is rounding
_DRAWN = 20_000  # crops by which axes are found


def coarse(rows: Tensor, others: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the highest correlation (N, K) of crops of every row with crops of the rows `others` (N, K)."""
    # Crops are many times the rows, so 16-bit numbers hold them: which of them fit is all that they say.
    crops = torch.cat([_crops(rows[piece]).half() for piece in batched(len(rows), rows=PAIRS)])
    out = np.empty(others.shape, dtype=np.float32)
    for piece in batched(len(rows), rows=PAIRS):
        first = crops[piece].float()
        for place in range(others.shape[1]):
            second = crops[torch.from_numpy(others[piece, place])].float()
            out[piece, place] = torch.bmm(first, second.transpose(1, 2)).amax((1, 2)).numpy()
    return out


def fitting(
    rows: Tensor, count: int, apart: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the `count` rows (N, count) of which a part, enlarged or moved, is most like each row, or the reverse.

    Beside them how much more alike each pair is than either of the two is with the last of its `count` rows (N, count):
    where all rows look alike this tells copies, and the likeness does not.

    Parts are compared along 64 principal axes with the variances of these brought half of the way to each other: twins
    by nature are alike in what varies most, copies in the rest too. It takes N x N similarities of 16 bits.

    Args:
        rows: as `reduced` gives them. count: below N. apart: (N,) blocks; rows of one block are not compared.
    """
    flat = rows.shape[2] == 1
    cuts, moves = _guesses(*_COMPARED[flat], flat)
    axes = _whitening(rows, cuts)
    found = torch.full((len(rows), len(rows)), -torch.inf, dtype=torch.float16)
    for boxes, target in ((cuts, [_WHOLE]), (moves, _middle(flat))):
        others = _described(rows, target, axes)[:, 0].T
        for piece in batched(len(rows), rows=PAIRS):
            parts = _described(rows[piece], boxes, axes)
            best = torch.full((len(parts), len(rows)), -torch.inf)
            for place in range(parts.shape[1]):
                torch.maximum(best, parts[:, place] @ others, out=best)
            if apart is not None:
                best[torch.from_numpy(apart[piece, None] == apart)] = -torch.inf
            found[piece] = torch.maximum(found[piece], best.half())
    found = torch.maximum(found, found.T).fill_diagonal_(-torch.inf)
    nearest = [found[piece].float().topk(count, dim=1) for piece in batched(len(rows), rows=PAIRS)]
    alike, others = (torch.cat([each[part] for each in nearest]) for part in (0, 1))
    last = alike[:, -1]
    # Rows of one large block may have no other row at all.
    excess = (alike - torch.minimum(last[:, None], last[others])).nan_to_num(nan=-torch.inf)
    return others.numpy(), excess.numpy()


def starts(a: Tensor, b: Tensor) -> list[Tensor]:
    """Return log scale, and shifts down and right (P, 3), that lay the most alike parts on each other: the best two."""
    flat = a.shape[2] == 1
    cuts, moves = _guesses(*_BEGUN[flat], flat)
    one, other = _cut(a, cuts), _cut(b, cuts)
    moved, middle = _cut(a, moves), _cut(b, _middle(flat))
    fits = [one @ other[:, 0, :, None], other @ one[:, 0, :, None], moved @ middle[:, 0, :, None]]
    fit = torch.cat(fits, dim=1)[..., 0]
    theta = _laid(
        [*cuts, *([_WHOLE] * len(cuts)), *moves], [*([_WHOLE] * len(cuts)), *cuts, *_middle(flat) * len(moves)], flat
    )
    best = fit.argmax(1)
    beside = ((theta[best][:, None] - theta).abs() < _APART).all(2)
    return [theta[best], theta[fit.masked_fill(beside, -torch.inf).argmax(1)]]


def _guesses(sizes: Sequence[float], places: int, moves: int, flat: bool) -> tuple[list[Box], list[Box]]:
    """Return the boxes that may be enlarged to a whole row, itself the first, and those that may be its middle."""
    return [_WHOLE, *_parts(sizes, places, flat)], list(_parts((_MIDDLE,), moves, flat))


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


def _laid(first: Sequence[Box], second: Sequence[Box], flat: bool) -> Tensor:
    """Return the log scales and shifts (G, 3) that lay parts of one row on the parts `second` of another."""
    a, b = torch.tensor(first), torch.tensor(second)
    # A point of `a` at p lies in its part at (p - start) / size, and in `b` at start + size * that.
    scale = b[:, 0] / a[:, 0]
    down, right = (b[:, side] - a[:, side] * scale + (scale - 1) / 2 for side in (1, 2))
    return torch.stack([scale.log(), torch.zeros_like(down) if flat else down, right], dim=1)
