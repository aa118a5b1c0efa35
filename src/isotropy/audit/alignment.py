"""How alike two images or series are once one is cropped, shifted, amplified or brightened to fit the other."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from isotropy.audit.parts import PAIRS, starts
from isotropy.audit.pictures import stretched
from isotropy.batch import batched

# Of the search: steps, and how far one goes in fractions of the side and of the size. Of smooth rows natural twins
# differ from copies by less than what a tenth of a step of 128 costs, and rough ones fit nowhere else.
_ROUNDS, _FARTHEST = 8, 0.05
_DAMPING, _EASIER, _HARDER = 1e-2, 5, 10  # at first, and after a step that fits better, or does not
_LEAST = 0.5  # of a row has to lie in the other one


def aligned(
    rows: Tensor, one: NDArray[np.int64], other: NDArray[np.int64], ends: Tensor | None = None
) -> NDArray[np.float32]:
    """Return the correlations (P, 2) of the rows `one` with the rows `other`, moved and scaled to fit them best.

    A search over scale and place begins at the two pairs of parts that correlate most. Means are taken off each channel
    and gain is divided out, where both rows are there. The second correlation is that of an image's details there: what
    its lines and its columns have in common is taken off too, since two horizons fit each other by that alone.

    Args:
        rows: as `pictures.reduced` gives them. ends: (N,) what part of the width of each is there; None for all.
    """
    ends = torch.ones(len(rows)) if ends is None else ends
    out = np.empty((len(one), 2), dtype=np.float32)
    for piece in batched(len(one), rows=PAIRS):
        sides = [torch.from_numpy(side[piece]) for side in (one, other)]
        (a, b), (end_a, end_b) = ([values[side] for side in sides] for values in (rows, ends))
        fits = []
        for theta in starts(stretched(a, end_a), stretched(b, end_b)):
            theta = _unstretched(theta, end_a, end_b)
            # The smaller part is laid on the larger one, so that what is read between two places is never coarser.
            turned = theta[:, 0] > 0
            first, second = (torch.where(turned[:, None, None, None], *pair) for pair in ((b, a), (a, b)))
            both = torch.where(turned[:, None], torch.stack([end_b, end_a], 1), torch.stack([end_a, end_b], 1))
            fits.append(_climbed(first, second, torch.where(turned[:, None], _turned(theta), theta), both))
        better = fits[1][:, :1] > fits[0][:, :1]
        out[piece] = torch.where(better, fits[1], fits[0]).numpy()
    return out


def _unstretched(theta: Tensor, end_a: Tensor, end_b: Tensor) -> Tensor:
    """Return the log scale and shifts that lay `a` on `b` as they are, of those that lay them on each other stretched.

    A point at u of what is there of `a` lies at s u + c of what is there of `b`; of the whole widths at (s u + c) times
    the end of `b`, and at u times the end of `a`.
    """
    scale, ratio = theta[:, 0].exp(), end_b / end_a
    right = end_b * (theta[:, 2] - (scale - 1) / 2) + (scale * ratio - 1) / 2
    laid = torch.stack([theta[:, 0] + ratio.log(), theta[:, 1], right], dim=1)
    return torch.where(((end_a == 1) & (end_b == 1))[:, None], theta, laid)


def _turned(theta: Tensor) -> Tensor:
    """Return the log scale and shifts that lay `b` on `a`, of those that lay `a` on `b`."""
    return torch.cat([-theta[:, :1], -theta[:, 1:] * (-theta[:, :1]).exp()], dim=1)


def _climbed(a: Tensor, b: Tensor, theta: Tensor, ends: Tensor) -> Tensor:
    """Return the correlations (P, 2) after steps of Gauss and Newton from `theta` (P, 3), damped where they fail.

    `ends` (P, 2) are those of `a` and of `b`.

    Source: Levenberg (1944); Evangelidis and Psarakis (2008) for the correlation in place of the difference.
    """
    planes, axes = torch.cat([b, *_slopes(b)], dim=1), torch.tensor([0, 2] if a.shape[2] == 1 else [0, 1, 2])
    value, gradient, curvature = _correlation(a, planes, theta, ends)
    damping = torch.full_like(value, _DAMPING)
    for _ in range(_ROUNDS):
        ridge = torch.diag_embed(damping[:, None] * curvature.diagonal(dim1=1, dim2=2) + 1e-9)
        step = torch.linalg.solve(curvature + ridge, gradient).clamp(-_FARTHEST, _FARTHEST)
        tried = theta.index_add(1, axes, step)
        found = _correlation(a, planes, tried, ends)
        better = found[0] > value
        damping = torch.where(better, damping / _EASIER, damping * _HARDER).clamp(1e-6, 1e3)
        theta = torch.where(better[:, None], tried, theta)
        value = torch.where(better, found[0], value)
        gradient = torch.where(better[:, None], found[1], gradient)
        curvature = torch.where(better[:, None, None], found[2], curvature)
    return torch.stack([value, value if a.shape[2] == 1 else _of_details(a, b, theta, ends)], dim=1)


def _of_details(a: Tensor, b: Tensor, theta: Tensor, ends: Tensor) -> Tensor:
    """Return the correlation (P,) of images `a` with `b` where they lie on each other, without lines and columns."""
    inside, moved = _read(a, b, theta, ends)

    def details(part: Tensor) -> Tensor:
        # What lies inside is a rectangle, of which means of lines and of columns come off in any order.
        for axis in (2, 3):
            part = part - (part * inside).sum(axis, keepdim=True) / inside.sum(axis, keepdim=True).clamp(min=1)
        return F.normalize((part * inside).flatten(1), dim=1, eps=1e-9)

    return (details(a) * details(moved)).sum(1)


def _read(a: Tensor, planes: Tensor, theta: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return where points of `a`, moved by `theta`, lie in the planes, (P, 1, H, W), and what these are there."""
    grid = _moved(a, theta)
    across = (grid[..., 0] >= -1) & (grid[..., 0] <= 2 * ends[:, 1, None, None] - 1)
    inside = (across & (grid[..., 1].abs() <= 1))[:, None] & _there(a, ends[:, 0])
    return inside.float(), F.grid_sample(planes, grid, padding_mode="border", align_corners=False)


def _there(a: Tensor, ends: Tensor) -> Tensor:
    """Return which columns of rows are there, (P, 1, 1, W), of those that end at `ends` (P,) of the width."""
    width = a.shape[3]
    return ((torch.arange(width) + 0.5) / width < ends[:, None])[:, None, None]


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


def _correlation(a: Tensor, planes: Tensor, theta: Tensor, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the correlation (P,) of `a` with `b` read at its points moved by `theta`, where these lie in `b`.

    With it what a step of Gauss and Newton needs: by scale and shifts the gradient (P, k), and the curvature (P, k, k)
    of the squared difference of the two once they have length 1; k is 3, and 2 of series.

    Args:
        planes: `b` and its slopes. ends: (P, 2) where `a` and `b` end.
    """
    inside, read = _read(a, planes, theta, ends)
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
    enough = inside.mean((1, 2, 3)) >= _LEAST * _there(a, ends[:, 0]).float().mean((1, 2, 3))
    value = torch.where(enough, (x * y).sum(1), -1.0)
    return value, (by @ (x - y)[..., None])[..., 0], by @ by.transpose(1, 2)
