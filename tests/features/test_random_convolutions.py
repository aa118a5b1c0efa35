from itertools import combinations

import numpy as np
import pytest
import torch

from isotropy.errors import UserError
from isotropy.features import random_convolutions as module
from isotropy.features.minirocket import apply, dilations, learn
from isotropy.features.random_convolutions import affordable, random_convolutions

KERNELS = list(combinations(range(9), 3))


def response(series, kernel, step):
    """Return the response of one kernel to a zero-padded series (T,), position by position."""
    weights = [2.0 if tap in KERNELS[kernel] else -1.0 for tap in range(9)]
    out = np.zeros(len(series))
    for position in range(len(series)):
        for tap, weight in enumerate(weights):
            place = position + (tap - 4) * step
            if 0 <= place < len(series):
                out[position] += weight * series[place]
    return out


def slow_features(series, bank):
    """MiniRocket, section 3: the proportion of positive values, with every other kernel over the valid part alone."""
    length, found = series.shape[1], []
    for place, one in enumerate(bank):
        margin = 4 * one.step
        for kernel in range(84):
            values = sum(response(series[channel], kernel, one.step) for channel in one.channels[kernel])
            if (place + kernel) % 2 == 1 and length > 2 * margin:
                values = values[margin : length - margin]
            found += [(values > bias).mean() for bias in one.biases[kernel]]
    return np.array(found)


def whole_numbers(*shape, seed=0):
    """Series of whole numbers: their responses are exact in float32, and so are comparisons with a bias."""
    return np.random.default_rng(seed).integers(-9, 10, size=shape).astype(np.float32)


@pytest.mark.parametrize(("channels", "length"), [(1, 3), (1, 9), (1, 10), (1, 41), (3, 26), (12, 30)])
def test_features_are_those_of_the_paper(channels, length):
    x = whole_numbers(5, channels, length)
    bank = learn(x, 420, np.random.default_rng(3))
    found = apply(bank, x)
    for row in (0, 4):
        np.testing.assert_allclose(found[row], slow_features(x[row], bank), atol=1e-6)


def test_long_series_are_counted_piece_by_piece():
    x = np.concatenate([whole_numbers(2, 1, 700), np.full((1, 1, 700), 2, dtype=np.float32)])
    bank = learn(x, 168, np.random.default_rng(0))
    np.testing.assert_allclose(apply(bank, x)[1], slow_features(x[1], bank), atol=1e-6)


def test_biases_are_quantiles_of_a_training_series_by_the_golden_ratio():
    x, phi = whole_numbers(1, 1, 50), (np.sqrt(5) + 1) / 2
    bank, used = learn(x, 840, np.random.default_rng(0)), 0
    for one in bank:
        for kernel in range(84):
            places = [(number * phi) % 1 for number in range(used + 1, used + one.biases.shape[1] + 1)]
            expected = np.quantile(response(x[0, 0], kernel, one.step), places)
            np.testing.assert_allclose(one.biases[kernel], expected, atol=1e-4)
            used += len(places)
    assert used == 840


def test_dilations_are_spread_exponentially_up_to_the_length():
    found = dilations(500, 10_000)
    steps = [step for step, _ in found]
    assert sum(share for _, share in found) == 10_000 // 84
    assert steps[0] == 1 and steps[-1] == 499 // 8 and steps == sorted(set(steps))
    assert dilations(3, 10_000) == dilations(9, 10_000) == [(1, 119)]
    assert len(dilations(10**6, 10_000)) <= 32


@pytest.mark.parametrize("channels", [1, 4])
def test_rows_do_not_depend_on_the_batch_or_on_threads(channels):
    x = np.random.default_rng(0).normal(size=(70, channels, 40)).astype(np.float32)
    bank = learn(x, 840, np.random.default_rng(0))
    together = apply(bank, x)
    for rows in (slice(0, 1), slice(13, 30), slice(69, 70)):
        assert np.array_equal(apply(bank, x[rows]), together[rows])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert np.array_equal(apply(bank, x), together)
    torch.set_num_threads(threads)


def test_nothing_is_learnt_from_test_series():
    x = np.random.default_rng(0).normal(size=(20, 2, 30))
    train, _ = random_convolutions(x[:10], x[10:], features=420)
    other, wild = random_convolutions(x[:10], 100 * x[10:] + 5, features=420)
    assert np.array_equal(train, other) and np.isfinite(wild).all()


def test_the_seed_decides():
    x = np.random.default_rng(0).normal(size=(20, 3, 30))
    first, again, other = (random_convolutions(x, x[:2], features=840, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.shape == (20, 840) and first.dtype == np.float32


def test_missing_values_are_interpolated_and_a_series_of_nothing_is_zero():
    ramp = np.arange(20, dtype=np.float32)[None, None].repeat(4, axis=0)
    holes = ramp.copy()
    holes[1, 0, 5:8] = np.nan
    holes[2, 0, -3:] = np.nan
    holes[3] = np.nan
    padded = ramp.copy()
    padded[2, 0, -3:] = 16
    padded[3] = 0
    given = holes.copy()
    assert np.array_equal(random_convolutions(ramp, holes)[1], random_convolutions(ramp, padded)[1])
    assert np.array_equal(holes, given, equal_nan=True)


def test_constant_series():
    x = np.full((3, 1, 20), 0.1)
    found, _ = random_convolutions(x, x, features=840)
    assert np.isfinite(found).all() and (found == found[0]).all()


def test_a_frequency_is_told_apart_where_means_and_spreads_are_equal():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    time = np.arange(100)
    x = np.sin(time * np.where(y, 0.5, 0.6)[:, None] + rng.uniform(0, 6, size=(200, 1)))[:, None]
    train, test = random_convolutions(x[:100], x[100:], features=840)
    centres = np.stack([train[y[:100] == kind].mean(axis=0) for kind in (0, 1)])
    nearest = ((test[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == y[100:]).mean() > 0.95


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((4, 1, 2), (4, 1, 2), "3 steps or more"),
        ((4, 20), (4, 20), "rows, channels, time"),
        ((4, 1, 20), (4, 2, 20), r"training series are \(1, 20\) and test series \(2, 20\)"),
    ],
)
def test_wrong_shapes_are_said_in_one_line(train, test, said):
    with pytest.raises(UserError, match=said) as error:
        random_convolutions(np.zeros(train), np.zeros(test))
    assert "\n" not in str(error.value)


def test_too_few_features_are_refused():
    with pytest.raises(UserError, match="at least 84"):
        random_convolutions(np.zeros((2, 1, 9)), np.zeros((2, 1, 9)), features=50)


def test_many_and_long_series_get_fewer_features_and_then_shorter_ones(monkeypatch):
    x = whole_numbers(4, 1, 100)
    assert affordable(x, x)[0].shape == (4, 9996)
    monkeypatch.setattr(module, "AFFORDABLE", 800 * 2100)
    train, test = affordable(x, x[:4])
    assert np.array_equal(train, random_convolutions(x, x, features=2100)[0]) and train.shape == (4, 2100)
    monkeypatch.setattr(module, "AFFORDABLE", 800 * 1008 / 2)
    averaged = x.reshape(4, 1, 50, 2).mean(axis=3)
    assert np.array_equal(affordable(x, x)[1], random_convolutions(averaged, averaged, features=1008)[1])
