"""Dates, times and durations as people write them, against the standard library."""

from datetime import UTC, datetime

import numpy as np
import pytest

from isotropy.data.date_text import find_order, parse_dates, parse_durations, parse_times


def texts(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ("%d/%m/%Y", "dmy"),
        ("%m/%d/%Y", "mdy"),
        ("%d.%m.%Y", "dmy"),
        ("%d-%m-%Y", "dmy"),
        ("%m/%d/%y", "mdy"),
        ("%Y/%m/%d", "dmy"),
        ("%Y.%m.%d %H:%M", "mdy"),
        ("%d %b %Y", "dmy"),
        ("%b %d, %Y", "mdy"),
        ("%d-%B-%Y", "dmy"),
        ("%m/%d/%Y %I:%M %p", "mdy"),
        ("%d/%m/%Y %H:%M:%S", "dmy"),
    ],
)
def test_dates_are_those_of_the_standard_library(form, order):
    draw = np.random.default_rng(0)
    days = [datetime.fromtimestamp(int(s), UTC) for s in draw.integers(0, 2_000_000_000, 200)]
    written = [day.strftime(form) for day in days]
    expected = [datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() for text in written]
    np.testing.assert_array_equal(parse_dates(texts(*written), order), expected)
    found, share, sure = find_order(texts(*written), np.ones(200, dtype=np.int64))
    assert share == 1 and sure
    np.testing.assert_array_equal(parse_dates(texts(*written), found), expected)


def test_an_order_that_no_day_tells_is_a_guess():
    assert find_order(texts("01/02/2024", "03/04/2024"), np.ones(2, dtype=np.int64)) == ("dmy", 1.0, False)


def test_what_is_no_date_time_or_duration():
    for text in ("30/2/2024", "1.2.3", "1.2.10", "31/12", "2024-13-01", "Foo 3, 2024", "2024", "100-200-3000"):
        assert np.isnan(parse_dates(texts(text), "dmy")).all(), text
    assert np.isnan(parse_times(texts("24:00", "12:60", "12", "soon"))).all()
    assert np.isnan(parse_durations(texts("12", "1:75", "a day"))).all()


def test_times_and_durations_are_seconds():
    assert parse_times(texts("00:00", "13:45:30", "1:05 am", "12:00 AM")).tolist() == [0, 49530, 3900, 0]
    assert parse_durations(texts("36:15:00", "2 days 03:00:00", "PT1H30M")).tolist() == [130500, 183600, 5400]
