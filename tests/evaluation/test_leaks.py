"""Duplicates and subjects in blocks are found; on shuffled rows nothing is said."""

import numpy as np
import pandas as pd
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


def test_near_copies_in_a_table_of_few_columns_are_counted():
    rng = np.random.default_rng(0)
    train, test = np.arange(1500), np.arange(1500, 2000)
    numbers = np.exp(rng.normal(size=(2000, 2)) @ rng.normal(size=(2, 4)) + rng.normal(size=(2000, 4)))
    codes = np.eye(5)[rng.integers(0, 5, 2000)]
    table = np.hstack([numbers, codes]).astype(np.float32)
    assert said(table, train, test) == [], "a tail, and columns that go together"
    table[1600:1620, :4] = table[100:120, :4] * (1 + rng.normal(size=(20, 4)) * 1e-5)
    table[1600:1620, 4:] = table[100:120, 4:]
    table[1700:1703] = table[200:203]
    assert said(table, train, test) == [
        "3 of 500 test rows (0.6%) copy training rows.",
        "20 of 497 test rows are nearly training rows (100 times nearer than others).",
    ]
    whole = rng.integers(0, 40, (2000, 5)).astype(np.float32)
    assert said(np.unique(whole, axis=0)[:1900], np.arange(1400), np.arange(1400, 1900)) == []
    mixed = np.hstack([rng.integers(0, 3, (2000, 6)), rng.normal(size=(2000, 1))]).astype(np.float32)
    assert said(mixed, train, test) == [], "where all but one column are equal by chance, that one decides"


def test_copies_of_rows_with_a_mask_need_the_same_mask():
    values, mask = torch.ones(4, 1, 6), torch.ones(4, 1, 6, dtype=torch.bool)
    mask[1, 0, 3] = False
    train, test = np.array([0, 1]), np.array([2, 3])
    features = np.zeros((2, 3), dtype=np.float32), np.zeros((2, 3), dtype=np.float32)
    lines = leaks.duplicates(Batch(values, mask), (train, test), (train, test), features)
    assert lines == ["2 of 2 test rows (100%) copy training rows."]
    lines = leaks.duplicates(Batch(values, mask), (train[1:], test), (train[1:], test), features)
    assert lines == []


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
