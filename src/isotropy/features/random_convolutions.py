"""MiniRocket: random convolutions of series, no training; what a representation of series has to beat."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import ceil, log2
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.batch import Batch
from isotropy.errors import UserError
from isotropy.features.free import FreeFeatures
from isotropy.features.series import whole_series

Floats = NDArray[np.float32]

NAME = "random convolutions"
FEATURES = 10_000
FEWER = 2520  # where they are part of an embedding: four times as fast as all, and no worse after 256 axes
FEWEST = 1008  # that many or long series are described by
AFFORDABLE = 1e10  # comparisons: a few seconds of one core
TAPS = 9
KERNELS = tuple(combinations(range(TAPS), 3))  # where each of the 84 kernels has weight 2, and not -1
_DILATIONS = 32
_CHANNELS = 9  # that one kernel reads at most
_ROWS, _VALUES = 2048, 1 << 22  # series at a time, and their values
_CELLS = 1 << 18  # responses at a time: 1 MB, below which calls cost more than caches save
_STEPS = 255  # at a time: so many fit a count of one byte
_GOLDEN = (5**0.5 + 1) / 2


@dataclass(frozen=True)
class _Dilation:
    """The kernels at one dilation.

    Attributes:
        step: between taps. channels: what each of the 84 kernels reads. whole: which kernels count over the padded
            series and not over its valid part alone, (84,). biases: (84, F).
    """

    step: int
    channels: tuple[tuple[int, ...], ...]
    whole: NDArray[np.bool_]
    biases: Floats


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
        UserError: series of another shape or shorter than 3 steps, or fewer than 84 features.

    Source: Dempster, Schmidt and Webb, MiniRocket (KDD 2021), section 3; several channels as in the authors' code.

    Example:
        >>> waves = np.sin(np.arange(50) * np.array([[[0.2]], [[0.9]]]))
        >>> found, _ = random_convolutions(waves, waves, features=168)
        >>> found.shape, bool(0 <= found.min() and found.max() <= 1)
        ((2, 168), True)
    """
    if features < len(KERNELS):
        raise UserError(f"{features} features: random convolutions have at least {len(KERNELS)}, one a kernel")
    parts = [_series(part) for part in (train, test)]
    if parts[0].shape[1:] != parts[1].shape[1:]:
        raise UserError(f"training series are {tuple(parts[0].shape[1:])} and test series {tuple(parts[1].shape[1:])}")
    bank = _learn(parts[0], features, np.random.default_rng(seed))
    return _apply(bank, parts[0]), _apply(bank, parts[1])


def affordable(train: ArrayLike, test: ArrayLike, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Return `random_convolutions` at a cost of seconds, however many and long the series are.

    10,000 features where rows x steps x features stay within 1e10 comparisons; otherwise fewer, down to 1,008; where
    that is still too much, so many neighbouring steps are averaged that it is not.

    Args:
        train: series (N, C, T), T from 3 on. test: (M, C, T).
        seed: as in `random_convolutions`.

    Example:
        >>> train, test = affordable(np.zeros((3, 1, 20)), np.zeros((2, 1, 20)))
        >>> train.shape, test.shape
        ((3, 9996), (2, 9996))
    """
    parts = [_series(part) for part in (train, test)]
    steps = parts[0].shape[2]
    values = sum(len(part) for part in parts) * steps
    features = int(np.clip(AFFORDABLE / max(values, 1), FEWEST, FEATURES))
    block = min(ceil(values * features / AFFORDABLE), steps // TAPS)
    if block > 1:
        kept = steps // block * block
        parts = [part[..., :kept].reshape(*part.shape[:2], -1, block).mean(axis=3) for part in parts]
    return random_convolutions(*parts, features=features, seed=seed)


def _series(values: ArrayLike) -> Floats:
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
    return x


def dilations(length: int, features: int) -> list[tuple[int, int]]:
    """Return (dilation, features of each kernel at it), exponentially spread up to the length.

    Example:
        >>> dilations(50, 10_000)[:3], sum(count for _, count in dilations(50, 10_000))
        ([(1, 45), (2, 27), (3, 19)], 119)
    """
    each = max(1, features // len(KERNELS))
    most = min(each, _DILATIONS)
    highest = max(0.0, log2(max(1, length - 1) / (TAPS - 1)))
    steps, times = np.unique(np.logspace(0, highest, most, base=2).astype(int), return_counts=True)
    features_each = (times * (each / most)).astype(int)
    for place in range(each - features_each.sum()):
        features_each[place % len(features_each)] += 1
    return list(zip(steps.tolist(), features_each.tolist(), strict=True))


def _learn(train: Floats, features: int, rng: np.random.Generator) -> list[_Dilation]:
    count, channels, length = train.shape
    bank, used = [], 0
    for place, (step, each) in enumerate(dilations(length, features)):
        reads = tuple(_some_channels(channels, rng) for _ in KERNELS)
        # Every other kernel looks at the valid part alone, if there is one; which ones alternates with the dilation.
        whole = (place + np.arange(len(KERNELS))) % 2 == 0
        whole |= length <= (TAPS - 1) * step
        seen = train[rng.integers(count, size=len(KERNELS))]
        everywhere = _Dilation(step, reads, np.ones_like(whole), np.empty((len(KERNELS), 0), dtype=np.float32))
        responses = np.empty((len(KERNELS), length), dtype=np.float32)
        for kernel, start, piece in _responses(everywhere, np.ascontiguousarray(seen.transpose(1, 2, 0))):
            responses[kernel, start : start + len(piece)] = piece[:, kernel]
        places = np.arange(used + 1, used + len(KERNELS) * each + 1).reshape(len(KERNELS), each)
        bank.append(_Dilation(step, reads, whole, _quantiles(responses, places * _GOLDEN % 1)))
        used += places.size
    return bank


def _some_channels(channels: int, rng: np.random.Generator) -> tuple[int, ...]:
    if channels == 1:
        return (0,)
    size = int(2 ** rng.uniform(0, log2(min(channels, _CHANNELS) + 1)))
    return tuple(sorted(rng.choice(channels, size, replace=False).tolist()))


def _quantiles(values: Floats, at: NDArray[Any]) -> Floats:
    """Return the quantiles (K, F) of each row of values (K, T), interpolated as numpy does."""
    ordered = np.sort(values, axis=1).astype(np.float64)
    place = at * (values.shape[1] - 1)
    below = np.floor(place).astype(np.int64)
    low, high = (np.take_along_axis(ordered, one, axis=1) for one in (below, np.ceil(place).astype(np.int64)))
    return (low + (high - low) * (place - below)).astype(np.float32)


def _responses(one: _Dilation, x: Floats) -> Iterator[tuple[int, int, Floats]]:
    """Yield kernel, first step and responses (L, B) of series (C, T, B), piece by piece along time.

    Time comes first, so that a shift by a tap is a view. What is yielded is overwritten by the next.
    """
    channels, length, rows = x.shape
    margin = one.step * (TAPS // 2)
    padded = np.zeros((channels, length + 2 * margin, rows), dtype=np.float32)
    padded[:, margin:-margin] = x
    tripled = 3 * padded
    most = max(1, min(_STEPS, _CELLS // rows))
    buffers = np.empty((channels + 3, most, rows), dtype=np.float32)
    for start in range(0, length, most):
        stop = min(start + most, length)
        base, single, pair, response = buffers[:channels, : stop - start], *buffers[channels:, : stop - start]
        taps = [slice(start + tap * one.step, stop + tap * one.step) for tap in range(TAPS)]
        np.negative(padded[:, taps[0]], out=base)
        for tap in taps[1:]:
            np.subtract(base, padded[:, tap], out=base)
        threes = [list(tripled[:, tap]) for tap in taps]
        valid = slice(max(margin - start, 0), max(min(length - margin, stop) - start, 0))
        parts = [
            (start + part.start, pair[part], [[three[part] for three in tap] for tap in threes], response[part])
            for part in (valid, slice(0, stop - start))
        ]
        held, paired = None, None
        for kernel, (first, second, third) in enumerate(KERNELS):
            reads = one.channels[kernel]
            # Kernels come in the order of their taps: those of the same channels and taps have the same sums.
            if held != (reads, first):
                held, paired = (reads, first), None
                _add_up([part[c] for c in reads for part in (base, threes[first])], single)
            if paired != second:
                paired = second
                _add_up([single, *(threes[second][c] for c in reads)], pair)
            begin, partial, thirds, out = parts[int(one.whole[kernel])]
            _add_up([partial, *(thirds[third][c] for c in reads)], out)
            yield kernel, begin, out


def _add_up(terms: Sequence[Floats], out: Floats) -> None:
    np.add(terms[0], terms[1], out=out)
    for term in terms[2:]:
        np.add(out, term, out=out)


def _count_above(one: _Dilation, x: Floats, out: Floats) -> None:
    """Write the fraction of positions where responses to series (C, T, B) are above each bias into `out` (84, F, B)."""
    _, length, rows = x.shape
    kernels, count = one.biases.shape
    # Comparisons that write bytes, and sums of bytes: several times faster than means of booleans.
    buffer = np.empty(count * max(_CELLS, rows), dtype=np.bool_)
    above: dict[int, tuple[NDArray[np.bool_], NDArray[np.uint8]]] = {}
    found = np.empty((kernels, count, rows), dtype=np.uint8)
    biases, found_of = list(one.biases[:, :, None]), list(found)
    total = np.zeros(found.shape, dtype=np.uint16 if length < 1 << 16 else np.uint32)
    for kernel, _, response in _responses(one, x):
        if len(response) not in above:
            flags = buffer[: count * response.size].reshape(count, response.size)
            above[len(response)] = flags, flags.view(np.uint8).reshape(count, len(response), rows)
        flags, ones = above[len(response)]
        np.greater(response.reshape(1, -1), biases[kernel], out=flags)
        np.add.reduce(ones, axis=1, out=found_of[kernel])
        if kernel == kernels - 1:
            total += found
    positions = np.where(one.whole, length, length - one.step * (TAPS - 1))
    # The one pass over `out`, which no cache holds.
    np.multiply(total, (1 / positions).astype(np.float32)[:, None, None], out=out, dtype=np.float32, casting="unsafe")


def _apply(bank: Sequence[_Dilation], x: Floats) -> Floats:
    ends = np.cumsum([one.biases.size for one in bank]).tolist()
    out = np.empty((ends[-1], len(x)), dtype=np.float32)
    most = max(1, min(_ROWS, _VALUES // (x.shape[1] * x.shape[2])))

    def fill(one: _Dilation, end: int, start: int) -> None:
        rows = x[start : start + most]
        block = out[end - one.biases.size : end].reshape(*one.biases.shape, -1)[..., start : start + len(rows)]
        _count_above(one, np.ascontiguousarray(rows.transpose(1, 2, 0)), block)

    # numpy holds no lock while it computes: each thread takes one dilation after the other.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        jobs = [(one, end, start) for start in range(0, len(x), most) for one, end in zip(bank, ends, strict=True)]
        list(threads.map(lambda job: fill(*job), jobs))
    return out.T


class RandomConvolutions(FreeFeatures):
    """`random_convolutions` of series that are brought to the length of the training's; their bits depend on no batch.

    Example:
        >>> x = torch.randn(5, 2, 40)
        >>> RandomConvolutions.learn(x)(x[:2]).shape
        torch.Size([2, 2520])
    """

    any_batch = True
    weight = 2.0
    length: Tensor
    steps: Tensor
    counts: Tensor
    channels: Tensor
    whole: Tensor
    biases: Tensor

    @classmethod
    def learn(cls, rows: Tensor | Batch, *, features: int = FEWER, seed: int = 0) -> Self:
        """Learn the biases of about so many features on series (N, C, T)."""
        length = max(3, rows.shape[2])
        x = whole_series(rows, length)
        bank = _learn(x, features, np.random.default_rng(seed))
        reads = torch.zeros(len(bank), len(KERNELS), x.shape[1], dtype=torch.bool)
        for place, one in enumerate(bank):
            for kernel, channels in enumerate(one.channels):
                reads[place, kernel, list(channels)] = True
        return cls(
            {
                "length": torch.tensor(length),
                "steps": torch.tensor([one.step for one in bank]),
                "counts": torch.tensor([one.biases.shape[1] for one in bank]),
                "channels": reads,
                "whole": torch.from_numpy(np.stack([one.whole for one in bank])),
                "biases": torch.from_numpy(np.concatenate([one.biases for one in bank], axis=1)),
            }
        )

    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the features (B, F) in [0, 1] of series (B, C, T)."""
        return torch.from_numpy(np.ascontiguousarray(_apply(self._bank, whole_series(rows, int(self.length)))))

    @cached_property
    def _bank(self) -> list[_Dilation]:
        biases = np.split(self.biases.numpy(force=True), np.cumsum(self.counts.tolist())[:-1], axis=1)
        bank = []
        for place, step in enumerate(self.steps.tolist()):
            reads = tuple(tuple(np.flatnonzero(one).tolist()) for one in self.channels[place].numpy(force=True))
            whole = self.whole[place].numpy(force=True)
            bank.append(_Dilation(step, reads, whole, np.ascontiguousarray(biases[place])))
        return bank
