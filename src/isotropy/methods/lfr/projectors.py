"""Random projectors, whose outputs LFR predicts, and the choice of a diverse set (Sui et al. 2024, section 3)."""

from collections.abc import Callable, Mapping, Sequence
from math import pi, prod
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional

from isotropy.batch import filled
from isotropy.encoders.table import OneHot
from isotropy.errors import UserError
from isotropy.views.multiview import Dataset

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

# Larger feature maps than these, and than any in the paper, are averaged down to them, so that last layers stay small.
_MOST_STEPS = 256
_MOST_PIXELS = 16


def table_projector(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return an untrained projector of tables of a shape {"numeric", "categories"}: one-hot -> 256 -> width."""
    expand = OneHot(shape["numeric"], shape["categories"])
    return nn.Sequential(expand, nn.Linear(expand.width, 256), nn.ReLU(), nn.Linear(256, width))


def series_projector(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return an untrained projector of series {"channels", "length"}: two blocks of one convolution -> 256 -> width."""
    channels, steps = shape["channels"], shape["length"]
    # 2-D convolutions of height 1: the same arithmetic and initial weights as 1-D ones, and faster.
    layers: list[nn.Module] = [nn.Unflatten(1, (channels, 1))]
    for before, after in ((channels, 16), (16, 32)):
        layers += [nn.Conv2d(before, after, (1, 8), padding=(0, 4), bias=False), nn.ReLU()]
        layers.append(nn.MaxPool2d((1, 2), padding=(0, 1)))
        steps = (steps + 1) // 2 + 1
    if steps > _MOST_STEPS:
        layers.append(nn.AdaptiveAvgPool2d((1, _MOST_STEPS)))
        steps = _MOST_STEPS
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * steps, 256), nn.Linear(256, width))


def image_projector(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return an untrained projector of images {"channels", "size"}: three blocks of two convolutions -> width."""
    height, breadth = shape["size"]
    layers: list[nn.Module] = []
    for before, middle, after in ((shape["channels"], 8, 16), (16, 32, 32), (32, 32, 32)):
        layers += [nn.Conv2d(before, middle, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(middle, after, 3, padding=1), nn.ReLU()]
        if min(height, breadth) > 1:
            layers.append(nn.MaxPool2d(2))
            height, breadth = height // 2, breadth // 2
    if max(height, breadth) > _MOST_PIXELS:
        height, breadth = min(height, _MOST_PIXELS), min(breadth, _MOST_PIXELS)
        layers.append(nn.AdaptiveAvgPool2d((height, breadth)))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * height * breadth, width))


def array_projector(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return an untrained projector of arrays of a shape {"sizes"}: flattened -> 256 -> width."""
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape["sizes"]), 256), nn.ReLU(), nn.Linear(256, width))


def candidate(make: Callable[[], nn.Module], seed: int, number: int) -> nn.Module:
    """Return candidate `number` of those that `make` draws from `seed`, frozen, on the CPU."""
    state = np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # Global generators are not moved, nor, as torch.manual_seed would, reseeded on all devices.
        torch.default_generator.manual_seed(int(state) >> 1)
        network = make()
    return network.requires_grad_(False).eval()


@torch.no_grad()
def choose(
    make: Callable[[], nn.Module], rows: Tensor, *, count: int, candidates: int, seed: int, least: int | None = None
) -> list[int]:
    """Return the numbers of the `count` most diverse of `candidates` projectors on `rows` (b, ...), 1000 at most.

    `candidate(make, seed, number)` makes a chosen one again. See `greedy_dpp` for fewer different ones than `count`.
    """
    if count == candidates:
        return list(range(count))
    rows = rows[:1000]
    networks = (candidate(make, seed, number) for number in range(candidates))
    outputs = [network.to(rows.device, rows.dtype)(rows) for network in networks]
    return greedy_dpp(similarity(outputs), count, least=least)


def similarity(outputs: Sequence[Tensor]) -> Tensor:
    """Return how alike the geometries of N outputs (b, d) of the same rows are, as (N, N) float64 in [0, 1].

    The uncentred linear CKA of the row-normalised outputs R_n, that is the cosine between their Gram matrices,
    |R_n^T R_m|^2 / (|R_n^T R_n| |R_m^T R_m|) in Frobenius norms (section 3).
    """
    rows = functional.normalize(torch.stack([output.double() for output in outputs]), dim=2)
    number, b, d = rows.shape
    products = rows.new_zeros(number, number)
    # Count of multiplications: N^2 b d^2 / 2 through features, N b^2 d + N^2 b^2 / 2 through Gram matrices.
    if number * d * d < b * (2 * d + number):
        for n in range(number):
            products[n] = (rows[n].T @ rows).square().sum(dim=(1, 2))
    else:
        # A stripe of all Gram matrices at a time bounds the memory.
        for start in range(0, b, 128):
            grams = (rows[:, start : start + 128] @ rows.transpose(1, 2)).flatten(1)
            products += grams @ grams.T
    scale = products.diagonal().sqrt()
    # Exact ones make the first pick the first candidate instead of a matter of rounding.
    return (products / scale.outer(scale)).fill_diagonal_(1.0)


def greedy_dpp(kernel: Tensor | ArrayLike, count: int, *, least: int | None = None) -> list[int]:
    """Return `count` items of high joint determinant: the greedy mode of a determinantal point process.

    Each step takes the item with the largest conditional variance d_n^2 = det S_{A+n} / det S_A (the first of
    equals), kept by an incremental Cholesky factor (Chen et al. 2018, algorithm 1).

    Args:
        kernel: S, (N, N) symmetric, positive semi-definite.
        count: how many to take; of fewer that are linearly independent (d^2 at least 1e-10) all.
        least: a UserError where there are not even so many; by default `count`.

    Example:
        >>> greedy_dpp([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]], 2)
        [0, 2]
    """
    kernel = np.asarray(kernel.cpu() if isinstance(kernel, Tensor) else kernel, dtype=np.float64)
    variances = kernel.diagonal().copy()
    factor = np.zeros((len(kernel), 0))
    chosen: list[int] = []
    while len(chosen) < count:
        best = int(variances.argmax()) if len(kernel) else 0
        if len(chosen) == len(kernel) or not variances[best] >= 1e-10:
            if len(chosen) >= (count if least is None else least):
                return chosen
            raise UserError(
                f"only {len(chosen)} different projectors could be chosen from {len(kernel)} candidates, "
                f"not {count}; ask for fewer, or give more candidates or a larger batch of rows that differ"
            )
        column = (kernel[best] - factor @ factor[best]) / np.sqrt(variances[best])
        factor = np.column_stack((factor, column))
        variances = variances - column**2
        chosen.append(best)
        variances[chosen] = -np.inf
    return chosen


@torch.no_grad()
def targets(projector: nn.Module, dataset: Dataset, *, chunk: int = 1024) -> Tensor:
    """Return the unit outputs (N, width) of a projector for all N rows, made in chunks on the data's device."""
    batches = (filled(dataset.to_input(dataset.batch(index))) for index in torch.arange(len(dataset)).split(chunk))
    return torch.cat([functional.normalize(projector(rows), dim=1) for rows in batches])


@torch.no_grad()
def beta_init_(module: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """Draw every convolution's weights from 2 Beta(1/2, 1/2) - 1, in place, and return the module.

    That is -cos(pi u) of a uniform u. Not scaled by the fan-in: activations of images reach 2e4, and fp16 overflows.
    """
    for part in module.modules():
        if isinstance(part, _CONVOLUTIONS):
            uniform = torch.rand(part.weight.shape, generator=generator, dtype=torch.float64)
            part.weight.copy_(-torch.cos(pi * uniform))
    return module


@torch.no_grad()
def sparse_init_(module: nn.Module, share: float, generator: torch.Generator | None = None) -> nn.Module:
    """Set the fraction `share`, in [0, 1], of every Linear and convolution weight to zero, in place."""
    if not 0.0 <= share <= 1.0:
        raise UserError(f"the fraction of zeros must be in [0, 1], not {share}")
    for part in module.modules():
        if isinstance(part, (nn.Linear, *_CONVOLUTIONS)):
            size = part.weight.numel()
            zeros = torch.randperm(size, generator=generator)[: round(share * size)]
            mask = torch.zeros(size, dtype=torch.bool).index_fill_(0, zeros, True)
            part.weight.masked_fill_(mask.view(part.weight.shape).to(part.weight.device), 0.0)
    return module
