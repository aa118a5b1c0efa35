"""Images and series made small: as they are laid on each other, and as near ones are looked for among all."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import batched

_SIDE, _STEPS = 32, 512  # pixels of a side and steps in which rows are compared, at most
_THUMBNAIL = 8  # pixels of a side by which near images are looked for among all


def reduced(rows: Tensor) -> Tensor:
    """Return images (N, C, H, W) or series (N, C, T), small enough to be compared in numbers, as (N, c, h, w) float32.

    Of images the mean of the colours is left, which move together; series keep their channels.

    Example:
        >>> reduced(torch.ones(2, 3, 900)).shape, reduced(torch.ones(2, 3, 20, 50)).shape
        (torch.Size([2, 3, 1, 512]), torch.Size([2, 1, 20, 32]))
    """
    flat = rows.ndim == 3
    height, width = (1, rows.shape[2]) if flat else rows.shape[2:]
    size = (min(height, _SIDE), min(width, _STEPS if flat else _SIDE))
    found = []
    for piece in batched(len(rows), row_bytes=4 * rows[0].numel()):
        planes = rows[piece].float()[:, :, None] if flat else rows[piece].float().mean(1, keepdim=True)
        found.append(planes if size == (height, width) else F.adaptive_avg_pool2d(planes, size))
    return torch.cat(found)


def thumbnails(rows: Tensor) -> NDArray[np.float32]:
    """Return images (N, C, H, W) as at most 8 x 8 pixels, series (N, C, T) as `reduced` has them, `flattened`.

    So small, a crop or a shift is nearer to its row than where every pixel counts, and colours, which `reduced` has
    not, can be afforded.

    Example:
        >>> thumbnails(torch.rand(2, 3, 20, 50)).shape, thumbnails(torch.rand(2, 3, 30)).shape
        ((2, 192), (2, 90))
    """
    small = reduced(rows)
    if rows.ndim == 4:
        size = (min(rows.shape[2], _THUMBNAIL), min(rows.shape[3], _THUMBNAIL))
        pieces = batched(len(rows), row_bytes=4 * rows[0].numel())
        small = torch.cat([F.adaptive_avg_pool2d(rows[piece].float(), size) for piece in pieces])
    return flattened(small)


def flattened(pictures: Tensor) -> NDArray[np.float32]:
    """Return pictures (N, C, h, w) as flat rows (N, D), with a mean of 0 in every channel and of length 1.

    Example:
        >>> flattened(torch.tensor([[[[3.0, 5.0]]]]))
        array([[-0.70710677,  0.70710677]], dtype=float32)
    """
    centred = pictures - pictures.mean((2, 3), keepdim=True)
    flat: NDArray[np.float32] = F.normalize(centred.flatten(1), dim=1).numpy()
    return flat


def stretched(pictures: Tensor, ends: Tensor | None) -> Tensor:
    """Return series (N, C, 1, w), of which a part of the width `ends` (N,) is there, with that part as wide as all.

    So what lacks the end of another is a crop of it. As they are where `ends` is None.

    Example:
        >>> stretched(torch.tensor([[[[0.0, 1.0, 1.0, 1.0]]]]), torch.tensor([0.5]))
        tensor([[[[0.0000, 0.2500, 0.7500, 1.0000]]]])
    """
    if ends is None:
        return pictures
    width, found = pictures.shape[3], pictures.clone()
    wide = (ends * width).round().long().clamp(min=1)
    for steps in wide.unique().tolist():
        if steps < width:
            some = wide == steps
            there = pictures[some, :, 0, :steps]
            found[some] = F.interpolate(there, size=width, mode="linear", align_corners=False)[:, :, None]
    return found
