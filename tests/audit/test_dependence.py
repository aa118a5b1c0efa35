"""Rows whose values do not go together: found, named for the column that fits least, and none where none is."""

import numpy as np
import pytest

from isotropy.audit import dependence
from isotropy.audit.dependence import inconsistent

NAMES = [f"c{place}" for place in range(6)]


def table(count=1500, seed=0):
    """Return two factors in five numbers and a category, with values missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 2))
    x = z @ rng.normal(size=(2, 5)) + 0.2 * rng.normal(size=(count, 5))
    x[::11, 1] = np.nan
    return np.column_stack([x, (z[:, 0] > 0) * 1.0]).astype("f4"), np.arange(6) == 5


def planted(x, rows, seed=1):
    """Let the rows have values of other rows, each its own."""
    rng, x = np.random.default_rng(seed), x.copy()
    for row in rows:
        x[row] = [column[rng.integers(len(x))] for column in x.T]
    return x


def test_rows_of_values_drawn_apart_come_first_and_are_named():
    x, codes = table()
    rows = np.arange(40, 1500, 100)
    found = inconsistent(planted(x, rows), codes, NAMES)
    worst = np.argsort(found.score, kind="stable")[:15]
    assert len(set(worst) & set(rows)) >= 12
    named = np.flatnonzero(found.issue)
    assert len(named) >= 5 and np.isin(named, rows).mean() >= 0.8
    assert found.score.min() >= 0 and found.score.max() <= 1


@pytest.mark.parametrize("place", [0, 3])
def test_the_reason_names_the_column_that_fits_least(place):
    x, codes = table()
    x[7] = np.where(np.arange(6) == place, x[7], x[8])
    x[7, place] = -np.sign(x[8, place]) * 2.5 * np.nanstd(x[:, place])
    found = inconsistent(x, codes, NAMES)
    assert f", c{place} least" in found.reason(7), found.reason(7)


@pytest.mark.parametrize("seed", [0, 1])
def test_none_is_named_where_all_go_together_or_nothing_does(seed):
    rng = np.random.default_rng(seed)
    x, codes = table(seed=seed)
    together = inconsistent(x, codes, NAMES)
    assert together.issue.sum() <= 2 and "% are such" in together.method
    # Independent columns: every row is one whose values were drawn apart.
    apart = rng.normal(size=(800, 6)).astype("f4")
    nothing = inconsistent(apart, np.zeros(6, dtype=bool), NAMES)
    assert not nothing.issue.any() and "%" not in nothing.method and "cannot tell them" in nothing.method


def test_it_is_the_same_each_time_and_of_few_rows_and_of_constant_ones():
    x, codes = table(300)
    one, other = inconsistent(x, codes, NAMES), inconsistent(x, codes, NAMES)
    assert (one.score == other.score).all() and one.reason(3) == other.reason(3)
    for few in (x[:12], np.ones((20, 2), dtype="f4")):
        found = inconsistent(few, codes[: few.shape[1]], NAMES)
        assert np.isfinite(found.score).all() and not found.issue.any() and found.reason(0)


def test_of_wide_tables_some_columns_are_read(monkeypatch):
    rng, read = np.random.default_rng(0), []
    shuffled = dependence._shuffled
    monkeypatch.setattr(dependence, "_shuffled", lambda x, rng: read.append(x.shape[1]) or shuffled(x, rng))
    x = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 400))).astype("f4")
    found = inconsistent(x, np.zeros(400, dtype=bool), [f"w{place}" for place in range(400)])
    assert len(found.issue) == 60 and set(read) == {128}
