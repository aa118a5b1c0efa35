"""The kernels of MiniRocket: learnt at every dilation, and applied in pieces that a cache holds.

Source: Dempster, Schmidt and Webb, MiniRocket (KDD 2021), section 3; several channels as in the authors' code.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from math import log2
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TAPS = 9
KERNELS = tuple(combinations(range(TAPS), 3))  # where each of the 84 kernels has weight 2, and not -1
_DILATIONS = 32
_CHANNELS = 9  # that one kernel reads at most
_ROWS, _VALUES = 2048, 1 << 22  # series at a time, and their values
_CELLS = 1 << 16  # responses at a time: 256 KB, below which calls cost more than caches save
_STEPS = 255  # at a time: so many fit a count of one byte
_GOLDEN = (5**0.5 + 1) / 2


@dataclass(frozen=True)
class Dilation:
    """The kernels at one dilation.

    Attributes:
        step: between taps. channels: what each of the 84 kernels reads. whole: which kernels count over the padded
            series and not over its valid part alone, (84,). biases: (84, F).
    """

    step: int
    channels: tuple[tuple[int, ...], ...]
    whole: NDArray[np.bool_]
    biases: Floats


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


def learn(train: Floats, features: int, rng: np.random.Generator) -> list[Dilation]:
    """Return the kernels of every dilation, with biases from responses to training series (N, C, T)."""
    count, channels, length = train.shape
    bank, used = [], 0
    for place, (step, each) in enumerate(dilations(length, features)):
        reads = tuple(_some_channels(channels, rng) for _ in KERNELS)
        # Every other kernel looks at the valid part alone, if there is one; which ones alternates with the dilation.
        whole = (place + np.arange(len(KERNELS))) % 2 == 0
        whole |= length <= (TAPS - 1) * step
        seen = train[rng.integers(count, size=len(KERNELS))]
        everywhere = Dilation(step, reads, np.ones_like(whole), np.empty((len(KERNELS), 0), dtype=np.float32))
        responses = np.empty((len(KERNELS), length), dtype=np.float32)
        for kernel, start, piece in _responses(everywhere, np.ascontiguousarray(seen.transpose(1, 2, 0))):
            responses[kernel, start : start + len(piece)] = piece[:, kernel]
        places = np.arange(used + 1, used + len(KERNELS) * each + 1).reshape(len(KERNELS), each)
        bank.append(Dilation(step, reads, whole, _quantiles(responses, places * _GOLDEN % 1)))
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


def _responses(one: Dilation, x: Floats) -> Iterator[tuple[int, int, Floats]]:
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


def _count_above(one: Dilation, x: Floats, out: Floats) -> None:
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


def apply(bank: Sequence[Dilation], x: Floats) -> Floats:
    """Return the features (N, F) in [0, 1] of series (N, C, T)."""
    ends = np.cumsum([one.biases.size for one in bank]).tolist()
    out = np.empty((ends[-1], len(x)), dtype=np.float32)
    most = max(1, min(_ROWS, _VALUES // (x.shape[1] * x.shape[2])))

    def fill(one: Dilation, end: int, start: int) -> None:
        rows = x[start : start + most]
        block = out[end - one.biases.size : end].reshape(*one.biases.shape, -1)[..., start : start + len(rows)]
        _count_above(one, np.ascontiguousarray(rows.transpose(1, 2, 0)), block)

    # numpy holds no lock while it computes: each thread takes one dilation after the other.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        jobs = [(one, end, start) for start in range(0, len(x), most) for one, end in zip(bank, ends, strict=True)]
        list(threads.map(lambda job: fill(*job), jobs))
    return out.T
