"""What distinguishes a cluster, against means by hand; and nothing where there is nothing."""

import numpy as np
import pandas as pd

from isotropy.clusters import describe
from isotropy.clusters.describe import told_apart
from isotropy.clusters.known import summaries
from isotropy.data import Data

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2, -1], [60, 60, 60, 20])


def test_numbers_are_compared_with_all_other_rows_in_deviations_of_all_rows():
    x = RNG.normal(size=200) * 3 + 10 * (LABELS == 1)
    trait = describe(LABELS, {"x": x})[1][0]
    here, elsewhere = x[LABELS == 1].mean(), x[LABELS != 1].mean()
    assert trait.here == float(f"{here:.4g}") and trait.elsewhere == float(f"{elsewhere:.4g}")
    assert abs(trait.difference - (here - elsewhere) / x.std()) < 1e-3


def test_categories_have_a_lift_and_missing_is_one():
    job = np.where(LABELS == 2, "cook", "smith").astype(object)
    job[LABELS == 0] = None
    found = describe(LABELS, {"job": job})
    assert [(one.value, one.here, one.lift) for one in found[2]] == [("cook", 1.0, round(200 / 60, 2))]
    assert [(one.value, one.here) for one in found[0]] == [("missing", 1.0)]


def test_chance_names_and_constant_columns_distinguish_nothing():
    columns = {
        "noise": RNG.normal(size=200),
        "coin": RNG.random(200) < 0.5,
        "name": np.array([f"row {n}" for n in range(200)]),
        "constant": np.full(200, 1e9),
        "empty": np.full(200, np.nan),
    }
    assert describe(LABELS, columns) == [[], [], []]


def test_large_numbers_infinite_ones_and_dates_keep_their_differences():
    base = 1.7e18
    big = base + 1e6 * (LABELS == 0) + RNG.normal(size=200) * 1e5
    far = np.where(np.arange(200) == 5, np.inf, 10.0 * (LABELS == 0) + RNG.normal(size=200))
    day = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.where(LABELS == 0, 400, 0), "D"))
    found = {one.column: one for one in describe(LABELS, {"big": big, "far": far, "day": day})[0]}
    assert set(found) == {"big", "far", "day"}
    assert (found["day"].here, found["day"].elsewhere) == ("2021-02-04", "2020-01-01")


def test_means_that_differ_are_written_and_kept_so_that_one_sees_it():
    big = 1e12 + 3.0 * (LABELS == 0) + RNG.normal(size=200)
    (trait,) = describe(LABELS, {"big": big})[0]
    assert abs(trait.here - trait.elsewhere - 3) < 0.5
    assert told_apart(trait.here, trait.elsewhere).startswith("1,000,000,000,00")
    assert told_apart(trait.here, trait.elsewhere) != told_apart(trait.elsewhere, trait.here)
    assert told_apart(2.0, 2.0) == "2" and told_apart(0.0, 0.0) == "0" and told_apart(-5e-7, 5e-7) == "-5e-07"


def test_codes_are_categories_where_the_user_says_so():
    zips = np.where(LABELS == 0, 10115, 80331)
    assert describe(LABELS, {"zip": zips}, categories=["zip"])[0][0].value == "10115"
    assert describe(LABELS, {"zip": zips})[0][0].value is None


def test_a_cluster_that_is_everything_differs_from_nothing():
    assert describe(np.zeros(50, dtype=int), {"x": RNG.normal(size=50)}) == [[]]


def test_series_are_summarised_in_their_own_units_behind_gaps():
    t = np.arange(64)
    x = np.stack([5 + np.sin(2 * np.pi * 4 * t / 64), np.where(t < 32, 2.0, np.nan)])[:, None]
    found = summaries(Data(x, "series"))
    np.testing.assert_allclose(found["mean"], [5, 2], atol=1e-6)
    np.testing.assert_allclose(found["mean frequency"], [4, np.nan], atol=1e-3)
    assert found["length"].tolist() == [64, 32]


def test_images_have_brightness_contrast_and_colours():
    x = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    x[0, 0] = 30
    found = summaries(Data(x, "image"))
    assert {name: values.tolist() for name, values in found.items()} == {
        "brightness": [10.0, 0.0], "contrast": [0.0, 0.0], "red": [30.0, 0.0], "green": [0.0, 0.0], "blue": [0.0, 0.0],
    }  # fmt: skip
