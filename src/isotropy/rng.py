"""Randomness as a pure function of (seed, pass, view, sample index, column), on whole batches.

One key per (seed, pass, view, index) opens a stream of 64-bit numbers; each purpose of a view is a range of *columns*
of that stream, since calls cost and numbers do not. No generator state exists: a resumed run, another rank or a
report draws the same numbers from the same five integers.

The generator is splitmix64 (Steele, Lea and Flood, OOPSLA 2014, figure 16); column c of key k is its output number c
from state k. Its arithmetic is modulo 2^64 on int64 tensors: products wrap, and the right shift, which is arithmetic,
is followed by a mask.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ORDER = -1  # the view number of the order of samples, which is no view
_STEP = -1  # the pass number of what is drawn for a step, which is no pass


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _finalise(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def _finalise_(words: Tensor) -> Tensor:
    for shift, factor in ((30, _FIRST), (27, _SECOND), (31, None)):
        words ^= (words >> shift) & ((1 << (64 - shift)) - 1)
        if factor is not None:
            words *= _signed(factor)
    return words


def _fold(*integers: int) -> int:
    state = 0
    for integer in integers:
        state = _finalise((state + _GOLDEN) ^ _finalise((integer + _GOLDEN) & _WORD) & _WORD)
    return state


def mix(*integers: int) -> int:
    """Return a seed in [0, 2^63) derived from integers (order and count matter), for generators that must be seeded.

    Example:
        >>> mix(0, 1) != mix(1, 0)
        True
    """
    return _fold(*integers, len(integers)) >> 1


def keys(seed: int, pass_: int, view: int, index: Tensor) -> Tensor:
    """Return one key per sample, (B,) int64, for `index` (B,) int64, on the device of `index`."""
    start = _fold(seed, pass_, view)
    return _finalise_((index + 1) * _signed(_GOLDEN) + _signed(start))


@dataclass(frozen=True)
class Stream:
    """What a method draws from in one step: a function of (run's seed, method's name, pass, step), and no state.

    The training loop hands it over before every pass and step. So two seeds differ in every draw, all ranks and every
    replay of a micro-batch see the same one, and a resumed run needs no counter.

    Attributes:
        seed: of everything that this method draws in this run, in [0, 2^63); not that of the views.
        pass_, step: numbers of the pass over the data and of the step, from 0.

    Example:
        >>> Stream.of(0, "LFR").seed != Stream.of(1, "LFR").seed != Stream.of(1, "STab").seed
        True
        >>> stream = Stream.of(0, "DACL", pass_=2, step=31)
        >>> stream.of_samples(torch.arange(4)).shape, stream.of_step(2).shape
        (torch.Size([4]), torch.Size([2]))
    """

    seed: int = 0
    pass_: int = 0
    step: int = 0

    @classmethod
    def of(cls, seed: int, name: str, *, pass_: int = 0, step: int = 0) -> "Stream":
        """Return the stream of the method called `name` in the run with `seed`."""
        return cls(mix(seed, *name.encode()), pass_, step)

    def of_samples(self, index: Tensor, view: int = 0) -> Tensor:
        """Return one key per sample `index` (B,), for one view: others in every pass, the same in every order."""
        return keys(self.seed, self.pass_, view, index)

    def of_step(self, count: int, purpose: int = 0) -> Tensor:
        """Return `count` keys (count,) int64 on the CPU, others in every step, the same on all ranks."""
        return keys(mix(self.seed, self.step), _STEP, purpose, torch.arange(count))


def bits(keys: Tensor, columns: int, *, start: int = 0) -> Tensor:
    """Return 64 random bits per key and column, (B, columns) int64, from column number `start` on.

    Example:
        >>> [f"{word % 2**64:016x}" for word in bits(torch.zeros(1, dtype=torch.int64), 3)[0].tolist()]
        ['e220a8397b1dcdaf', '6e789e6aa1b965f4', '06c45d188009454f']
    """
    steps = torch.arange(start + 1, start + columns + 1, dtype=torch.int64, device=keys.device)
    return _finalise_(keys[:, None] + steps * _signed(_GOLDEN))


def uniforms(words: Tensor) -> Tensor:
    """Return float64 in [0, 1) of the shape of `words`, from their upper 24 bits (exact in float32 too)."""
    return ((words >> 40) & 0xFFFFFF).to(torch.float64) * 2.0**-24


def integers(words: Tensor, count: int | Tensor) -> Tensor:
    """Return int64 in [0, count) of the shape of `words`, for count (one, or int64 that broadcast) up to 2^31."""
    return (((words >> 32) & 0xFFFFFFFF) * count) >> 32


def halves(keys: Tensor, columns: int, *, start: int = 0) -> Tensor:
    """Return 16 random bits per key and column, (B, columns) int16: four per column of `bits` from `start` on."""
    return bits(keys, words_for(columns), start=start).view(torch.int16)[:, :columns]


def words_for(columns: int) -> int:
    """Return how many columns of `bits` `columns` columns of 16 bits take."""
    return -(-columns // 4)


def masks(halves: Tensor, probability: float) -> Tensor:
    """Return booleans of the shape of `halves`, each true with `probability` (to 2^-16, exactly at 0 and 1)."""
    return halves.to(torch.int32) < round(probability * 65536) - 32768


def orders(words: Tensor) -> Tensor:
    """Return a random permutation of the last axis's places, int64 of the shape of `words`."""
    # The 64-bit words themselves, stably: floats would tie.
    return torch.argsort(words, dim=-1, stable=True)


def order(seed: int, pass_: int, n: int) -> Tensor:
    """Return the order of the `n` samples in pass `pass_`, (n,) int64 on the CPU.

    Example:
        >>> sorted(order(0, 3, 4).tolist())
        [0, 1, 2, 3]
    """
    return orders(bits(keys(seed, pass_, _ORDER, torch.zeros(1, dtype=torch.int64)), n)[0])


def normals(halves: Tensor) -> Tensor:
    """Return standard normal float32 of the shape of `halves`: quantiles of 65536 equal shares, up to 4.33."""
    return _look_up(_normal_table(), halves)


def betas(halves: Tensor, a: float, b: float) -> Tensor:
    """Return Beta(a, b) float32 of the shape of `halves`: quantiles of 65536 equal shares."""
    return _look_up(_beta_table(a, b), halves)


def _look_up(table: Tensor, halves: Tensor) -> Tensor:
    place = halves.to(torch.int32) + 32768
    return table.to(halves.device).index_select(0, place.flatten()).view(halves.shape)


def _middles() -> Tensor:
    return (torch.arange(65536, dtype=torch.float64) + 0.5) / 65536


@cache
def _normal_table() -> Tensor:
    from scipy.special import ndtri  # not before a method that draws so needs it

    return torch.from_numpy(ndtri(_middles().numpy())).to(torch.float32)


@cache
def _beta_table(a: float, b: float) -> Tensor:
    assert math.isfinite(a) and a > 0 and b > 0, "a Beta has positive parameters"
    from scipy.special import betaincinv

    return torch.from_numpy(betaincinv(a, b, _middles().numpy())).to(torch.float32)
