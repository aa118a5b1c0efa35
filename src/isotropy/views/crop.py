"""Random resized crops of whole batches: boxes distributed as torchvision's, pixels by two sparse weight matrices.

A crop, its antialiased resize and its flip are `A_y X A_x^T` with one pair of matrices per sample. A row of such a
matrix has a few neighbouring entries (taps), so it is kept as indices and weights, and the product is a weighted sum
of rows: no dense product, whose cost is 15 times as high at 224 px and whose bits depend on the batch.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

TRIES = 10
BOX_COLUMNS = 2 * TRIES + 2
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0}
INTERPOLATIONS = tuple(_SUPPORT)


def boxes(
    uniforms: Tensor, height: int, width: int, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """Return crop boxes, (B, 4) int64 on the CPU: top, left, height, width in whole pixels.

    Args:
        uniforms: (B, 22) float64 in [0, 1): ten areas, ten aspects, top, left.
        height, width: of the source, in pixels.
        scale, ratio: least and largest fraction of the source's area, and width / height.

    The law is that of torchvision's RandomResizedCrop: the first of ten tries (area uniform, aspect log-uniform,
    sides rounded) that fits inside the source, else the largest central box of an allowed aspect.
    """
    area = height * width * (scale[0] + (scale[1] - scale[0]) * uniforms[:, :TRIES])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = torch.exp(low + (high - low) * uniforms[:, TRIES : 2 * TRIES])
    sides = torch.stack([torch.sqrt(area / aspect), torch.sqrt(area * aspect)]).round().long()
    limit = torch.tensor([height, width]).view(2, 1, 1)
    fits = ((sides > 0) & (sides <= limit)).all(0)
    first = fits.to(torch.int8).argmax(1)  # the first of equal maxima
    chosen = sides.gather(2, first.expand(2, -1)[..., None])[..., 0]
    corner = (uniforms[:, 2 * TRIES :].T * (limit[..., 0] - chosen + 1)).floor().long()
    own = height, width
    if width / height < ratio[0]:
        own = round(width / ratio[0]), width
    elif width / height > ratio[1]:
        own = height, round(height * ratio[1])
    central = torch.tensor([(height - own[0]) // 2, (width - own[1]) // 2, *own])
    return torch.where(fits.any(1)[:, None], torch.cat([corner, chosen]).T, central)


def taps(
    start: Tensor, length: Tensor, source: int, out: int, *, interpolation: str, flip: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return one axis of a resize as sparse matrices: indices (B, out, T) int32 and weights (B, out, T) float32.

    Args:
        start, length: (B,) int64, the first source pixel of each box, and how many it has.
        source: pixels of the source along this axis; with `out` it fixes T, whatever the batch.
        out: pixels of the result.
        interpolation: "bilinear" (triangle) or "bicubic" (Keys, a = -0.5), both widened where they shrink.
        flip: (B,) bool, which samples run backwards.
    """
    place = torch.arange(out, dtype=torch.float64).expand(len(start), out)
    if flip is not None:
        place = torch.where(flip[:, None], out - 1 - place, place)
    step = (length.to(torch.float64) / out)[:, None]
    wide = step.clamp(min=1.0)
    centre = start[:, None] + (place + 0.5) * step
    first = torch.floor(centre - _SUPPORT[interpolation] * wide + 0.5)
    number = math.ceil(2 * _SUPPORT[interpolation] * max(source / out, 1.0))
    # Distances are small numbers, which float32 holds well. Taps lead, and are summed one by one, because torch's sum
    # is slow over a short last axis, and over a first one its order, and so its bits, depends on the batch.
    tap = torch.arange(number, dtype=torch.int32)[:, None, None]
    index = first.to(torch.int32) + tap
    distance = ((first + 0.5 - centre) / wide).to(torch.float32) + tap / wide.to(torch.float32)
    distance.abs_()
    weight = _triangle(distance) if interpolation == "bilinear" else _cubic(distance)
    start, end = start.to(torch.int32)[:, None], (start + length).to(torch.int32)[:, None]
    weight *= (index >= start) & (index < end)
    weight /= functools.reduce(torch.add, weight)
    return index.clamp_(0, source - 1).movedim(0, 2).contiguous(), weight.movedim(0, 2).contiguous()


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance).clamp_(min=0.0)


def _cubic(distance: Tensor) -> Tensor:
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def weigh_rows(rows: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted sums of rows, (B, out, *) float32: `sum_t weight[b, i, t] * rows[b, index[b, i, t]]`.

    Args:
        rows: (B, R, *) float32, contiguous.
        index, weight: (B, out, T) int32 in [0, R), and float32.

    Every sum is made by itself, in the order of its taps, so its bits depend on nothing else.
    """
    batch, number = rows.shape[:2]
    first = torch.arange(0, batch * number, number, dtype=torch.int32, device=rows.device).view(-1, 1, 1)
    summed = F.embedding_bag(
        (index + first).flatten(0, 1),
        rows.reshape(batch * number, -1),
        per_sample_weights=weight.flatten(0, 1),
        mode="sum",
    )
    return summed.view(batch, index.shape[1], *rows.shape[2:])


def resample(images: Tensor, vertical: tuple[Tensor, Tensor], horizontal: tuple[Tensor, Tensor]) -> Tensor:
    """Return the crops `A_y X A_x^T`, (B, C, out height, out width) float32 in the units of `images`.

    Args:
        images: (B, C, H, W), uint8 or float.
        vertical, horizontal: indices and weights of A_y and of A_x, from `taps`.
    """
    rows = images.permute(0, 2, 1, 3).to(torch.float32, memory_format=torch.contiguous_format)
    rows = weigh_rows(rows, *vertical)
    columns = weigh_rows(rows.permute(0, 3, 2, 1).contiguous(), *horizontal)
    return columns.permute(0, 2, 3, 1).contiguous()
