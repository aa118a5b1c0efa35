"""Shards of WebDataset and data sets that `save_to_disk` wrote: the same rows as in other containers, part by part."""

import io
import json
import tarfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from isotropy.data import (
    PREPROCESS,
    ArrayDataset,
    ImagePreprocess,
    SeriesPreprocess,
    TablePreprocess,
    arrow_files,
    read,
    tar_file,
)
from isotropy.data.blocks import dataset, formats
from isotropy.data.blocks.blocks import TrainingRows
from isotropy.data.blocks.dataset import BlockDataset
from isotropy.data.blocks.held_out import held_out
from isotropy.data.stream import stream
from isotropy.errors import UserError

ROWS = 60


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write_tar(path, rows, format=tarfile.GNU_FORMAT):
    """Write rows, dictionaries of bytes by ending, called a folder's long name and their number."""
    with tarfile.open(path, "w", format=format) as archive:
        for number, row in enumerate(rows):
            for ending, data in row.items():
                member = tarfile.TarInfo(f"{'long/' * 30}{path.stem}-{number:03}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Return images, windows and classes, and a folder with them in tar files."""
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (ROWS, 40, 36, 3), dtype=np.uint8)
    windows, kinds = random.normal(size=(ROWS, 2, 16)).astype(np.float32), random.integers(2, size=ROWS)
    for part in range(3):
        places = range(20 * part, 20 * part + 20)
        beside = [{"cls": b"%d" % kinds[one], "json": json.dumps({"id": one, "of": {}}).encode()} for one in places]
        pictures = [{"png": png(images[one]), **more} for one, more in zip(places, beside)]
        write_tar(folder / f"images{part}.tar", pictures, [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT][part % 2])
        write_tar(folder / f"windows{part}.tar", [{"npy": npy(windows[o]), **m} for o, m in zip(places, beside)])
    return images, windows, kinds, folder


@pytest.fixture
def small(monkeypatch):
    """Make parts and windows small."""
    monkeypatch.setattr(formats, "BYTES", 20_000)
    monkeypatch.setattr(dataset, "WINDOW_BYTES", 25_000)
    monkeypatch.setattr(dataset, "_LEAST_BYTES", 10)


def test_the_parts_of_a_tar_file_are_its_rows_whatever_their_size(shards):
    *_, folder = shards
    for name in ("images0.tar", "images1.tar"):  # long names take headers of their own, of either format
        whole = tar_file.read(folder / name, names=["png", "cls", "json.id", "__key__"])
        assert len(whole) == 20 and whole["json.id"].tolist() == list(range(20 * int(name[6]), 20 * int(name[6]) + 20))
        assert whole["__key__"][3].endswith(f"{name[:7]}-003") and whole["__key__"][3].startswith("long/long/")
        assert tar_file.read(folder / name).columns.tolist() == ["png", "cls", "json.id"]
        for size in (1, 9_000, 10**9):
            parts = tar_file.parts(folder / name, size)
            assert sum(part.rows for part in parts) == 20 and len(parts) == {1: 20, 10**9: 1}.get(size, len(parts))
            read_ = [tar_file.read(folder / name, one.begin, one.end, list(whole.columns)) for one in parts]
            assert [len(one) for one in read_] == [one.rows for one in parts]
            pd.testing.assert_frame_equal(pd.concat(read_, ignore_index=True), whole)


def test_members_of_all_kinds_are_values_and_what_is_missing_is_missing(tmp_path):
    rows = [
        {"cls": b"7\n", "txt": "süß".encode(), "json": b'{"a": 1, "b": [1, 2]}', "left.npy": npy(np.ones(2))},
        {"cls": b"n01", "json": b'{"a": 2.5, "c": "x"}', "LEFT.npy": npy(np.zeros(2)), "mp4": b"?"},
        {"json": b"[3, 4]", "__meta": b""},
    ]  # fmt: skip
    write_tar(tmp_path / "all.tar", rows)
    with tarfile.open(tmp_path / "all.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo("__index__.json"))
    found = tar_file.read(tmp_path / "all.tar")
    assert set(found.columns) == {"cls", "txt", "json.a", "json.b", "json.c", "json", "left.npy"}
    assert found["cls"].tolist()[:2] == [7, "n01"] and found["json.a"].tolist()[:2] == [1, 2.5]
    assert found["txt"][0] == "süß" and pd.isna(found["txt"][1]) and pd.isna(found["cls"][2])
    assert found["json.b"][0] == [1, 2] and found["json"][2] == [3, 4]
    assert [None if one is None else one.tolist() for one in found["left.npy"]] == [[1, 1], [0, 0], None]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"cls": b"1", "CLS": b"2"}], "has two members 'cls'"),
        ([{"npy": b"no array"}], "-000.npy is damaged or not read"),
        ([{"json": b"{"}], "-000.json is damaged or not read"),
        ([{"json": rb'{"a": "x\ud800"}'}], "-000.json is damaged or not read: 'utf-8' codec can't encode"),
        ([{"npy": npy(np.array([{}], dtype=object))}], "damaged or not read: Object arrays cannot be loaded"),
    ],
)
def test_what_is_wrong_with_a_member_is_named(rows, said, tmp_path):
    write_tar(tmp_path / "bad.tar", rows)
    with pytest.raises(UserError, match=said):
        read(tmp_path / "bad.tar")


def test_what_is_no_member_of_a_row_makes_none(tmp_path):
    write_tar(tmp_path / "one.tar", [{"cls": b"1"}, {"cls": b"2"}])
    with tarfile.open(tmp_path / "one.tar", "a") as archive:
        for name in ("long/._one-000.cls", "README", ".DS_Store", "long/__index__.json"):
            archive.addfile(tarfile.TarInfo(name))
    for whole in (True, False):
        data = read(tmp_path / "one.tar", stream=not whole)
        assert len(data) == 2 and (data.values if whole else data.stream.values(0))["cls"].tolist() == [1, 2]


@pytest.mark.parametrize("stream", [True, False])
def test_members_of_a_row_that_are_apart_are_named(stream, tmp_path):
    def write(members):
        with tarfile.open(tmp_path / "apart.tar", "w") as archive:
            for name in members:
                member = tarfile.TarInfo(name)
                member.size = 1
                archive.addfile(member, io.BytesIO(b"1"))

    write(["a.cls", "b.cls", "c.cls", "a.count", "b.count", "c.count"])
    with pytest.raises(UserError, match=r"apart\.tar: members of the row 'a' are apart: .*--sort=name"):
        read(tmp_path / "apart.tar", stream=stream)
    write(["a.cls", "a.count", "b.cls", "b.count", "a.cls", "a.count"])
    data = read(tmp_path / "apart.tar", stream=stream)
    assert len(data.stream if stream else data) == 3, "files that were put together have names twice"


@pytest.mark.parametrize("cut", ["end", "header", "zip"])
def test_a_damaged_tar_file_is_an_error_and_never_fewer_rows(cut, tmp_path):
    path = tmp_path / "cut.tar"
    write_tar(path, [{"txt": b"x" * 600} for _ in range(9)])
    data = bytearray(path.read_bytes())
    if cut == "end":
        data = data[: data.rindex(b"x") - 100]
    elif cut == "header":
        with tarfile.open(path) as archive:
            place = archive.getmembers()[4].offset + 148  # the sum of the header's bytes
        data[place : place + 8] = b"0" * 8
    else:
        data = bytearray(b"PK\x03\x04" + bytes(data))
    path.write_bytes(data)
    for act in (lambda: read(path), lambda: read(path, stream=True)):
        with pytest.raises(UserError, match="cut.tar is damaged or no .tar file"):
            act()


def test_shards_of_images_are_the_images_of_an_array(shards, small):
    images, _, kinds, folder = shards
    data = read(str(folder / "images*.tar"), label="cls", size=36, stream=None)
    assert data.stream is not None, "several shards are one data set without being told so"
    assert data.modality == "image" and data.labels.tolist() == kinds.tolist()
    # 40 rows are cut to the middle 36.
    expected = images[:, 2:38].transpose(0, 3, 1, 2)
    assert np.array_equal(data.values, expected)
    assert len(data.stream.blocks) > 6
    assert np.array_equal(np.concatenate([data.stream.values(n) for n in range(len(data.stream.blocks))]), expected)
    one = read(folder / "images1.tar", label="cls", size=36)
    assert one.stream is None and np.array_equal(one.values, expected[20:40])
    flow = stream(str(folder / "images*.tar"), ImagePreprocess.learn(expected).with_form(data.form), keep=["__key__"])
    assert np.array_equal(np.concatenate(list(flow.pieces)), expected)
    assert flow.kept["__key__"][18:22][[1, 2]].tolist() == [f"{'long/' * 30}images{n}" for n in ("0-019", "1-000")]


def test_shards_of_arrays_are_the_rows_of_one_array_in_the_same_order(shards, small, tmp_path):
    _, windows, kinds, folder = shards
    np.save(tmp_path / "x.npy", windows)
    data = read(str(folder / "windows*.tar"), label="cls", stream=True)
    assert data.modality == "series" and data.labels.tolist() == kinds.tolist()
    assert np.array_equal(data.values, windows)
    series = SeriesPreprocess.learn(windows)
    rows = TrainingRows(data.stream, held_out(data, np.array([3, 50])))
    drawn = BlockDataset(rows, series, ArrayDataset(series.transform(windows), series))
    kept = series.transform(np.delete(windows, [3, 50], axis=0))
    order = drawn.order(0, 1)[0 : len(kept)]
    assert torch.equal(drawn.batch(order), kept[order])
    one = read(folder / "windows2.tar", label="cls")
    assert np.array_equal(one.values, windows[40:]) and one.labels.tolist() == kinds[40:].tolist()
    flow = stream(folder / "windows2.tar", series)
    assert flow.description == "windows2.tar: 20 rows in 5 blocks"
    assert np.array_equal(np.concatenate(list(flow.pieces)), windows[40:])
    with pytest.raises(UserError, match=r"has no 'clz' \(did you mean 'cls'\?\)"):
        read(str(folder / "windows*.tar"), label="clz", stream=True)


def saved(folder, table, shards, rows=7, stream=True):
    """Write a table as `save_to_disk` of datasets 5.2 does: files of Arrow in the form of streams, and a record."""
    folder.mkdir()
    names = [f"data-{number:05}-of-{shards:05}.arrow" for number in range(shards)]
    for name, places in zip(names, np.array_split(np.arange(len(table)), shards)):
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with pa.OSFile(str(folder / name), "wb") as file, new(file, table.schema) as writer:
            writer.write_table(table.slice(places[0], len(places)), max_chunksize=rows)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def of_classes(columns):
    """Return a table whose column y is a `ClassLabel` of the Hugging Face library."""
    features = {"y": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(metadata)


@pytest.mark.parametrize("form", ["streams", "files"])
def test_a_saved_data_set_is_one_table_whole_and_part_by_part(form, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    a, y = random.normal(size=ROWS), random.integers(2, size=ROWS)
    table = of_classes({"a": a, "t": random.choice(["u", "v"], ROWS), "y": y})
    folder = saved(tmp_path / "set", table, 3, stream=form == "streams")
    whole = read(folder, label="y")
    assert whole.stream is None and whole.values["a"].tolist() == a.tolist()
    assert whole.labels.tolist() == np.array(["no", "yes"])[y].tolist()
    monkeypatch.setattr(formats, "BYTES", 100)
    data = read(folder, label="y", stream=True)
    blocks = data.stream
    assert len(blocks.blocks) > 6
    parts = pd.concat([blocks.values(number) for number in range(len(blocks.blocks))], ignore_index=True)
    pd.testing.assert_frame_equal(parts, whole.values)
    assert data.labels.tolist() == whole.labels.tolist()
    assert [len(blocks.beside(number, "y")) for number in range(len(blocks.blocks))] == [b.rows for b in blocks.blocks]
    for size in (1, 100, 10**9):
        path = folder / "data-00001-of-00003.arrow"
        found = arrow_files.parts(path, size)
        tables = [arrow_files.read_part(path, one, ["a"]) for one in found]
        assert [len(one) for one in tables] == [one.rows for one in found]
        assert pa.concat_tables(tables)["a"].to_pylist() == a[20:40].tolist()
    learnt = TablePreprocess.learn(whole.values)
    flow = stream(folder, learnt, keep=["y"])
    assert torch.equal(torch.cat([learnt.transform(one) for one in flow.pieces]), learnt.transform(whole.values))
    assert flow.kept["y"][5:45].tolist() == whole.labels[5:45].tolist()


def test_images_of_a_saved_data_set_and_of_parquet_are_decoded_part_by_part(shards, tmp_path, small):
    images, _, kinds, _ = shards
    cells = [{"bytes": png(image), "path": None} for image in images]
    table = of_classes({"image": cells, "y": kinds})
    folder = saved(tmp_path / "set", table, 2)
    table.to_pandas().to_parquet(tmp_path / "set.parquet", row_group_size=9)
    expected = images[:, 2:38].transpose(0, 3, 1, 2)
    for path in (folder, tmp_path / "set.parquet"):
        data = read(path, label="y", size=36, stream=True)
        assert data.modality == "image" and np.array_equal(data.values, expected)
        assert len(data.stream.blocks) > 3
        parts = [data.stream.values(number) for number in range(len(data.stream.blocks))]
        assert np.array_equal(np.concatenate(parts), expected)


def test_an_image_that_cannot_be_read_is_named_by_its_row_and_file(shards, tmp_path, monkeypatch):
    images, *_ = shards
    monkeypatch.setattr("isotropy.data.blocks.blocks.SAMPLE_ROWS", 5)
    monkeypatch.setattr("isotropy.data.blocks.blocks._LEAST_ROWS", 1)
    cells = [png(image) for image in images]
    data = pd.DataFrame({"image": cells})
    whole = data.to_parquet(tmp_path / "set.parquet", row_group_size=9)
    row = next(row for row in range(9, 18) if row not in read(tmp_path / "set.parquet", stream=True).sampled)
    cells[row] = cells[row][:60]
    data = pd.DataFrame({"image": cells})
    data.to_parquet(tmp_path / "set.parquet", row_group_size=9)
    found = read(tmp_path / "set.parquet", stream=True)
    with pytest.raises(UserError, match=f"set.parquet, image: the image row {row} cannot be read"):
        found.stream.values(1)
    assert whole is None


def test_several_saved_data_sets_and_damaged_records_are_named(tmp_path):
    (tmp_path / "both").mkdir()
    (tmp_path / "both/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UserError, match="both holds train, test: name one of them, as .*both/train"):
        read(tmp_path / "both")
    folder = saved(tmp_path / "set", pa.table({"a": [1.0, 2.0]}), 1)
    for record in ("{", "[]", '{"_data_files": [{"filename": "../none.arrow"}]}'):
        (folder / "state.json").write_text(record)
        for streams in (False, True):
            with pytest.raises(UserError, match="set|none.arrow"):
                read(folder, stream=streams)


@pytest.mark.parametrize("streams", [True, False])
def test_a_saved_data_set_without_rows_says_so(streams, tmp_path):
    (tmp_path / "state.json").write_text('{"_data_files": []}')
    with pytest.raises(UserError, match=f"{tmp_path.name} has no rows"):
        read(tmp_path, stream=streams)


def test_a_field_that_no_row_has_is_named(tmp_path):
    rows = [
        {"npy": npy(np.arange(4.0) + n), "json": json.dumps({"kind": "ab"[n % 2], "none": None}).encode()}
        for n in range(8)
    ]
    write_tar(tmp_path / "some.tar", rows)
    said = r"some.tar has no 'json.kin' .did you mean 'json.kind'"
    with pytest.raises(UserError, match=said):
        read(tmp_path / "some.tar", label="json.kin", stream=True)
    data = read(tmp_path / "some.tar", label="json.kind", stream=True)
    made = PREPROCESS[data.modality].learn(data.values)
    with pytest.raises(UserError, match=said):
        _ = stream(tmp_path / "some.tar", made, keep=["json.kin"]).kept["json.kin"].dtype
    assert stream(tmp_path / "some.tar", made, keep=["json.none"]).kept["json.none"][:8].tolist() == [None] * 8
