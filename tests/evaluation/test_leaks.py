"""Duplicates, overlapping windows and subjects in blocks are found; on shuffled rows nothing is said."""

import numpy as np
import pandas as pd
import pytest
import torch

from isotropy.batch import Batch
from isotropy.evaluation import leaks


def said(values, train, test):
    rows = torch.from_numpy(values)
    return leaks.duplicates(rows, (train, test), (train, test), (values[train], values[test]))


def test_copies_and_near_copies_across_the_split_are_counted():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 20)).astype(np.float32)
    train, test = np.arange(150), np.arange(150, 200)
    assert said(values, train, test) == []
    values[150:155] = values[:5]
    values[155:163] = values[20:28] + rng.normal(size=(8, 20)).astype(np.float32) * 1e-3
    assert said(values, train, test) == [
        "5 of 50 test rows (10%) copy training rows.",
        "8 of 45 test rows are nearly training rows (cosine above 0.999).",
    ]


def test_rows_of_few_directions_or_of_names_are_not_called_near_copies():
    rng = np.random.default_rng(0)
    train, test = np.arange(1500), np.arange(1500, 2000)
    smooth = (rng.normal(size=(2000, 2)) @ rng.normal(size=(2, 30))).astype(np.float32)
    assert said(smooth, train, test) == []
    names = np.eye(60)[rng.integers(0, 60, 2000)] + rng.normal(size=(2000, 60)) * 0
    numbers = rng.normal(size=(2000, 2)) * 0.01
    assert said(np.hstack([names, numbers]).astype(np.float32), train, test) == []


def test_copies_of_rows_with_a_mask_need_the_same_mask():
    values, mask = torch.ones(4, 1, 6), torch.ones(4, 1, 6, dtype=torch.bool)
    mask[1, 0, 3] = False
    train, test = np.array([0, 1]), np.array([2, 3])
    features = np.zeros((2, 3), dtype=np.float32), np.zeros((2, 3), dtype=np.float32)
    lines = leaks.duplicates(Batch(values, mask), (train, test), (train, test), features)
    assert lines == ["2 of 2 test rows (100%) copy training rows."]
    lines = leaks.duplicates(Batch(values, mask), (train[1:], test), (train[1:], test), features)
    assert lines == []


def windows(hop, *, steps=40, channels=2, count=60, seed=0):
    signal = np.random.default_rng(seed).normal(size=(channels, hop * count + steps))
    return np.stack([signal[:, hop * n : hop * n + steps] for n in range(count)])


@pytest.mark.parametrize("hop", [1, 7, 20, 35])
def test_overlapping_windows_are_recognised_at_any_hop(hop):
    linked, found = leaks.overlapping_windows(np.concatenate([windows(hop), windows(hop, seed=1)]))
    assert found == hop
    assert np.flatnonzero(~linked).tolist() == [59], "two recordings do not overlap"


@pytest.mark.parametrize(
    "series",
    [
        np.random.default_rng(0).permutation(windows(10)),
        windows(40),
        np.zeros((50, 1, 30)),
        np.sign(np.random.default_rng(0).normal(size=(50, 1, 30))),
        np.tile(np.sin(np.arange(30)), (50, 1, 1)),
        np.random.default_rng(0).normal(size=(3, 1, 30)),
    ],
)
def test_other_series_are_no_overlapping_windows(series):
    linked, hop = leaks.overlapping_windows(series)
    assert not linked.any() and hop == 0 and len(linked) == len(series) - 1


def test_windows_with_missing_values_overlap_too():
    series = windows(10)
    series[np.abs(series) > 2] = np.nan
    assert leaks.overlapping_windows(series)[0].all()


def test_blocks_of_windows_are_cut_into_pieces_and_their_edges_are_known():
    linked = np.ones(99, dtype=bool)
    linked[9] = False
    blocks = leaks.window_blocks(linked, most=0.1)
    assert np.bincount(blocks).max() <= 10 and (np.diff(blocks) >= 0).all() and blocks[9] != blocks[10]
    test = np.arange(100) >= 80
    assert np.flatnonzero(leaks.across(linked, test, reach=2)).tolist() == [78, 79, 80, 81]
    assert not leaks.across(linked, np.arange(100) >= 10, reach=2).any(), "another recording begins there"


def test_subjects_in_blocks_are_named_whatever_the_label():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(30), 40),
            "file": np.repeat([f"f{n}.wav" for n in range(120)], 10),
            "visit": np.repeat(rng.integers(0, 8, 80), 15),
            "noise": rng.integers(0, 30, 1200),
            "value": rng.normal(size=1200),
            "flag": np.repeat([0, 1], 600),
            "row": np.arange(1200),
        }
    )
    assert leaks.blocked_columns(frame, rng.integers(0, 3, 1200)) == ["subject", "file", "visit"]
    assert leaks.blocked_columns(frame.iloc[rng.permutation(1200)], rng.integers(0, 3, 1200)) == []


def test_a_file_that_is_sorted_by_its_label_names_no_column():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(7), 200)
    frame = pd.DataFrame(
        {"size": label * 3 + rng.integers(0, 4, 1400), "code": label, "shape": rng.integers(0, 9, 1400)}
    )
    assert leaks.blocked_columns(frame, label) == []
    assert leaks.blocked_columns(frame, np.zeros(1400)) == ["code"]
