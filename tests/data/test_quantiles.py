"""Edges between quantiles, and which columns are long-tailed."""

import numpy as np
import pandas as pd
import pytest

from isotropy.data import TablePreprocess
from isotropy.data.quantiles import edges_of, tail_of

RNG = np.random.default_rng(3)


def test_the_edges_of_a_continuous_column_are_its_quantiles():
    values = RNG.normal(size=5000)
    right = np.quantile(values, np.linspace(0, 1, 17))
    np.testing.assert_allclose(edges_of(values, bins=16), right, atol=2e-3)


def test_about_as_many_values_lie_between_any_two_edges():
    values = RNG.lognormal(size=8000)
    counts, _ = np.histogram(values, edges_of(values, bins=8))
    assert counts.min() > 0.9 * 1000 and counts.max() < 1.1 * 1000


@pytest.mark.parametrize("levels", [1, 2, 7, 33])
def test_a_column_of_few_values_has_just_these(levels):
    values = RNG.integers(levels, size=4000).astype(float)
    assert edges_of(values) == list(range(levels))


def test_a_column_of_mostly_zeros_has_edges_among_the_others():
    values = np.concatenate([np.zeros(9000), RNG.uniform(1, 2, size=1000)])
    edges = edges_of(values, bins=16)
    assert (
        edges[0] == 0 and len(edges) > 12 and edges == sorted(set(edges)) and max(edges) == pytest.approx(2, abs=0.01)
    )


def test_edges_survive_as_they_are_when_written():
    edges = edges_of(RNG.normal(size=3000).astype(np.float32).astype(float))
    assert all(float(f"{edge:.7g}") == edge for edge in edges)


def test_edges_of_a_million_values_are_those_of_some_of_them_with_both_ends():
    values = RNG.normal(size=250_000)
    values[17] = 40.0
    edges = edges_of(values)
    assert edges[-1] == pytest.approx(40) and edges[16] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("values", "long"),
    [(RNG.normal(size=999), False), (RNG.lognormal(sigma=2, size=999), True), (np.r_[np.zeros(99), 1.0], False)],
)
def test_a_long_tail_is_told_from_none(values, long):
    assert bool(tail_of(values)) == long


def test_what_is_known_of_columns_tells_dates_indicators_and_booleans():
    frame = pd.DataFrame(
        {
            "size": [1.0, None, 3.0, 4.0],
            "kind": ["a", "b", "a", "b"],
            "when": pd.to_datetime(["2020-01-01", "2020-01-02", None, "2020-01-04"]),
            "true": [True, False, True, True],
        }
    )
    preprocess = TablePreprocess.learn(frame)
    size, when, true, *indicators = preprocess.shape["numbers"]
    assert size["missing"] == 3 and when["missing"] == 4 and "missing" not in true
    assert len(size["edges"]) == 3 and true["edges"] == [0.0, 1.0] and indicators == [{"edges": [0.0, 1.0]}] * 2
    assert when["date"][0] == pytest.approx(pd.Timestamp("2020-01-02 08:00").timestamp())
    again = TablePreprocess.from_json(preprocess.to_json())
    assert again.shape == preprocess.shape


def test_a_schema_that_was_written_without_edges_is_still_read():
    preprocess = TablePreprocess.learn(RNG.normal(size=(20, 2)))
    written = preprocess.to_json()
    for column in written["schema"]["columns"]:
        del column["edges"], column["tail"]
    assert TablePreprocess.from_json(written).shape["numbers"] == [{"edges": []}] * 2
