"""Intervals of scores that have ends: what few rows can say, alone and paired."""

import numpy as np
import pytest

from isotropy.evaluation.resampling import Resampled, over_seeds, resample
from isotropy.evaluation.score import Measurement


def of_rows(*rows, ends=(0.0, 1.0)):
    """Return the resamples of scores whose rows are right (1) or wrong (0)."""
    ones = [Measurement("accuracy", 9, np.asarray(one, dtype=np.float64)[:, None], ends=ends) for one in rows]
    return resample(ones, resamples=2000)


@pytest.mark.parametrize("rows", [8, 36])
@pytest.mark.parametrize("share", [0.8, 0.95, 0.99])
def test_the_interval_of_a_share_covers_it_as_often_as_it_says_however_few_rows_and_near_1(rows, share):
    rng = np.random.default_rng(rows)
    found = [one.interval() for one in of_rows(*(rng.random((200, rows)) < share))]
    assert np.mean([one["low"] <= share <= one["high"] for one in found]) >= 0.92
    assert all(one["low"] <= one["value"] <= one["high"] for one in found)


def test_eight_rows_that_are_all_right_are_no_certainty_and_many_are_nearly_one():
    few, many = (of_rows(np.ones(rows))[0].interval() for rows in (8, 5000))
    assert few["value"] == few["high"] == 1.0
    assert 0.6 < few["low"] < 0.75  # Clopper-Pearson has .63, Wilson .68
    assert many["low"] > 0.998


def test_two_that_are_all_right_on_eight_rows_may_differ_on_others():
    ours, theirs = of_rows(np.ones(8), np.ones(8))
    found = ours.minus(theirs)
    assert found["value"] == 0 and found["low"] <= -0.1 and found["high"] >= 0.1


def test_a_difference_of_few_rows_is_told_where_an_exact_test_tells_it():
    """McNemar's exact test of the rows that differ: of four all one way p is .125, of eight .008."""
    gaps = {}
    for wrong in (4, 8):
        ours, theirs = of_rows(np.ones(8), np.arange(8) >= wrong)
        gaps[wrong] = ours.minus(theirs)
    assert gaps[4]["low"] <= 0 and gaps[8]["low"] > 0


def test_a_score_without_ends_is_left_to_its_resamples():
    (found,) = of_rows(np.ones(8), ends=None)
    assert found.interval() == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_seeds_that_are_all_right_on_eight_rows_are_no_certainty():
    one = Resampled(np.ones(1), np.ones((2000, 1)), 8, (0.0, 1.0))
    assert over_seeds([one, one])["low"] < 0.8
