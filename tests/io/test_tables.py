"""Files of embeddings: pieces make the whole, and what fails leaves the older file."""

import csv

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from isotropy.io.tables import writing

X = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)


@pytest.mark.parametrize("pieces", [1, 3])
def test_pieces_make_the_whole(pieces, tmp_path):
    labels = pd.Series(["a", None, "b"] + ["c"] * 7)
    with writing(tmp_path / "x.parquet", ["z0", "z1"], ["label"]) as table, writing(tmp_path / "x.npy", "ab") as array:
        for part in np.array_split(np.arange(10), pieces):
            table.write(X[part], labels.iloc[part])
            array.write(X[part])
    assert np.array_equal(np.load(tmp_path / "x.npy"), X)
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert list(frame.columns) == ["label", "z0", "z1"]
    assert np.array_equal(frame[["z0", "z1"]].to_numpy(), X)
    assert frame["label"].isna().tolist() == labels.isna().tolist()
    assert frame["label"].dropna().tolist() == labels.dropna().tolist()
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == pieces


@pytest.mark.parametrize("name", ["x.npy", "x.parquet"])
def test_an_error_leaves_the_older_file_and_nothing_else(name, tmp_path):
    (tmp_path / name).write_bytes(b"older")
    with pytest.raises(KeyError), writing(tmp_path / name, ["z0", "z1"]) as writer:
        writer.write(X)
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"older"


def test_text_reads_back_to_the_same_numbers(tmp_path):
    numbers = np.array([[0.1, 1 / 3], [1e-300, 2.0]])
    with writing(tmp_path / "rows.csv", ["p", "q"], ["kind"], dtype=np.float64) as writer:
        writer.write(numbers[:1], ["a, b"])
        writer.write(numbers[1:], [None])
    text = (tmp_path / "rows.csv").read_text().splitlines()
    assert text[0] == "kind,p,q" and text[1].startswith('"a, b",0.1,') and text[2].startswith(",1e-300,")
    assert [[float(cell) for cell in line.rsplit(",", 2)[1:]] for line in text[1:]] == numbers.tolist()


CELLS = ["=HYPERLINK(0)", "+1+1", "-5", "@SUM(A1)", "-a", "\t=1", "a=1", "\uff1d1"]


def test_no_cell_of_a_csv_file_computes_and_numbers_stay_what_they_are(tmp_path):
    numbers = np.array([[-1.5]] * len(CELLS), dtype=np.float32)
    for suffix in (".csv", ".parquet"):
        with writing(tmp_path / f"t{suffix}", ["-z"], {"=name": object, "n": np.int64}) as writer:
            writer.write(numbers, np.array(CELLS, dtype=object), -np.arange(len(CELLS)))
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["'=name", "n", "'-z"]
    safe = ["'=HYPERLINK(0)", "'+1+1", "-5", "'@SUM(A1)", "'-a", "'\t=1", "a=1", "'\uff1d1"]
    assert rows == [[text, str(-row), "-1.5"] for row, text in enumerate(safe)]
    assert pd.read_parquet(tmp_path / "t.parquet")["=name"].tolist() == CELLS, "parquet holds what was given"
