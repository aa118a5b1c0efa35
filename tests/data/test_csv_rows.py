"""Where rows of text end: quotes within a value open nothing, and what is never closed does not take the whole file."""

from time import process_time

import pandas as pd
import pytest

from isotropy.data import csv_rows, read
from isotropy.data.blocks import formats
from isotropy.data.readers import READERS
from isotropy.errors import UserError


@pytest.fixture
def small(monkeypatch):
    """Make pieces of text small."""
    monkeypatch.setattr(formats, "BYTES", 200)


def streamed(path, text):
    """Write a text and return all rows of its blocks, which are those of the sample, too."""
    path.write_bytes(text)
    data = read(path, stream=True)
    rows = pd.concat([data.stream.values(number) for number in range(len(data.stream.blocks))])
    assert data.values.astype(object).fillna("").to_dict("list") == rows.astype(object).fillna("").to_dict("list")
    return rows


@pytest.mark.parametrize(
    "value",
    ['5" pipe', '"5"" pipe"', '"a\nb"', ' "a,""\n""b"', '"a\r\nb"', '"a\rb"', 'a "b" c"', '""', '"x""y"'],
    ids=repr,
)
def test_pieces_end_where_rows_do_whatever_quotes_their_values_have(value, tmp_path, small):
    rows = [f"{number},{value if number % 7 == 3 else 'plain'},{number / 4}" for number in range(200)]
    found = streamed(tmp_path / "some.csv", ("id,name,size\n" + "\n".join(rows) + "\n").encode())
    assert found["id"].tolist() == list(range(200)) and found["size"].tolist() == [n / 4 for n in range(200)]


@pytest.mark.parametrize("name", ['"a\nlong name"', '"a\r\n""long"", name"', '"a, b"'], ids=repr)
def test_names_may_have_several_lines(name, tmp_path, small):
    rows = "".join(f"{number},{number / 4},x\n" for number in range(200))
    for header in (f"{name},size,kind\n", f"size,{name},kind\n", f"size,kind,{name}\n"):
        (tmp_path / "some.csv").write_bytes((header + rows).encode())
        whole = read(tmp_path / "some.csv", stream=False).values
        found = streamed(tmp_path / "some.csv", (header + rows).encode()).reset_index(drop=True)
        pd.testing.assert_frame_equal(found, whole, check_dtype=False)


@pytest.mark.parametrize("more", ["9", "9,9"])
@pytest.mark.parametrize("place", range(40, 60))
def test_a_row_with_more_values_than_names_is_named_by_its_line_wherever_blocks_begin(more, place, tmp_path, small):
    rows = [f"{number},{number / 4},pipe" for number in range(100)]
    rows[place] += f",{more}"
    text = "id,size,name\n" + "\n".join(rows) + "\n"
    with pytest.raises(UserError, match=f"Expected 3 fields in line {place + 2}, saw {3 + len(more.split(','))}"):
        streamed(tmp_path / "some.csv", text.encode())


def test_values_before_those_with_names_are_names_of_rows_in_every_block(tmp_path, small):
    rows = [f"r{number},{number},{number / 4}" for number in range(100)]
    found = streamed(tmp_path / "some.csv", ("id,size\n" + "\n".join(rows) + "\n").encode())
    assert found["id"].tolist() == list(range(100)) and found["size"].tolist() == [n / 4 for n in range(100)]
    kept = READERS[".csv"].columns(tmp_path / "some.csv", ["id", "size"], [])
    assert kept["id"].tolist() == list(range(100)), "pandas would take the names of rows for the first column"


def test_a_quote_within_a_value_costs_no_time(tmp_path):
    rows = ['0,5" pipe', *(f"{number},pipe" for number in range(800_000))]
    (tmp_path / "long.csv").write_text("id,name\n" + "\n".join(rows) + "\n")
    start = process_time()
    parts = formats.FORMATS[".csv"].split(tmp_path / "long.csv", ())
    # Looking for the end of the value from its beginning, line by line, took minutes.
    assert len(parts) > 2 and sum(part.rows for part in parts) == len(rows) and process_time() - start < 20


def test_what_is_no_end_of_a_row_is_named(tmp_path, small, monkeypatch):
    monkeypatch.setattr(csv_rows, "_LONGEST", 1000)
    rows = "".join(f"{number},pipe\n" for number in range(500))
    for text, said in [
        (f'id,name\n1,"open\n{rows}', r"some\.csv: a quote at byte \d+ is not closed within 0 MB"),
        (f"id,name\r{rows}".replace("\n", "\r"), "carriage return alone"),
        ("a" * 2000 + "\n1\n", "first line is longer"),
        (f'"id,name\n{rows}', "a quote in its first line is not closed"),
        (f"id,name\n1,{'a' * 3000}\n{rows}", "a row before byte [\\d,]+ is longer"),
    ]:
        (tmp_path / "some.csv").write_bytes(text.encode())
        with pytest.raises(UserError, match=said):
            read(tmp_path / "some.csv", stream=True)


@pytest.mark.parametrize("stream", [True, False])
def test_blank_lines_above_the_names_are_none_of_them(stream, tmp_path):
    path = tmp_path / "some.csv"
    path.write_text("\n\r\nid;size\n1;2.5\n\n2;3.5\n3;4.5\n")
    data = read(path, stream=stream)
    values = data.stream.values(0) if stream else data.values
    assert values["id"].tolist() == [1, 2, 3] and values["size"].tolist() == [2.5, 3.5, 4.5]
