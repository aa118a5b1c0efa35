"""The generator: known answers, uniformity, independence of neighbours."""

import numpy as np
import pytest
import torch
from scipy import stats

from isotropy import rng

INDEX = torch.arange(4000)


def plain_splitmix64(state: int, count: int) -> list[int]:
    word, out = (1 << 64) - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & word
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        out.append(z ^ (z >> 31))
    return out


def test_known_answers():
    words = rng.bits(torch.zeros(1, dtype=torch.int64), 3)[0]
    assert [w % 2**64 for w in words.tolist()] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("state", [1, 2**63 + 5, 2**64 - 1])
def test_equals_plain_integers(state):
    key = torch.tensor([state - 2**64 if state >> 63 else state])
    assert [w % 2**64 for w in rng.bits(key, 40)[0].tolist()] == plain_splitmix64(state, 40)
    assert torch.equal(rng.bits(key, 10, start=7), rng.bits(key, 17)[:, 7:])


def test_keys_depend_on_everything_and_on_no_neighbour():
    keys = rng.keys(3, 2, 1, INDEX)
    assert len(set(keys.tolist())) == len(INDEX)
    assert torch.equal(rng.keys(3, 2, 1, INDEX[[9, 4]]), keys[[9, 4]])
    for other in ((4, 2, 1), (3, 3, 1), (3, 2, 2), (2, 3, 1)):
        assert not set(rng.keys(*other, INDEX).tolist()) & set(keys.tolist())


def test_uniforms_are_uniform_and_below_one():
    uniforms = rng.uniforms(rng.bits(rng.keys(0, 0, 0, INDEX), 20))
    assert stats.kstest(uniforms.flatten().numpy(), "uniform").pvalue > 0.01
    assert rng.uniforms(torch.tensor([-1])).item() == 1 - 2.0**-24
    assert rng.uniforms(torch.tensor([2**40 - 1])).item() == 0.0


def test_every_bit_is_fair():
    words = rng.bits(rng.keys(1, 0, 0, INDEX), 8).flatten()
    ones = torch.stack([(words >> bit) & 1 for bit in range(64)]).double().mean(1)
    assert (ones - 0.5).abs().max() < 4.5 * 0.5 / len(words) ** 0.5


def test_neighbours_are_independent():
    def first(seed, pass_, view, shift=0, column=0):
        return rng.uniforms(rng.bits(rng.keys(seed, pass_, view, INDEX + shift), column + 1))[:, column].numpy()

    base = first(0, 0, 0)
    others = [
        first(1, 0, 0),
        first(0, 1, 0),
        first(0, 0, 1),
        *(first(0, 0, 0, shift) for shift in (1, 2, 64)),
        first(0, 0, 0, column=1),
        first(0, 0, 0, 1, 1),
    ]
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / len(INDEX) ** 0.5
        table = np.histogram2d(base, other, bins=8, range=[[0, 1], [0, 1]])[0]
        assert stats.chisquare(table.flatten()).pvalue > 1e-3


def test_masks_have_their_probability():
    halves = rng.halves(rng.keys(0, 0, 0, INDEX), 101)
    assert halves.shape == (4000, 101)
    for probability in (0.1, 0.6):
        share = rng.masks(halves, probability).double().mean().item()
        assert abs(share - probability) < 4 * (probability * (1 - probability) / halves.numel()) ** 0.5
    assert rng.masks(halves, 1.0).all() and not rng.masks(halves, 0.0).any()
    assert rng.masks(torch.arange(-32768, 32768), 0.25).sum() == 16384


def test_integers_are_uniform_and_in_range():
    numbers = rng.integers(rng.bits(rng.keys(0, 0, 0, INDEX), 10), 7)
    assert stats.chisquare(np.bincount(numbers.flatten().numpy(), minlength=7)).pvalue > 0.01
    extremes = torch.tensor([-1, 0])
    assert rng.integers(extremes, 2**31 - 1).tolist() == [2**31 - 2, 0]


def test_order_is_a_uniform_permutation():
    assert rng.order(0, 0, 1000).sort().values.tolist() == list(range(1000))
    assert rng.order(0, 0, 100).tolist() != rng.order(0, 1, 100).tolist() != rng.order(1, 1, 100).tolist()
    first = [tuple(rng.order(5, pass_, 3).tolist()) for pass_ in range(1200)]
    counts = [first.count(o) for o in sorted(set(first))]
    assert len(counts) == 6 and stats.chisquare(counts).pvalue > 0.01
    assert rng.orders(torch.tensor([[5, 5, 1]])).tolist() == [[2, 0, 1]]


def test_normals_and_betas_have_their_distributions():
    halves = rng.halves(rng.keys(0, 0, 0, INDEX), 10)
    assert stats.kstest(rng.normals(halves).flatten().numpy(), "norm").pvalue > 0.01
    every = rng.normals(torch.arange(-32768, 32768).to(torch.int16)).double()
    assert abs(every.mean()) < 1e-6 and abs(every.std() - 1) < 1e-4
    for a, b in ((0.5, 0.5), (1.0, 1.0), (2.0, 5.0)):
        drawn = rng.betas(halves, a, b).double().flatten().numpy()
        assert drawn.min() >= 0 and drawn.max() <= 1
        assert stats.kstest(drawn, stats.beta(a, b).cdf).pvalue > 0.001


def test_mix_is_a_63_bit_seed():
    seeds = [rng.mix(*numbers) for numbers in ((0,), (0, 0), (0, 1), (1, 0), (0, 0, 1), (-1, 0))]
    assert len(set(seeds)) == 6 and all(0 <= seed < 2**63 for seed in seeds)
    assert rng.mix(1, 2) == rng.mix(1, 2)
