"""A .csv file is what pandas reads of it, with separators and leading zeros recognised, however regular it is."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import compute

from isotropy.data import TablePreprocess, csv_file, csv_parts, read
from isotropy.data.csv_file import layout_of, read_csv
from isotropy.data.readers import READERS
from isotropy.errors import UserError

PLAIN = pd.DataFrame(
    {
        "count": [1, 2, 3, 4],
        "gap": [1.0, np.nan, 2.5, 3.0],
        "job": ["cook", None, 'a "quoted", one', "smith"],
        "sure": [True, False, True, True],
        "maybe": [True, None, False, True],
        "empty": [None] * 4,
    }
)


def written(folder, text):
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder / "t.csv"


def test_a_plain_file_is_what_pandas_reads(tmp_path):
    path = written(tmp_path, PLAIN.to_csv(index=False))
    assert layout_of(path).regular
    ours, theirs = (
        x.astype(object).where(x.notna(), None).to_dict("list") for x in (read_csv(path), pd.read_csv(path))
    )
    assert ours == theirs
    assert read_csv(written(tmp_path, PLAIN.to_csv())).columns.tolist() == PLAIN.columns.tolist(), "pandas' index"


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_separators_are_recognised_by_the_first_line(mark, tmp_path):
    path = written(tmp_path, f"a{mark}b\n1,5{mark}x\n2,5{mark}y\n")
    assert read_csv(path).to_dict("list") == {"a": ["1,5", "2,5"], "b": ["x", "y"]}
    assert read(path).description.startswith("t.csv: a table of 2 columns")


def test_leading_zeros_are_kept_in_digits_and_nowhere_else(tmp_path):
    frame = read_csv(written(tmp_path, "zip,hour,x\n01067,00:30,0.5\n80331,12:00,007.5\n10115,01:15,1\n"))
    assert frame["zip"].tolist() == ["01067", "80331", "10115"] and frame["x"].tolist() == [0.5, 7.5, 1.0]


@pytest.mark.parametrize(
    "text",
    [
        "a, b\n1, x\n2, y\n",  # blanks behind commas
        'a,b\n1,"two\nlines"\n2,y\n',
        "a,b\n1\n2,y\n",  # a short row
    ],
)
def test_files_that_pyarrow_reads_otherwise_are_read_by_pandas(text, tmp_path):
    path = written(tmp_path, text)
    pd.testing.assert_frame_equal(read_csv(path), pd.read_csv(path, skipinitialspace=True), check_dtype=False)


@pytest.mark.parametrize("late", ["2.5", "many", "", "01"])
def test_what_shows_late_in_a_column_is_read_as_if_it_had_shown_early(late, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "_HEAD", 400)
    monkeypatch.setattr(csv_file, "_SAMPLE", 40)
    monkeypatch.setattr(csv_parts, "BLOCK", 1000)
    rows = [f"{n},{n}" for n in range(10, 2000)] + [f"{late},7"]
    path = written(tmp_path, "a,b\n" + "\n".join(rows) + "\n")
    whole = pd.read_csv(path, low_memory=False)
    frame = read_csv(path)
    assert frame["a"].astype(str).iloc[0].startswith("10") and frame["b"].tolist() == whole["b"].tolist()
    numbers, expected = (pd.to_numeric(x["a"], errors="coerce").to_numpy(float) for x in (frame, whole))
    np.testing.assert_array_equal(numbers, expected)
    assert frame["a"].iloc[-1] == late or late in ("2.5", "")


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_parts_and_blocks_make_one_table(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_parts, "BLOCK", 1000)
    monkeypatch.setattr(csv_parts.os, "cpu_count", lambda: parts)
    monkeypatch.setattr(csv_parts, "PART", 500)
    # Later blocks have many more rows than the first; a whole number lacks in the last.
    count = [*range(2000), None]
    values = [1 / (n + 1) if n < 20 else n % 10 + 0.5 for n in range(2001)]
    frame = pd.DataFrame({"x": values, "n": count}, dtype=object)
    frame["day"] = [f"2024-01-0{n % 9 + 1}" for n in range(2001)]
    frame["job"] = [f"job {n}" if n % 7 else None for n in range(2001)]
    path = written(tmp_path, frame.to_csv(index=False))
    assert len(csv_parts._cuts(path)) == parts
    found = csv_parts.read_parts(path, ",", strings_can_be_null=True)
    assert found["x"].tolist() == frame["x"].tolist() and found.columns.tolist() == ["x", "n", "day", "job"]
    assert found["n"].tolist()[:-1] == count[:-1] and np.isnan(found["n"].iloc[-1])
    assert found["day"].dt.day.tolist() == (np.arange(2001) % 9 + 1).tolist()
    assert found["job"].isna().tolist() == frame["job"].isna().tolist()
    assert found["job"].dropna().tolist() == frame["job"].dropna().tolist()


@pytest.mark.parametrize("longer", range(0, 40, 3))
def test_a_line_break_within_quotes_may_fall_where_parts_meet(longer, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "_HEAD", 200)
    monkeypatch.setattr(csv_file, "_SAMPLES", 0)
    monkeypatch.setattr(csv_parts, "PART", 500)
    monkeypatch.setattr(csv_parts.os, "cpu_count", lambda: 3)
    # Either side of the break has as many values as a row.
    plain = [f'{n},"job {n}, day {n}"' for n in range(20)]
    broken = [f'{n},"job {n}, day\n{n}, of {n}"' for n in range(100)]
    path = written(tmp_path, f"n,text{'t' * longer}\n" + "\n".join([*plain, *broken, *plain]) + "\n")
    pd.testing.assert_frame_equal(read_csv(path), pd.read_csv(path))


def test_numbers_are_held_once():
    few = pa.array(np.arange(10_000.0))
    kind = pa.schema([("x", pa.float64())])
    held = []

    def batches():
        for number in range(50):
            yield pa.record_batch([compute.add(few, number)], schema=kind)
            held.append(pa.total_allocated_bytes())

    before = pa.total_allocated_bytes()
    columns = csv_parts._Columns(kind, batches(), 50)
    values = columns.numbers["x"].values()
    np.testing.assert_array_equal(values, np.add.outer(np.arange(50), np.arange(10_000)).ravel())
    assert max(held) - before < values.nbytes / 10, "batches stand beside the columns made of them"


def test_damaged_files_say_what_is_wrong(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\nü,é".encode() + b"\xff\n")
    with pytest.raises(UserError, match="t.csv is not UTF-8 text"):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(UserError, match="t.csv is empty"):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    with pytest.raises(UserError, match="t.csv is damaged"):
        read(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a" * 200_000 + ",b\n1,2\n")
    with pytest.raises(UserError, match="t.csv is damaged or no .csv file: field larger"):
        read(tmp_path / "t.csv")


def test_one_value_too_many_in_the_first_row_does_not_move_the_others(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2,3\n4,5\n6,7\n")
    for stream in (False, True):
        with pytest.raises(UserError, match="first row has 3 values, one more than there are names, and row 2 has not"):
            read(tmp_path / "t.csv", stream=stream)


def test_lines_above_the_names_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    for text, words in (
        ("# made by x\na,b\n1,2\n3,4\n", "rows have 2 values, and the first line names 1: take out lines above"),
        ("report\na,b,c\n1,2,3\n", "rows have 3 values, and the first line names 1"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            read(path)
        with pytest.raises(UserError, match=words):
            list(READERS[".csv"].pieces(path, [], [])[1])
    # R leaves out the name of the rows' names.
    path.write_text("a b\n1 2 3\n".replace(" ", ","))
    assert read(path).values.columns.tolist() == ["a", "b"]


@pytest.mark.parametrize("text", ["a,b,a\n1,2,3\n4,5,6\n", '"a ";b;a\n1;2;3\n4;5;6\n'])
def test_columns_of_one_name_are_numbered_in_a_file_as_in_a_frame(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.warns(UserWarning, match="2 columns are called 'a': here they are 'a \\(1\\)' and so on"):
        found = read(path).values
    with pytest.warns(UserWarning, match="2 columns are called 'a'"):
        frame = read(pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "b", "a"])).values
    pd.testing.assert_frame_equal(found, frame)
    assert found.columns.tolist() == ["a (1)", "b", "a (2)"] and found["a (2)"].tolist() == [3, 6]
    with pytest.warns(UserWarning), pytest.raises(UserError, match="there is no column 'a' .label."):
        read(path, label="a")
    with pytest.warns(UserWarning):
        pieces = list(READERS[".csv"].pieces(path, [], [])[1])
    assert pd.concat(pieces).columns.tolist() == found.columns.tolist()
    path.write_text("a,a,a (1)\n1,2,3\n4,5,6\n")
    with pytest.warns(UserWarning, match="here they are 'a \\(2\\)' and so on"):
        assert read(path).values.columns.tolist() == ["a (2)", "a (3)", "a (1)"]


def test_a_tsv_file_is_read_as_its_csv(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x,y", "z"]})
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    pd.testing.assert_frame_equal(read(tmp_path / "t.tsv").values, frame, check_dtype=False)


@pytest.mark.parametrize("odd", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00Z", "9999-12-31 23:59:59.999999"])
def test_dates_of_the_first_and_the_last_year_are_read(odd, tmp_path):
    days = ["2019-03-01", "2019-03-02", odd, "2019-03-04", "2019-03-05"]
    table = read(written(tmp_path, "day,x\n" + "".join(f"{day},{place}\n" for place, day in enumerate(days)))).values
    stored = TablePreprocess.learn(table).transform(table)[:, 0]
    others = stored[[0, 1, 3, 4]]
    assert stored.isfinite().all() and abs(stored[2] - others.mean()) > 1
    assert (others.diff() > 0).all()


def test_rows_that_end_in_a_mark_do_not_move_by_a_column(tmp_path):
    for mark, rows in ((",", 5), (";", 5), ("\t", 3)):
        body = "".join(f"{n}{mark}{n + 0.5}{mark}\n" for n in range(rows))
        path = written(tmp_path, f"a{mark}b\n{body}")
        assert read_csv(path).to_dict("list") == {"a": list(range(rows)), "b": [n + 0.5 for n in range(rows)]}
        pieces = pd.concat(READERS[".csv"].pieces(path, [], [])[1])
        pd.testing.assert_frame_equal(pieces, read_csv(path))
        assert READERS[".csv"].columns(path, ["b"], [])["b"].tolist() == [n + 0.5 for n in range(rows)]
    # R writes names of rows: the last column may lack values.
    assert read_csv(written(tmp_path, "a,b\nr1,1,NA\nr2,2,NA\n"))["a"].tolist() == [1, 2]


def test_names_have_no_blanks_around_them(tmp_path):
    path = written(tmp_path, " a , b b ,c\n1,2,3\n4,5,6\n")
    assert read_csv(path).to_dict("list") == {"a": [1, 4], "b b": [2, 5], "c": [3, 6]}
    assert next(READERS[".csv"].pieces(path, [], [])[1]).columns.tolist() == ["a", "b b", "c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sep=;\na;b\n1;2\n", "first line 'sep=;' is for Excel alone: take it out"),
        ("5.1,3.5,0\n4.9,3.0,1\n", r"first line holds numbers \(5.1, ...\) and no names"),
    ],
)
def test_first_lines_that_are_no_names(text, words, tmp_path):
    with pytest.raises(UserError, match=words):
        read(written(tmp_path, text))


def test_years_and_wavelengths_are_names(tmp_path):
    for names in (["2001", "2002"], [f"{n + 0.5}" for n in range(20)], [f"{n + 0.5}" for n in range(20)][::-1]):
        text = f"{','.join(names)}\n{','.join('1' * len(names))}\n"
        assert read_csv(written(tmp_path, text)).columns.tolist() == names


_WITHOUT_THREADS = """
import os, resource, sys
from pathlib import Path
from isotropy.data.csv_file import read_csv
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 2**20,) * 2)
print(len(read_csv(Path(sys.argv[1]), [])), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("megabytes", [10, 14])
@pytest.mark.skipif(sys.platform != "linux", reason="limits and reads its memory as Linux does")
@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 26, reason="older ones end the process where no thread starts")
def test_a_file_is_read_where_the_system_gives_hardly_a_thread(megabytes, tmp_path):
    """One more stack of 8 MB fits: pyarrow's reader would wait for ever for the second thread."""
    pd.DataFrame({"a": range(100), "b": 1.5}).to_csv(tmp_path / "t.csv", index=False)
    command = [sys.executable, "-c", _WITHOUT_THREADS, str(tmp_path / "t.csv"), str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "100", done.stderr


def test_a_first_row_that_may_be_taken_for_names_is_named(tmp_path):
    rows = "\n".join(f"{n}.5,{n},a" for n in range(20))
    path = tmp_path / "t.csv"
    path.write_text("0.5,1.25,x\n" + rows)
    with pytest.warns(UserWarning, match="t.csv: columns are called '0.5', '1.25': if the file has no line of names"):
        assert len(read(path)) == 20
    path.write_text("0,0,x\n" + rows)
    with pytest.raises(UserError, match="two columns are called '0': rename one, or write names above the first line"):
        read(path)
    spectrum = [f"{400 + n / 2}" for n in range(9)]
    for names in (["id", *spectrum], ["x1.5", "2019", "2020"]):
        path.write_text(",".join(names) + "\n" + "\n".join(",".join(["1"] * len(names)) for _ in range(9)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)


PLACES = "Ort,Größe,x\nZürich,5,0.5\nKöln – West,7,1.5\n" + "Nîmes,9,2.5\n" * 40


@pytest.mark.filterwarnings("ignore:t.csv is not UTF-8 and was read as Windows-1252")
def test_windows_letters_are_read_in_every_way(tmp_path):
    paths = [written(tmp_path, PLACES), tmp_path / "w" / "t.csv"]
    paths[1].parent.mkdir()
    paths[1].write_bytes(PLACES.encode("cp1252"))
    reader = READERS[".csv"]
    wholes = [read_csv(path) for path in paths]
    assert wholes[1].equals(wholes[0]) and wholes[1]["Ort"][1] == "Köln – West"
    columns = [reader.columns(path, ["Größe", "Ort"], []) for path in paths]
    assert columns[1].equals(columns[0]) and columns[1].shape == (42, 2)
    pieces = [pd.concat(reader.pieces(path, [], ["Ort"])[1]) for path in paths]
    assert pieces[1].equals(pieces[0])
    streams = [read(path, label="Ort", stream=True) for path in paths]
    assert streams[1].stream.values(0).equals(streams[0].stream.values(0)) and len(streams[1].stream) == 42
    assert streams[1].labels.tolist() == streams[0].labels.tolist() == wholes[0]["Ort"].tolist()


def test_windows_letters_are_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(PLACES.encode("cp1252"))
    with pytest.warns(UserWarning, match="t.csv is not UTF-8 and was read as Windows-1252, .*save it as UTF-8"):
        read(path)
