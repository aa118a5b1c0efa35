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
_CROPPED = 12, 48  # of a crop, of which many are compared
# Sizes of the crops as fractions of the side, and their places in what is left.
_SIZES = (1.0, 0.85, 0.7), (1.0, 0.92, 0.85, 0.78, 0.7)
_PLACES = (0.0, 0.5, 1.0), (0.0, 0.25, 0.5, 0.75, 1.0)
# Of the search: steps, and how far one goes in fractions of the side and of the size. Of smooth rows natural twins
# differ from copies by less than what a tenth of a step of 128 costs, and rough ones fit nowhere else.
_ROUNDS, _FARTHEST = 8, 0.05
_DAMPING, _EASIER, _HARDER = 1e-2, 5, 10  # at first, and after a step that fits better, or does not
_APART = 0.04  # of the second start from the first
_LEAST = 0.5  # of a row has to lie in the other one
_PAIRS = 256
# Sizes and places of what may be enlarged to a whole row, and places of what may be moved to the middle of one.
_SERIES = tuple(1 - 0.03 * step for step in range(1, 11)), 17, 33
_COMPARED = (((0.92, 0.85, 0.78, 0.71), 7, 9), _SERIES)  # among all rows
_BEGUN = ((0.95, 0.9, 0.85, 0.8, 0.75, 0.7), 7, 13), _SERIES  # where a fit begins, of the pairs alone
_MIDDLE = 0.7
_WHOLE = (1.0, 0.0, 0.0)
_AXES, _WHITENED = 64, 0.5  # axes of parts, and how far their variances are brought to each other
_FLOOR = 1e-7  # of the largest variance: what is below is rounding
_DRAWN = 20_000  # crops by which axes are found


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
    """Return the correlations (P, 2) of the rows `one` with the rows `other`, moved and scaled to fit them best.

    A search over scale and place begins at the two pairs of parts that correlate most. Means are taken off each channel
    and gain is divided out, where both rows are there. The second correlation is that of an image's details there: what
    its lines and its columns have in common is taken off too, since two horizons fit each other by that alone.
    """
    out = np.empty((len(one), 2), dtype=np.float32)
    for piece in batched(len(one), rows=_PAIRS):
        a, b = (rows[torch.from_numpy(side[piece])] for side in (one, other))
        fits = []
        for theta in _starts(a, b):
            # The smaller part is laid on the larger one, so that what is read between two places is never coarser.
            turned = theta[:, 0] > 0
            first, second = (torch.where(turned[:, None, None, None], *pair) for pair in ((b, a), (a, b)))
            fits.append(_climbed(first, second, torch.where(turned[:, None], _turned(theta), theta)))
        better = fits[1][:, :1] > fits[0][:, :1]
        out[piece] = torch.where(better, fits[1], fits[0]).numpy()
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
        for piece in batched(len(rows), rows=_PAIRS):
            parts = _described(rows[piece], boxes, axes)
            best = torch.full((len(parts), len(rows)), -torch.inf)
            for place in range(parts.shape[1]):
                torch.maximum(best, parts[:, place] @ others, out=best)
            if apart is not None:
                best[torch.from_numpy(apart[piece, None] == apart)] = -torch.inf
            found[piece] = torch.maximum(found[piece], best.half())
    found = torch.maximum(found, found.T).fill_diagonal_(-torch.inf)
    nearest = [found[piece].float().topk(count, dim=1) for piece in batched(len(rows), rows=_PAIRS)]
    alike, others = (torch.cat([each[part] for each in nearest]) for part in (0, 1))
    last = alike[:, -1]
    # Rows of one large block may have no other row at all.
    excess = (alike - torch.minimum(last[:, None], last[others])).nan_to_num(nan=-torch.inf)
    return others.numpy(), excess.numpy()


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


def _starts(a: Tensor, b: Tensor) -> list[Tensor]:
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


def _laid(first: Sequence[Box], second: Sequence[Box], flat: bool) -> Tensor:
    """Return the log scales and shifts (G, 3) that lay parts of one row on the parts `second` of another."""
    a, b = torch.tensor(first), torch.tensor(second)
    # A point of `a` at p lies in its part at (p - start) / size, and in `b` at start + size * that.
    scale = b[:, 0] / a[:, 0]
    down, right = (b[:, side] - a[:, side] * scale + (scale - 1) / 2 for side in (1, 2))
    return torch.stack([scale.log(), torch.zeros_like(down) if flat else down, right], dim=1)


def _turned(theta: Tensor) -> Tensor:
    """Return the log scale and shifts that lay `b` on `a`, of those that lay `a` on `b`."""
    return torch.cat([-theta[:, :1], -theta[:, 1:] * (-theta[:, :1]).exp()], dim=1)


def _climbed(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """Return the correlations (P, 2) after steps of Gauss and Newton from `theta` (P, 3), damped where they fail.

    Source: Levenberg (1944); Evangelidis and Psarakis (2008) for the correlation in place of the difference.
    """
    planes, axes = torch.cat([b, *_slopes(b)], dim=1), torch.tensor([0, 2] if a.shape[2] == 1 else [0, 1, 2])
    value, gradient, curvature = _correlation(a, planes, theta)
    damping = torch.full_like(value, _DAMPING)
    for _ in range(_ROUNDS):
        ridge = torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2) + 1e-9)
        step = torch.linalg.solve(curvature + ridge, gradient).clamp(-_FARTHEST, _FARTHEST)
        tried = theta.index_add(1, axes, step)
        found = _correlation(a, planes, tried)
        better = found[0] > value
        damping = torch.where(better, damping / _EASIER, damping * _HARDER).clamp(1e-6, 1e3)
        theta = torch.where(better[:, None], tried, theta)
        value = torch.where(better, found[0], value)
        gradient = torch.where(better[:, None], found[1], gradient)
        curvature = torch.where(better[:, None, None], found[2], curvature)
    return torch.stack([value, value if a.shape[2] == 1 else _of_details(a, b, theta)], dim=1)


def _of_details(a: Tensor, b: Tensor, theta: Tensor) -> Tensor:
    """Return the correlation (P,) of images `a` with `b` where they lie on each other, without lines and columns."""
    inside, moved = _read(a, b, theta)

    def details(part: Tensor) -> Tensor:
        # What lies inside is a rectangle, of which means of lines and of columns come off in any order.
        for axis in (2, 3):
            part = part - (part * inside).sum(axis, keepdim=True) / inside.sum(axis, keepdim=True).clamp(min=1)
        return F.normalize((part * inside).flatten(1), dim=1, eps=1e-9)

    return (details(a) * details(moved)).sum(1)


def _read(a: Tensor, planes: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Return where points of `a`, moved by `theta`, lie in the planes, (P, 1, H, W), and what these are there."""
    grid = _moved(a, theta)
    inside = (grid.abs() <= 1).all(-1)[:, None].float()
    return inside, F.grid_sample(planes, grid, padding_mode="border", align_corners=False)


def _moved(a: Tensor, theta: Tensor) -> Tensor:
    """Return the points (P, H, W, 2) of `a` moved by `theta`, from -1 to 1 where they lie in another row."""
    turn = torch.zeros(len(a), 2, 3)
    turn[:, 0, 0] = scale = theta[:, 0].exp()
    turn[:, 1, 1] = 1.0 if a.shape[2] == 1 else scale
    turn[:, 0, 2], turn[:, 1, 2] = 2 * theta[:, 2], 2 * theta[:, 1]
    return F.affine_grid(turn, list(a.shape), align_corners=False)


def _slopes(b: Tensor) -> list[Tensor]:
    """Return how values grow by a place to the right, and before it by one down, of images."""
    right = F.pad(b, (1, 1, 0, 0), mode="replicate")
    found = [(right[..., 2:] - right[..., :-2]) / 2]
    if b.shape[2] > 1:
        down = F.pad(b, (0, 0, 1, 1), mode="replicate")
        found.insert(0, (down[:, :, 2:] - down[:, :, :-2]) / 2)
    return found


def _correlation(a: Tensor, planes: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the correlation (P,) of `a` with `b` read at its points moved by `theta`, where these lie in `b`.

    With it what a step of Gauss and Newton needs: by scale and shifts the gradient (P, k), and the curvature (P, k, k)
    of the squared difference of the two once they have length 1; k is 3, and 2 of series.

    Args:
        planes: `b` and its slopes.
    """
    inside, read = _read(a, planes, theta)
    count = inside.sum((2, 3), keepdim=True).clamp(min=1)
    moved, *slopes = read.split(a.shape[1], dim=1)
    # Half of a side is 1 on the grid, which is scaled about its middle.
    sides, ways = (side / 2 for side in a.shape[2:]), (_moved(a, theta) - 2 * theta[:, None, None, [2, 1]]).unsqueeze(1)
    by_axis = list(zip(slopes[::-1], list(sides)[::-1], ways.unbind(-1)))[::-1]
    grown = torch.stack([slope * half * way for slope, half, way in by_axis]).sum(0)
    changes = [grown, *(2 * slope * half for slope, half, _ in by_axis)]

    def centred(part: Tensor) -> Tensor:
        return ((part - (part * inside).sum((2, 3), keepdim=True) / count) * inside).flatten(1)

    x, y = F.normalize(centred(a), dim=1, eps=1e-9), centred(moved)
    length = y.norm(dim=1, keepdim=True).clamp(min=1e-9)
    y = y / length
    by = torch.stack([centred(change) / length for change in changes], dim=1)
    by = by - (by @ y[..., None]) * y[:, None]
    value = torch.where(inside.mean((1, 2, 3)) >= _LEAST, (x * y).sum(1), -1.0)
    return value, (by @ (x - y)[..., None])[..., 0], by @ by.transpose(1, 2)
