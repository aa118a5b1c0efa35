"""Overlapping windows are found at any hop, in the file's order and out of it; other series are none."""

import numpy as np
import pytest

from isotropy.evaluation.windows import Overlaps, overlaps


def windows(hop, *, steps=40, channels=2, count=60, seed=0):
    signal = np.random.default_rng(seed).normal(size=(channels, hop * count + steps))
    return np.stack([signal[:, hop * n : hop * n + steps] for n in range(count)])


@pytest.mark.parametrize("hop", [1, 7, 20, 35])
def test_overlapping_windows_are_recognised_at_any_hop(hop):
    found = overlaps(np.concatenate([windows(hop), windows(hop, seed=1)]))
    assert found.hop == hop and not found.shuffled
    assert np.flatnonzero(~found.linked).tolist() == [59], "two recordings do not overlap"


@pytest.mark.parametrize("hop", [1, 7, 20, 35])
def test_shuffled_windows_are_put_in_their_order(hop):
    series = np.concatenate([windows(hop), windows(hop, seed=1)])
    places = np.random.default_rng(0).permutation(120)
    found = overlaps(series[places])
    assert found.hop == hop and found.shuffled
    order = places[found.order]
    steps = np.diff(order)
    assert (steps == 1).sum() == 118 + (order[59] == 59), "each goes on, but for the ends of the two recordings"
    assert (order[1:][found.linked] == order[:-1][found.linked] + 1).all() and found.linked.sum() == 118


def test_windows_of_another_part_of_the_file_are_put_between_those_that_they_overlap():
    series = windows(10, count=100)
    test = np.arange(100) % 5 == 2
    found = overlaps(np.concatenate([series[~test], series[test]]))
    assert found.hop == 10 and found.shuffled and found.linked.all()
    assert (
        np.flatnonzero(
            np.concatenate([np.flatnonzero(~test), np.flatnonzero(test)])[found.order] != np.arange(100)
        ).size
        == 0
    )


def test_copies_of_windows_and_signals_that_repeat_make_an_order_of_all_rows_once():
    series = np.concatenate([windows(10), windows(10)[::3], np.tile(np.sin(np.arange(40.0)), (9, 2, 1))])
    found = overlaps(np.random.default_rng(0).permutation(series))
    assert np.array_equal(np.sort(found.order), np.arange(len(series))) and found.hop == 10
    ring = np.stack([np.roll(np.random.default_rng(1).normal(size=40), -5 * n) for n in range(8)])[:, None]
    assert np.array_equal(np.sort(overlaps(np.random.default_rng(0).permutation(ring)).order), np.arange(8))


@pytest.mark.parametrize(
    "series",
    [
        windows(40),
        np.random.default_rng(0).permutation(windows(40)),
        np.random.default_rng(0).integers(0, 3, (400, 1, 30)),
        np.zeros((50, 1, 30)),
        np.sign(np.random.default_rng(0).normal(size=(50, 1, 30))),
        np.tile(np.sin(np.arange(30)), (50, 1, 1)),
        np.random.default_rng(0).normal(size=(3, 1, 30)),
    ],
)
def test_other_series_are_no_overlapping_windows(series):
    found = overlaps(series)
    assert not found.linked.any() and found.hop == 0 and len(found.linked) == len(series) - 1 and not found.shuffled
    assert np.array_equal(found.order, np.arange(len(series)))


def test_windows_with_missing_values_overlap_too():
    series = windows(10)
    series[np.abs(series) > 2] = np.nan
    assert overlaps(series).linked.all()
    assert overlaps(np.random.default_rng(0).permutation(series)).linked.all()


def test_blocks_of_windows_are_cut_into_pieces_and_their_edges_are_known():
    linked = np.ones(99, dtype=bool)
    linked[9] = False
    found = Overlaps.of_file(linked, 1)
    blocks = found.blocks(most=0.1)
    assert np.bincount(blocks).max() <= 10 and (np.diff(blocks) >= 0).all() and blocks[9] != blocks[10]
    test = np.arange(100) >= 80
    assert np.flatnonzero(found.across(test, reach=2)).tolist() == [78, 79, 80, 81]
    assert not found.across(np.arange(100) >= 10, reach=2).any(), "another recording begins there"
    turned = Overlaps(np.arange(100)[::-1], linked[::-1], 1)
    assert np.flatnonzero(turned.across(test, reach=2)).tolist() == [78, 79, 80, 81]
    assert turned.blocks(most=1.0)[0] == turned.blocks(most=1.0)[9] != turned.blocks(most=1.0)[10]
