"""A file format is one entry of READERS."""

import numpy as np
import pandas as pd
import pytest

from isotropy.data import TablePreprocess, read
from isotropy.data.readers import READERS, Reader
from isotropy.data.stream import stream
from isotropy.errors import UserError


@pytest.fixture
def feather(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, ".feather", Reader(lambda path, na: pd.read_feather(path)))
    path = tmp_path / "x.feather"
    pd.DataFrame({"a": np.arange(9.0), "b": list("xyzxyzxy?"), "y": [0, 1, 1] * 3}).to_feather(path)
    return path


def test_a_format_of_ones_own_is_read_and_streamed(feather, monkeypatch):
    data = read(feather, label="y", na=["?"])
    assert list(data.values.columns) == ["a", "b"] and data.labels.tolist() == [0, 1, 1] * 3
    assert data.values["b"].isna().sum() == 1
    learnt = TablePreprocess.learn(data.values)
    monkeypatch.setattr("isotropy.data.readers.PIECE_ROWS", 4)
    pieces = [learnt.transform(piece).numpy() for piece in stream(feather, learnt, na=["?"]).pieces]
    assert [len(piece) for piece in pieces] == [4, 4, 1]
    assert np.array_equal(np.concatenate(pieces), learnt.transform(data.values).numpy())


def test_a_format_that_nobody_reads_is_named_with_those_that_are(tmp_path):
    (tmp_path / "x.feather").touch()
    with pytest.raises(UserError, match=r"x.feather cannot be read: .npy, .npz, .csv, .parquet, .*.mat files"):
        read(tmp_path / "x.feather")
