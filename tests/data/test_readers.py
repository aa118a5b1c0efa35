"""A file format is one entry of READERS."""

import io
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isotropy.data import TablePreprocess, read, table_files
from isotropy.data.readers import READERS, Reader
from isotropy.data.stream import stream
from isotropy.errors import UserError
from isotropy.io.tables import read_vectors


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setitem(READERS, ".rows", Reader(lambda path, na: pd.read_json(path)))
    path = tmp_path / "x.rows"
    pd.DataFrame({"a": np.arange(9.0), "b": list("xyzxyzxy?"), "y": [0, 1, 1] * 3}).to_json(path)
    return path


def test_a_format_of_ones_own_is_read_and_streamed(own, monkeypatch):
    data = read(own, label="y", na=["?"])
    assert list(data.values.columns) == ["a", "b"] and data.labels.tolist() == [0, 1, 1] * 3
    assert data.values["b"].isna().sum() == 1
    learnt = TablePreprocess.learn(data.values)
    monkeypatch.setattr("isotropy.data.table_files.PIECE_ROWS", 4)
    pieces = [learnt.transform(piece).numpy() for piece in stream(own, learnt, na=["?"]).pieces]
    assert [len(piece) for piece in pieces] == [4, 4, 1]
    assert np.array_equal(np.concatenate(pieces), learnt.transform(data.values).numpy())


def test_a_format_that_nobody_reads_is_named_with_those_that_are(tmp_path):
    (tmp_path / "x.rows").touch()
    with pytest.raises(UserError, match=r"x.rows cannot be read: .npy, .npz, .csv, .parquet, .*.mat files"):
        read(tmp_path / "x.rows")


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


FRAME = pd.DataFrame({"a": np.arange(12.0), "b": list("xyzxyzxyzxy?"), "g": ["u", "v", "v"] * 4, "y": [0, 1, 1] * 4})


def write(folder, name):
    path = folder / name
    table = pa.Table.from_pandas(FRAME)
    if name.endswith(".feather"):
        FRAME.to_feather(path)
    elif name.endswith(".arrow"):  # as the Hugging Face library writes it
        with pa.ipc.new_stream(str(path), table.schema) as out:
            out.write_table(table)
    elif name.startswith("parts"):
        pq.write_to_dataset(table, path, partition_cols=["g"])
    else:
        FRAME.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return path


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv.bz2", "t.csv.xz", "t.feather", "t.arrow", "parts"])
def test_a_table_is_the_same_in_every_file(name, tmp_path, monkeypatch):
    path = write(tmp_path, name)
    data = read(path, label="y", na=["?"])
    order = np.argsort(data.values["a"].to_numpy())  # rows of partitions stand together
    rows = data.values.iloc[order].reset_index(drop=True)
    right = read(FRAME, label="y", na=["?"]).values[rows.columns]
    # What is missing in a text is None or NaN, by the versions of pandas and pyarrow.
    pd.testing.assert_frame_equal(*(x.astype(object).where(x.notna(), None) for x in (rows, right)))
    assert data.labels[order].tolist() == FRAME["y"].tolist()
    learnt = TablePreprocess.learn(data.values)
    monkeypatch.setattr("isotropy.data.table_files.PIECE_ROWS", 5)
    flow = stream(path, learnt, na=["?"], keep=["y"])
    pieces = [learnt.transform(piece).numpy() for piece in flow.pieces]
    assert max(map(len, pieces)) <= 5
    assert np.array_equal(np.concatenate(pieces), learnt.transform(data.values).numpy())
    assert np.array_equal(flow.kept["y"], data.labels)
    with pytest.raises(UserError, match="no column 'z'|no 'z' to keep"):
        stream(path, learnt, keep=["z"])


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.bz2", "t.csv.xz", "t.feather", "t.arrow"])
def test_damaged_packed_and_arrow_files_get_one_line(name, tmp_path):
    path = write(tmp_path, name)
    whole = path.read_bytes()
    for content in (b"", b"no such file", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{name} is (damaged|empty)") as said:
            read(path)
        assert "\n" not in str(said.value)


def test_partitions_of_several_forms(tmp_path):
    path = write(tmp_path, "parts")
    pd.DataFrame({"a": [20.0], "c": [1.5]}).to_parquet(path / "g=u" / "more.parquet")
    (path / "_SUCCESS").touch()
    values = read(path).values
    assert len(values) == 13 and values["c"].notna().sum() == 1, "a column that other parts lack is missing in them"
    pd.DataFrame({"a": ["text"]}).to_parquet(path / "g=v" / "other.parquet")
    with pytest.raises(UserError, match="parts is damaged or no folder of one table: .*a"):
        read(path)
    (path / "g=v" / "other.parquet").rename(path / "g=v" / "other.feather")
    with pytest.raises(UserError, match=r"its partitions hold .feather and .parquet files"):
        read(path)


@pytest.mark.parametrize("header", ["{'descr': '<f4', 'shape': (3, 2", "{'descr': '<f4'", "((((((", "3", "'\\", "\x00"])
def test_a_header_of_an_array_that_does_not_end_is_one_line(header, tmp_path):
    data = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header.encode() + bytes(64)
    (tmp_path / "x.npy").write_bytes(data)
    with ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("X.npy", data)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UserError, match=f"{name} is damaged") as said:
            read(tmp_path / name)
        assert "\n" not in str(said.value)


def test_sound_that_does_not_say_its_rate_is_one_line(tmp_path):
    (tmp_path / "x.wav").write_bytes(
        b"RIFF" + (60).to_bytes(4, "little") + b"WAVEfact" + (4).to_bytes(4, "little") + bytes(48)
    )
    with pytest.raises(UserError, match="x.wav is damaged") as said:
        read(tmp_path / "x.wav", window=4)
    assert "\n" not in str(said.value)


def test_parquet_in_pieces_takes_the_memory_of_a_piece(tmp_path, monkeypatch):
    """With its buffer pyarrow 26 keeps the whole file (findings/pyarrow_iter_batches_keeps_file.sh)."""
    path, rng = tmp_path / "rows.parquet", np.random.default_rng(0)
    with pq.ParquetWriter(path, pa.schema([("z0", pa.float32())])) as out:
        for _ in range(40):
            out.write_table(pa.table({"z0": rng.normal(size=50_000).astype(np.float32)}))
    monkeypatch.setattr(table_files, "PIECE_ROWS", 50_000)
    real, pool, held = pq.ParquetFile.iter_batches, pa.default_memory_pool(), []

    def watched(file, *arguments, **named):
        for batch in real(file, *arguments, **named):
            held.append(pool.bytes_allocated())
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)

    def in_pieces():
        return sum(len(piece) for piece in READERS[".parquet"].pieces(path, (), ())[1])

    for count in (in_pieces, lambda: len(read_vectors(path))):
        held.clear()
        before = pool.bytes_allocated()
        assert count() == 2_000_000
        assert max(held) - before < path.stat().st_size / 3
