"""Pieces of a file are the rows of the file, whatever a piece alone looks like."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from isotropy.data import ImagePreprocess, SeriesPreprocess, TablePreprocess, read, stream, table_files
from isotropy.errors import UserError

# Every column has a piece of three rows that looks like another kind: numbers among names, gaps, bare integers.
ODD = pd.DataFrame(
    {
        "code": ["1", "2", "3", "x", "y", "x", "01", "1.0", "2"],
        "flag": ["True", "False", "True", "True", "False", "maybe", None, None, None],
        "size": [1.5, 2.5, np.nan, np.nan, np.nan, np.nan, 3.0, 4.0, 5.0],
        "count": [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "day": [None, None, None, "2024-01-02", "2024-01-03", None, "2024-02-01", "2024-02-02", "2024-02-03"],
        "sure": [True, False, None, None, None, None, True, True, False],
    }
)


def stored(path, learnt, **options):
    """Return the pieces' stored rows in one array, and how many pieces there were."""
    pieces = [learnt.transform(piece) for piece in stream.stream(path, learnt, **options).pieces]
    return np.concatenate([piece.numpy() for piece in pieces]), len(pieces)


def write(frame, path):
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_pieces_of_odd_columns_are_the_rows_of_the_whole(suffix, size, tmp_path, monkeypatch):
    path = tmp_path / f"odd{suffix}"
    write(ODD, path)
    whole = read(path).values
    learnt = TablePreprocess.learn(whole)
    monkeypatch.setattr(table_files, "PIECE_ROWS", size)
    rows, pieces = stored(path, learnt)
    assert pieces == -(-len(ODD) // size)
    assert np.array_equal(rows, learnt.transform(whole).numpy())


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_texts_that_mean_missing_are_missing_in_every_piece(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"gaps{suffix}"
    frame = pd.DataFrame({"age": ["1", "2", "?", "4"], "job": ["a", "?", "b", "a"], "pay": [1.0, 2.0, 3.0, 5.0]})
    write(frame, path)
    whole = read(path, na=["?"]).values
    learnt = TablePreprocess.learn(whole)
    monkeypatch.setattr(table_files, "PIECE_ROWS", 2)
    rows, pieces = stored(path, learnt, na=["?"])
    assert pieces == 2
    assert np.array_equal(rows, learnt.transform(whole).numpy())


def test_other_columns_and_a_written_index_do_no_harm(tmp_path):
    learnt = TablePreprocess.learn(ODD)
    more = ODD.assign(label=1)[["label", *reversed(ODD.columns)]]
    more.to_csv(tmp_path / "more.csv")
    rows, _ = stored(tmp_path / "more.csv", learnt)
    assert np.array_equal(rows, learnt.transform(read(tmp_path / "more.csv").values).numpy())


def test_arrays_come_in_pieces_of_bounded_size(tmp_path, monkeypatch):
    series = np.random.default_rng(0).normal(size=(10, 2, 8)).astype(np.float32)
    learnt = SeriesPreprocess.learn(series)
    np.save(tmp_path / "x.npy", series)
    np.savez(tmp_path / "x.npz", X=series)
    monkeypatch.setattr("isotropy.batch.PART_BYTES", 3 * series[:1].nbytes)
    for name in ("x.npy", "x.npz"):
        rows, pieces = stored(tmp_path / name, learnt)
        assert pieces == 4
        assert np.array_equal(rows, learnt.transform(series).numpy())
    images = np.arange(5 * 16 * 16, dtype=np.uint8).reshape(5, 16, 16)
    np.save(tmp_path / "i.npy", images)
    rows, _ = stored(tmp_path / "i.npy", ImagePreprocess.learn(read(images).values))
    assert np.array_equal(rows[:, 0], images)


def test_a_stream_says_how_many_rows_where_it_knows(tmp_path):
    learnt = TablePreprocess.learn(ODD)
    write(ODD, tmp_path / "odd.csv")
    write(ODD, tmp_path / "odd.parquet")
    assert stream.stream(tmp_path / "odd.csv", learnt).rows is None
    known = stream.stream(tmp_path / "odd.parquet", learnt)
    assert (known.rows, known.description) == (9, "odd.parquet: a table, 9 rows")


def test_data_of_another_kind_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 8), dtype=np.float32))
    with pytest.raises(UserError, match=r"x.npy: an array \(4, 2, 8\); the run was trained on a table with columns"):
        stream.stream(tmp_path / "x.npy", TablePreprocess.learn(ODD))
    images = ImagePreprocess.learn(np.arange(512, dtype=np.uint8).reshape(2, 1, 16, 16))
    write(ODD, tmp_path / "odd.csv")
    with pytest.raises(UserError, match="odd.csv: a table; the run was trained on grey images of 16x16"):
        stream.stream(tmp_path / "odd.csv", images)


@pytest.mark.skipif(pd.__version__ < "3.1", reason="pandas drops what the first row of a piece has too much")
def test_a_piece_that_is_damaged_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "PIECE_ROWS", 2)
    (tmp_path / "torn.csv").write_text("a,b\n1,2\n3,4\n5,6,7,8\n")
    learnt = TablePreprocess.learn(pd.DataFrame({"a": [1, 2], "b": [3, 5]}))
    with pytest.raises(UserError, match=r"torn\.csv is damaged"):
        list(stream.stream(tmp_path / "torn.csv", learnt).pieces)


def test_large_images_with_channels_last_are_never_copied_whole(tmp_path, monkeypatch):
    values = np.random.default_rng(0).random((4000, 32, 32, 3), dtype=np.float32)
    values[7] = np.rint(values[7])
    np.save(tmp_path / "x.npy", values)
    learnt = ImagePreprocess.learn(read(values).values)
    whole = learnt.transform(read(values).values).numpy()
    monkeypatch.setattr("isotropy.batch.PART_BYTES", 100 * values[:1].nbytes)
    tracemalloc.start()
    for place, piece in enumerate(stream.stream(tmp_path / "x.npy", learnt).pieces):
        assert np.array_equal(learnt.transform(piece), whole[place * 100 : place * 100 + 100])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 8


def test_files_of_recordings_are_read_one_by_one_and_cut_as_together(tmp_path):
    for number, who in enumerate("aab"):
        (tmp_path / who).mkdir(exist_ok=True)
        values = np.random.default_rng(number).normal(size=(20 + 5 * number, 2)).cumsum(axis=0)
        frame = pd.DataFrame(values, columns=["x", "y"]).assign(who=who)
        frame.to_csv(tmp_path / who / f"{number}.csv", index=False)
    whole = read(tmp_path, window=5, group="folder", drop="who")
    learnt = SeriesPreprocess.learn(whole.values).of_recordings(whole.windows.format)
    flow = stream.stream(str(tmp_path), learnt, group="folder")
    assert flow.rows is None and flow.description == f"3 files of {tmp_path.name}, read one by one"
    parts = list(flow.parts)
    assert len(parts) == 3 and np.array_equal(np.concatenate([values for values, _ in parts]), whole.values)
    for name, column in whole.windows.columns().items():
        assert np.concatenate([windows.columns()[name] for _, windows in parts]).tolist() == column.tolist(), name
    # The folder's only group is no error: nothing is divided.
    one = stream.stream(str(tmp_path / "b" / "2.csv"), learnt, group="who")
    assert one.rows == 6 and [windows.groups.tolist() for _, windows in one.parts] == [["b"] * 6]
    with pytest.raises(UserError, match="2.csv has no channel 'y'"):
        (tmp_path / "b" / "2.csv").write_text("x\n1\n2\n3\n4\n5\n6\n")
        list(stream.stream(str(tmp_path), learnt).pieces)
