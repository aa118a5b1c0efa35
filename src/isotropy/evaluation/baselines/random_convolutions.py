"""MiniRocket: random convolutions of series, no training; what a representation of series has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.errors import UserError

NAME = "random convolutions"
FEATURES = 10_000
_TAPS = 9
_KERNELS = np.array(list(combinations(range(_TAPS), 3)))  # where each of the 84 kernels has weight 2, and not -1
_DILATIONS = 32
_CHANNELS = 9  # that one kernel reads at most
_CELLS = 1 << 19  # responses held at a time: 2 MB stay in the cache
_GOLDEN = (5**0.5 + 1) / 2


@dataclass(frozen=True)
class _Dilation:
    """The kernels at one dilation.

    Attributes:
        step: between taps. weights: (84, C * 9). biases: (84, F). whole: which kernels count over the padded series and
            not over its valid part alone, (84,).
    """

    step: int
    weights: Tensor
    biases: Tensor
    whole: NDArray[np.bool_]


def random_convolutions(
    train: ArrayLike, test: ArrayLike, *, features: int = FEATURES, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return MiniRocket's features of training and test series, each (N, about `features`) in [0, 1].

    84 kernels of length 9 with weights -1 and 2, at up to 32 dilations up to the length of the series; a feature is the
    fraction of positions where a response is above a bias, and biases are quantiles of the responses to training
    series. A kernel reads a random set of at most 9 channels. Missing values are interpolated along time.

    Args:
        train: series (N, C, T), T from 3 on. test: (M, C, T).
        features: about how many, at least 84; a multiple of 84 comes out.
        seed: of channels and of the series that biases come from.

    Raises:
        UserError: series of another shape or shorter than 3 steps.

    Source: Dempster, Schmidt and Webb, MiniRocket (KDD 2021), section 3; several channels as in the authors' code.

    Example:
        >>> waves = np.sin(np.arange(50) * np.array([[[0.2]], [[0.9]]]))
        >>> found, _ = random_convolutions(waves, waves, features=168)
        >>> found.shape, bool(0 <= found.min() and found.max() <= 1)
        ((2, 168), True)
    """
    parts = [_series(part) for part in (train, test)]
    if parts[0].shape[1:] != parts[1].shape[1:]:
        raise UserError(f"training series are {tuple(parts[0].shape[1:])} and test series {tuple(parts[1].shape[1:])}")
    bank = _learn(parts[0], features, np.random.default_rng(seed))
    return _apply(bank, parts[0]), _apply(bank, parts[1])


def _series(values: ArrayLike) -> Tensor:
    x = np.asarray(values, dtype=np.float32)
    if x.ndim != 3 or x.shape[2] < 3:
        raise UserError(
            f"series have shape {x.shape}: random convolutions need (rows, channels, time), 3 steps or more"
        )
    gone = np.isnan(x)
    if gone.any():
        x, steps = x.copy(), np.arange(x.shape[2])
        for row, channel in np.argwhere(gone.any(axis=2)):
            there = ~gone[row, channel]
            x[row, channel] = np.interp(steps, steps[there], x[row, channel, there]) if there.any() else 0.0
    return torch.from_numpy(np.ascontiguousarray(x))


def dilations(length: int, features: int) -> list[tuple[int, int]]:
    """Return (dilation, features of each kernel at it), exponentially spread up to the length.

    Example:
        >>> dilations(50, 10_000)[:3], sum(count for _, count in dilations(50, 10_000))
        ([(1, 45), (2, 27), (3, 19)], 119)
    """
    each = max(1, features // len(_KERNELS))
    most = min(each, _DILATIONS)
    highest = max(0.0, log2(max(1, length - 1) / (_TAPS - 1)))
    steps, counts = np.unique(np.logspace(0, highest, most, base=2).astype(int), return_counts=True)
    shares = (counts * (each / most)).astype(int)
    for place in range(each - shares.sum()):
        shares[place % len(shares)] += 1
    return [(int(step), int(share)) for step, share in zip(steps, shares) if share]


def _learn(train: Tensor, features: int, rng: np.random.Generator) -> list[_Dilation]:
    _, channels, length = train.shape
    bank, used = [], 0
    for place, (step, share) in enumerate(dilations(length, features)):
        reads = np.zeros((len(_KERNELS), channels), dtype=np.float32)
        for row in reads:
            size = int(2 ** rng.uniform(0, log2(min(channels, _CHANNELS) + 1)))
            row[rng.choice(channels, size, replace=False)] = 1
        taps = -np.ones((len(_KERNELS), _TAPS), dtype=np.float32)
        np.put_along_axis(taps, _KERNELS, 2.0, axis=1)
        weights = torch.from_numpy((reads[:, :, None] * taps[:, None]).reshape(len(_KERNELS), -1))
        # Every other kernel looks at the valid part alone, if there is one; which ones alternates with the dilation.
        whole = (place + np.arange(len(_KERNELS))) % 2 == 0
        whole |= length <= (_TAPS - 1) * step
        seen = torch.from_numpy(rng.integers(len(train), size=len(_KERNELS)))
        responses = _responses(train[seen], step, weights)[np.arange(len(_KERNELS)), np.arange(len(_KERNELS))].numpy()
        biases = np.empty((len(_KERNELS), share), dtype=np.float32)
        for kernel, response in enumerate(responses):
            part = response if whole[kernel] else response[_valid(step)]
            at = (np.arange(used + 1, used + share + 1) * _GOLDEN) % 1
            biases[kernel] = np.quantile(part, at)
            used += share
        bank.append(_Dilation(step, weights, torch.from_numpy(biases), whole))
    return bank


def _valid(step: int) -> slice:
    return slice(step * (_TAPS // 2), -step * (_TAPS // 2))


def _responses(x: Tensor, step: int, weights: Tensor) -> Tensor:
    """Return the responses of the kernels to zero-padded series (B, C, T), as (84, B, T)."""
    rows, channels, length = x.shape
    margin = step * (_TAPS // 2)
    padded = torch.nn.functional.pad(x, (margin, margin))
    shifted = torch.stack([padded[:, :, tap * step : tap * step + length] for tap in range(_TAPS)])  # (9, B, C, T)
    return (weights @ shifted.permute(2, 0, 1, 3).reshape(channels * _TAPS, -1)).view(-1, rows, length)


def _apply(bank: Sequence[_Dilation], x: Tensor) -> NDArray[np.float32]:
    rows, _, length = x.shape
    out = np.empty((rows, sum(one.biases.numel() for one in bank)), dtype=np.float32)
    piece = max(1, _CELLS // (len(_KERNELS) * length))
    above = torch.empty(len(_KERNELS), piece, length)
    for start in range(0, rows, piece):
        part, column = x[start : start + piece], 0
        for one in bank:
            responses = _responses(part, one.step, one.weights)
            ends = column + one.biases.numel()
            shares = np.empty((*one.biases.shape, len(part)), dtype=np.float32)
            for whole in (True, False):
                chosen = np.flatnonzero(one.whole == whole)
                if len(chosen):
                    places = slice(None) if whole else _valid(one.step)
                    _shares_above(responses[chosen][..., places], one.biases[chosen], above, shares, chosen)
            out[start : start + piece, column:ends] = shares.reshape(-1, len(part)).T
            column = ends
    return out


def _shares_above(
    responses: Tensor, biases: Tensor, above: Tensor, shares: NDArray[np.float32], chosen: NDArray[np.int64]
) -> None:
    """Write the fraction of positions above each bias into `shares` (84, F, B), for the chosen kernels."""
    buffer = above.view(-1)[: responses.numel()].view(responses.shape)
    for number in range(biases.shape[1]):
        # Ones and zeros as floats: their mean is several times faster than that of booleans.
        torch.gt(responses, biases[:, number, None, None], out=buffer)
        shares[chosen, number] = buffer.mean(dim=2).numpy()
