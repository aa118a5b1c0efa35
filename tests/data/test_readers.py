"""A file format is one entry of READERS."""

import io
from zipfile import ZipFile

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


def header(shape, dtype="<f4"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue()


@pytest.mark.parametrize("content", [
    header((1 << 62, 8)) + b"0" * 64,
    header((1 << 40, 1 << 40)) + b"0" * 64,
    header((10_000, 8)) + b"0" * 64,
    header((-3, 4)) + b"0" * 64,
    header(("a", 4)) + b"0" * 64,
    header((2, 4), "<f99") + b"0" * 64,
    header((2, 4)).replace(b"shape", b"shave") + b"0" * 64,
    header((2, 4)).replace(b"{", b"(") + b"0" * 64,
    header((2, 4))[:30],
    b"\x93NUMPY\x09\x00" + b"0" * 64,
    b"\x93NUMPY",
    b"\x93NUM",
])  # fmt: skip
def test_a_header_of_absurd_or_wrong_shape_gets_one_line(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", content)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UserError, match=f"{name} is damaged or no .np[yz] file") as said:
            read(tmp_path / name)
        assert "\n" not in str(said.value)


def test_arrays_of_every_header_version_are_read(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(tmp_path / "x.npy", "wb") as file:
            np.lib.format.write_array(file, values, version=version)
        with ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.write(tmp_path / "x.npy", "X.npy")
        for name in ("x.npy", "x.npz"):
            assert np.array_equal(read(tmp_path / name).values, values)
