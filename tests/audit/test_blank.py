"""Blank rows: constant ones and those of a dead sensor; rows that are only quiet are none, however many there are."""

import re

import numpy as np
import pytest
import torch

from isotropy.audit import audit
from isotropy.audit.audit import issues_of
from isotropy.audit.given import Given, raw_of
from isotropy.data import SeriesPreprocess
from isotropy.encoders import MultiScaleCNN, wrap
from isotropy.representation import Representation

ROWS = 600


def series(resting):
    """Return series of people who walk, some less than others, and of a part who rest: quieter by an order or two."""
    rng = np.random.default_rng(0)
    loud = np.exp(-rng.exponential(0.6, ROWS)) * np.where(rng.random(ROWS) < resting, 0.03, 1.0)
    return (loud[:, None, None] * rng.normal(size=(ROWS, 2, 32))).astype(np.float32)


def blank(x):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(x[0].size, 8))
    found = audit(Representation(wrap(network, width=8), SeriesPreprocess.learn(x), method="simclr"), x)
    return found.issues["blank"]


@pytest.mark.parametrize("resting", [0.0, 0.1, 0.4])
def test_quiet_rows_are_not_blank(resting):
    assert blank(series(resting)).ranked().tolist() == []


@pytest.mark.parametrize("resting", [0.0, 0.4])
def test_constant_rows_and_those_of_a_dead_sensor_are(resting):
    x = series(resting)
    x[7], x[50], x[51] = 1.5, 1.5 + x[50] * 1e-3, 2 + x[51] * 1e-4
    found = blank(x)
    assert found.ranked().tolist() == [7, 51, 50]
    assert found.reason(7) == "every value is the same" and "times as much as usual" in found.reason(50)


def test_a_series_without_a_value_is_told_apart_from_a_constant_one():
    x = series(0.0)
    x[7], x[9], x[50, :, 16:] = np.nan, 2.5, np.nan
    encoder = MultiScaleCNN(channels=2, length=32, width=32, filters=2, scales=2)
    made = Representation(encoder, SeriesPreprocess.learn(x), method="simclr")
    found = issues_of(Given(np.nan_to_num(x).reshape(ROWS, -1), raw_of(made, made.stored(x)))).issues["blank"]
    assert {row: found.reason(row) for row in found.ranked()} == {
        7: "every value is the same, or none is there",
        9: "every value is the same",
    }


@pytest.mark.parametrize("copies, far", [(590, "at some distance"), (0, "times as far as usual")])
def test_how_far_an_outlier_is_is_a_number_also_where_most_rows_are_copies(copies, far):
    x = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
    x[:copies], x[ROWS - 1] = 1.0, 3e6
    found = issues_of(Given(x)).issues["outlier"]
    assert found.issue[ROWS - 1]
    reason = found.reason(ROWS - 1)
    assert far in reason and not {"inf", "nan", "e+"} & set(re.findall(r"inf|nan|e\+", reason)), reason


def test_how_quiet_a_row_is_is_a_number_also_where_most_rows_are_constant():
    x = series(0.0)
    x[: ROWS - 100] = x[: ROWS - 100, :, :1]
    x[-1] *= 1e-4 / x[-1].std()
    found = blank(x)
    assert found.ranked().tolist() == [*range(ROWS - 100), ROWS - 1]
    said = found.reason(ROWS - 1)
    assert 0 < float(said.split()[1]) < 0.01 and said.endswith("times as much as usual")
