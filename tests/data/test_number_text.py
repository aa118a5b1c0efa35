"""Numbers as people write them, and what only looks like one."""

import numpy as np
import pytest

from isotropy.data.number_text import NumberText


def read(texts):
    """Return the convention of a column, and its numbers."""
    column = np.array(texts, dtype=object)
    found = NumberText.find(column, np.ones(len(column), dtype=np.int64))
    return found, None if found is None else found.parse(column).tolist()


@pytest.mark.parametrize(
    ("texts", "convention", "numbers"),
    [
        (["$1,234.50", "$3.00", "-$7.10", "($2)"], (".", "$"), [1234.5, 3, -7.1, -2]),
        (["12 %", "3.5 %", "0%"], (".", "%"), [12, 3.5, 0]),
        (["1.234,50 EUR", "12,5 EUR", "1.000 EUR"], (",", "EUR"), [1234.5, 12.5, 1000]),
        (["1.200 €", "950 €", "12.000 €"], (",", "€"), [1200, 950, 12000]),
        (["EUR 1.5", "2.25 EUR"], (".", "EUR"), [1.5, 2.25]),
        (["(123)", "45", "(1,000)"], (".", ""), [-123, 45, -1000]),
        (["12.5 kg", "3kg"], (".", "kg"), [12.5, 3]),
        (["1\u202f234,5", "12,25", "1\u00a0000 000"], (",", ""), [1234.5, 12.25, 1e6]),
        (["1'234.50", "2.5"], (".", ""), [1234.5, 2.5]),
        (["12,34,567", "1,234"], (".", ""), [1234567, 1234]),
        (["1,234", "5,678"], (".", ""), [1234, 5678]),
        (["1.234", "0,5", "12,345"], (",", ""), [1234, 0.5, 12.345]),
        (["1.2e3 m", "2E-1 m"], (".", "m"), [1200, 0.2]),
        (["\u22125", "6,000"], (".", ""), [-5, 6000]),
        (["7 sq ft", "80 sq ft"], (".", "sq ft"), [7, 80]),
        (["5 m²", "6.1 m²"], (".", "m²"), [5, 6.1]),
        (["$.50", "$1.25"], (".", "$"), [0.5, 1.25]),
        (["12 kg", "500 g", "7 kg", "8 kg"], (".", "kg"), [12, np.nan, 7, 8]),
        (["1,23,4", "1,234", "2.5"], (".", ""), [np.nan, 1234, 2.5]),
        (["1.5", "2.25", "-0,159", "1,159"], (".", ""), [1.5, 2.25, np.nan, 1159]),
        (["1.234,5", "7,25", "0.500", "012.345"], (",", ""), [1234.5, 7.25, np.nan, np.nan]),
        (
            ["(5", "6)", "7 $", "8 $", "9 $", "1 $", "2 $", "3 $", "4 $", "5 $"],
            (".", "$"),
            [np.nan] * 2 + [7, 8, 9, 1, 2, 3, 4, 5],
        ),
    ],
)
def test_numbers_in_words_of_people(texts, convention, numbers):
    found, parsed = read(texts)
    assert (found.decimal, found.unit) == convention
    np.testing.assert_array_equal(parsed, numbers)


@pytest.mark.parametrize(
    "texts",
    [
        ["P001", "P002"],
        ["Q1", "Q2"],
        ["10-19", "20-29"],
        ["3+", "4+"],
        ["2024-01-01"],
        ["12:30"],
        ["1/2", "3/4"],
        ["0.jpg", "1.jpg", "0002.jpg"],
        ["a", "b"],
    ],
)
def test_codes_ranges_dates_and_fractions_are_no_numbers(texts):
    assert read(texts)[0] is None
