"""Rows that stay in their files: blocks hold what the files hold, and an order asks for few of them at a time."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyarrow import feather

from isotropy import rng
from isotropy.data import (
    ArrayDataset,
    ArrayPreprocess,
    ImagePreprocess,
    SeriesPreprocess,
    TablePreprocess,
    read,
    stream,
)
from isotropy.data.blocks import blocks, dataset, formats, memory, streamed
from isotropy.data.blocks.blocks import TrainingRows, sampled_rows
from isotropy.data.blocks.column import BlockColumn
from isotropy.data.blocks.dataset import BlockDataset, BlockOrder
from isotropy.data.blocks.held_out import held_out, numbered
from isotropy.data.kept import kept_columns
from isotropy.data.options import Options
from isotropy.errors import UserError

ROWS = 240
NONE = np.empty(0, dtype=np.int64)


def people(rows=ROWS, seed=0):
    """Return a table with numbers of a large offset, gaps, texts of several lines and truth values, and a label."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.normal(1e6, 3.0, rows),
            "pay": np.where(random.random(rows) < 0.2, np.nan, random.exponential(5.0, rows)),
            "job": random.choice(["cook", "smith, or\nfarrier", 'the "baker"'], rows),
            "ill": random.random(rows) < 0.3,
            "kind": np.where(np.arange(rows) % 2, "a", "b"),
        }
    )


def written(frame, folder, suffix, files=3):
    """Write a table as several files and return the pattern that finds them."""
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), files)):
        path, part = folder / f"part{number}{suffix}", frame.iloc[rows]
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path, row_group_size=17, index=False)
    return str(folder / f"*{suffix}")


@pytest.fixture
def small(monkeypatch):
    """Make blocks of text and arrays, windows, and the sample small."""
    monkeypatch.setattr(formats, "BYTES", 512)
    monkeypatch.setattr(dataset, "WINDOW_BYTES", 1200)
    monkeypatch.setattr(dataset, "_LEAST_BYTES", 200)
    monkeypatch.setattr(blocks, "SAMPLE_ROWS", 100)
    monkeypatch.setattr(blocks, "_LEAST_ROWS", 1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_blocks_of_a_table_are_its_rows(suffix, tmp_path, small):
    frame = people()
    data = read(written(frame, tmp_path, suffix), label="kind", stream=True)
    assert len(data.stream) == ROWS and len(data.stream.blocks) > 10 and len(data) == 100
    parts = [data.stream.values(number) for number in range(len(data.stream.blocks))]
    whole = pd.concat(parts, ignore_index=True)
    assert whole.columns.tolist() == ["age", "pay", "job", "ill"], "the label is no value"
    pd.testing.assert_frame_equal(whole, frame.drop(columns="kind"), check_dtype=False)
    assert data.labels.tolist() == frame["kind"][data.sampled].tolist()
    pd.testing.assert_frame_equal(
        data.values, frame.drop(columns="kind").iloc[data.sampled].reset_index(drop=True), check_dtype=False
    )
    assert data.stream.values(0, ["job"]).columns.tolist() == ["job"], "of the file only what is needed is read"


def test_a_table_is_read_the_same_from_text_whose_blocks_look_like_other_kinds(tmp_path, small):
    frame = pd.DataFrame({"code": ["1"] * 100 + ["x"] * 60 + ["01"] * 80, "size": np.arange(ROWS) / 7})
    whole = read(_one_csv(frame, tmp_path)).values
    learnt = TablePreprocess.learn(whole)
    data = read(tmp_path / "one.csv", stream=True)
    texts = learnt.text_columns
    parts = [learnt.transform(data.stream.values(one, texts=texts)) for one in range(len(data.stream.blocks))]
    assert len(parts) > 3
    assert torch.equal(torch.cat(parts), learnt.transform(whole))


def _one_csv(frame, folder):
    frame.to_csv(folder / "one.csv", index=False)
    return folder / "one.csv"


@pytest.mark.parametrize("ending", [{0}, set(range(30)), set(range(0, ROWS, 2))], ids=["first", "thirty", "even"])
def test_rows_of_which_only_some_end_in_a_comma_are_rows_of_the_whole_file_in_any_block(ending, tmp_path, small):
    lines = [f"{row},{'xy'[row % 2]},{row / 2}{',' * (row in ending)}" for row in range(ROWS)]
    for number, lines_of_file in enumerate((lines, [line.rstrip(",") for line in lines])):
        (tmp_path / f"{number}.csv").write_text("\n".join(["row,kind,half", *lines_of_file, ""]))
    data = read([tmp_path / "0.csv", tmp_path / "1.csv"], stream=True)
    assert len(data.stream.blocks) > 6
    assert data.values.columns.tolist() == ["row", "kind", "half"]
    for names in (["row", "kind", "half"], ["half"]):
        whole = read(tmp_path / "0.csv").values[names]
        rows = pd.concat([data.stream.values(one, names) for one in range(len(data.stream.blocks))], ignore_index=True)
        pd.testing.assert_frame_equal(rows, pd.concat([whole, whole], ignore_index=True))


def test_arrays_in_one_file_in_several_and_in_columns_of_lists_are_their_rows(tmp_path, small):
    windows = np.random.default_rng(0).normal(size=(ROWS, 2, 8)).astype(np.float32)
    kinds = np.arange(ROWS) % 3
    np.save(tmp_path / "one.npy", windows)
    for number in range(4):
        part = slice(60 * number, 60 * number + 60)
        np.savez(tmp_path / f"part{number}.npz", x=windows[part], kind=kinds[part])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(windows.reshape(-1)), 16)
    pq.write_table(pa.table({"x": lists, "kind": kinds}), tmp_path / "lists.parquet", row_group_size=50)
    one = read(tmp_path / "one.npy", stream=True)
    several = read([tmp_path / f"part{number}.npz" for number in range(4)], label="kind", stream=True)
    column = read(tmp_path / "lists.parquet", key="x", label="kind", modality="series", stream=True)
    for data in (one, several, column):
        values = np.concatenate([data.stream.values(number) for number in range(len(data.stream.blocks))])
        assert data.modality == "series" and np.array_equal(values.reshape(windows.shape), windows)
        assert np.array_equal(np.asarray(data.values).reshape(-1, 2, 8), windows[data.sampled])
    assert len(one.stream.blocks) == ROWS // 8 and len(several.stream.blocks) == 4 and len(column.stream.blocks) == 5
    assert several.labels.tolist() == column.labels.tolist() == kinds[several.sampled].tolist()


def test_slices_of_an_array_are_its_rows_in_either_order_of_its_numbers_and_no_map_is_made(
    tmp_path, small, monkeypatch
):
    rows = np.random.default_rng(0).normal(size=(ROWS, 2, 8))
    monkeypatch.setattr(np, "memmap", None)  # numpy's own, by which `load` maps
    np.save(tmp_path / "rows.npy", rows)
    data = read(tmp_path / "rows.npy", stream=True)
    values = np.concatenate([data.stream.values(number) for number in range(len(data.stream.blocks))])
    assert len(data.stream.blocks) > 10 and np.array_equal(values, rows)
    monkeypatch.undo()
    np.save(tmp_path / "columns.npy", np.asfortranarray(rows))
    data = read(tmp_path / "columns.npy", stream=True)
    values = np.concatenate([data.stream.values(number) for number in range(len(data.stream.blocks))])
    assert np.array_equal(values, rows)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY\x01\x00", "short", "objects", "flat"])
def test_an_array_that_is_damaged_or_none_is_named(content, tmp_path):
    path = tmp_path / "bad.npy"
    if content == "objects":
        np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    elif isinstance(content, str):
        np.save(path, np.zeros(9) if content == "flat" else np.zeros((9, 4)))
        path.write_bytes(path.read_bytes()[:-3] if content == "short" else path.read_bytes())
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="bad.npy"):
        read(path, stream=True)


def test_the_sample_has_one_row_of_every_stretch(monkeypatch):
    monkeypatch.setattr(blocks, "SAMPLE_ROWS", 50)
    monkeypatch.setattr(blocks, "_LEAST_ROWS", 1)
    rows = sampled_rows(1003, 8.0)
    stretches = np.arange(51) * 1003 // 50
    assert len(rows) == 50 and (stretches[:-1] <= rows).all() and (rows < stretches[1:]).all()
    assert len(set((rows % 20).tolist())) > 8, "its place there is random"
    assert len(sampled_rows(10**6, 2.0**24)) == 16, "and fewer of rows that are large"


@pytest.mark.parametrize("counts", [[7], [5, 3, 9, 1, 2, 8, 4, 4], [1] * 30, [2, 40, 2]])
@pytest.mark.parametrize("window", [1, 10, 1000])
def test_an_order_is_a_function_of_seed_and_pass_and_any_part_of_it_is_the_same(counts, window):
    counts = np.array(counts)
    whole = BlockOrder(counts, window, 3, 1)[0 : counts.sum()]
    assert sorted(whole.tolist()) == list(range(counts.sum()))
    for begin, end in ((0, 4), (3, 11), (counts.sum() - 2, counts.sum() + 9), (5, 5)):
        assert torch.equal(BlockOrder(counts, window, 3, 1)[begin:end], whole[begin:end])
    others = [BlockOrder(counts, window, *key)[0 : counts.sum()] for key in ((3, 2), (4, 1))]
    assert (
        len(counts) == 1 < window
        or window == 1 == len(set(counts))
        or not any(torch.equal(one, whole) for one in others)
    )


def test_one_window_has_the_order_of_rows_in_memory():
    assert torch.equal(BlockOrder(np.array([4, 6, 5]), 15, 7, 2)[0:15], rng.order(7, 2, 15))


def test_consecutive_rows_of_an_order_are_of_few_blocks_which_come_in_another_order_each_pass():
    counts = np.full(50, 20)
    seen = []
    for pass_ in range(3):
        order = BlockOrder(counts, 100, 0, pass_)[0:1000] // 20
        windows = [frozenset(order[begin : begin + 100].tolist()) for begin in range(0, 1000, 100)]
        assert all(len(one) == 5 for one in windows)
        seen.append(set(windows))
    assert not seen[0] & seen[1] and not seen[1] & seen[2]
    assert (order[:100].diff() == 0).float().mean() < 0.5, "rows of a window are mixed"


@pytest.mark.parametrize("split", [False, True])
def test_a_data_set_gives_the_rows_that_are_not_held_out_and_holds_two_windows(split, tmp_path, small):
    frame = people()
    frame["part"] = np.where(np.arange(ROWS) % 5 == 0, "test", "train")
    path = written(frame if split else frame.drop(columns="part"), tmp_path, ".parquet")
    data = read(path, label="kind", stream=True, **({"split": "part"} if split else {}))
    tests = np.flatnonzero(data.split == "test") if split else np.arange(0, len(data), 3)
    rows = TrainingRows(data.stream, held_out(data, tests))
    kept = np.flatnonzero(frame["part"] == "train") if split else np.setdiff1d(np.arange(ROWS), data.sampled[tests])
    table = TablePreprocess.learn(frame[["age", "pay", "job", "ill"]])
    sample = ArrayDataset(table.transform(data.values), table)
    drawn = BlockDataset(rows, table, sample)
    expected = table.transform(frame[["age", "pay", "job", "ill"]])[kept]
    assert len(drawn) == len(kept) == len(rows)
    order = drawn.order(0, 0)[0 : len(kept)]
    for index in (order[:50], torch.tensor([0, len(kept) - 1, 0]), order[50:]):
        assert torch.equal(drawn.batch(index), expected[index])
    width = drawn.row_bytes
    most = 2 * dataset.WINDOW_BYTES + max(drawn.counts) * width
    assert 0 < sum(len(one) for one in drawn._held.values()) * width <= most < len(kept) * width


def test_numbers_and_levels_of_a_streamed_table_are_those_of_all_rows(tmp_path, small):
    frame = people(5000)
    frame.loc[frame.index[::7], "job"] = "astronaut"
    frame.loc[7, "age"] = 5e6  # farther than any sampled row, perhaps
    whole = TablePreprocess.learn(frame.drop(columns="kind")).schema
    data = read(written(frame, tmp_path, ".parquet"), label="kind", stream=True)
    rows = TrainingRows(data.stream, numbered(data.stream, NONE))
    learnt = TablePreprocess.learn_blocks(data.values, np.arange(len(data)), rows).schema
    assert [one.name for one in learnt.columns] == ["age", "pay", "job", "ill"]
    for one, exact in zip(learnt.columns, whole.columns, strict=True):
        assert one.mean == pytest.approx(exact.mean, rel=1e-13)
        assert one.std == pytest.approx(exact.std, rel=1e-9)
        assert (one.missing, one.levels, one.kind) == (exact.missing, exact.levels, exact.kind)
        assert one.fill == pytest.approx(exact.fill, rel=1e-12)
        assert one.edges[:1] == pytest.approx(exact.edges[:1]) and one.edges[-1:] == pytest.approx(exact.edges[-1:])
    assert learnt.columns[0].tail and whole.columns[0].tail, "the far value is known"
    pay = frame["pay"].dropna().to_numpy()
    scaled = np.sort((pay - learnt.columns[1].mean) / learnt.columns[1].std)
    ranks = np.searchsorted(scaled, learnt.columns[1].edges) / len(scaled)
    assert np.abs(ranks - np.linspace(0, 1, len(ranks))).max() < 1.63 / np.sqrt(80), (
        "quantiles of about 80 sampled rows"
    )


def test_what_is_learnt_of_a_sample_that_has_all_rows_is_what_rows_in_memory_give(tmp_path):
    frame = people()
    data = read(written(frame, tmp_path, ".parquet"), label="kind", stream=True)
    rows = TrainingRows(data.stream, numbered(data.stream, NONE))
    streamed_ = TablePreprocess.learn_blocks(data.values, np.arange(ROWS), rows)
    assert streamed_.to_json() == TablePreprocess.learn(frame.drop(columns="kind")).to_json()


@pytest.mark.parametrize(
    ("kind", "shape", "type_"),
    [(SeriesPreprocess, (2, 8), "f4"), (ArrayPreprocess, (3, 2, 2, 2), "f8"), (ImagePreprocess, (3, 4, 4), "u1")],
)
def test_what_is_learnt_of_arrays_in_blocks_is_what_the_whole_array_gives(kind, shape, type_, tmp_path, small):
    array = (np.random.default_rng(0).normal(100, 30, size=(ROWS, *shape)).clip(0, 255)).astype(type_)
    np.save(tmp_path / "x.npy", array)
    data = read(tmp_path / "x.npy", modality=kind.modality, stream=True)
    tests = data.sampled[::2]
    rows = TrainingRows(data.stream, numbered(data.stream, tests))
    learnt = kind.learn_blocks(data.values, np.arange(0), rows).to_json()
    kept = np.setdiff1d(np.arange(ROWS), tests)
    whole = kind.learn(array, kept).to_json()
    for name in ("mean", "std"):
        assert learnt.pop(name) == pytest.approx(whole.pop(name), rel=1e-12)
    assert learnt == whole


def test_files_stream_where_they_take_more_than_a_quarter_of_the_free_memory(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((100, 2, 8)))
    size = (tmp_path / "x.npy").stat().st_size
    for free, streams in ((None, False), (4 * size, False), (4 * size - 4, True)):
        monkeypatch.setattr(streamed, "free_memory", lambda free=free: free)
        data = read(tmp_path / "x.npy", stream=None)
        assert (data.stream is not None) == streams
        assert ("streamed, 100 rows in 1 block (12.9 kB" in data.description) == streams
    assert "more than a quarter of the" in data.description
    assert read(tmp_path / "x.npy").stream is None, "only where it is asked for"


def test_the_free_memory_is_what_machine_group_and_limit_leave(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   50 kB\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/box\n")
    (tmp_path / "box").mkdir()
    for name, at in (("_MEMINFO", "meminfo"), ("_OWN", "self"), ("_GROUPS", "")):
        monkeypatch.setattr(memory, name, tmp_path / at)
    assert memory.free_memory() == 50 * 1024
    (tmp_path / "box/memory.max").write_text("max\n")
    assert memory.free_memory() == 50 * 1024
    (tmp_path / "box/memory.max").write_text("20000\n")
    (tmp_path / "box/memory.stat").write_text("anon 5000\nfile 9000\n")
    assert memory.free_memory() == 15000, "what is kept of files is no loss"
    (tmp_path / "self/cgroup").write_text("9:cpu:/box\n4:memory:/old/box\n0::/\n")
    (tmp_path / "memory/old/box").mkdir(parents=True)
    (tmp_path / "memory/old/box/memory.limit_in_bytes").write_text("30000\n")
    (tmp_path / "memory/old/box/memory.stat").write_text("cache 9000\ntotal_rss 10000\n")
    assert memory.free_memory() == 20000
    resource = pytest.importorskip("resource")
    (tmp_path / "self/statm").write_text("7 5 3 2 0 4 0\n")
    limits = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_DATA: 9 * resource.getpagesize()}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], limits[kind]))
    (tmp_path / "memory/old/box/memory.limit_in_bytes").write_text("30000000\n")
    assert memory.free_memory() == 5 * resource.getpagesize()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": np.zeros(ROWS)}, "group names a column"),
        ({"group": "jbo"}, "there is no column 'jbo'"),
        ({"group": "job", "time": "age"}, "group and time both say"),
        ({"label": "job", "group": "job"}, "'job' cannot be both the label and the group"),
        ({"time": "kind"}, "time 'kind' cannot be sorted"),
        ({"window": 5}, "recordings are not streamed"),
        ({"label": np.zeros(ROWS)}, "label names a column"),
        ({"label": "knid"}, "there is no column 'knid'"),
        ({"size": 8}, "size is of images in files"),
    ],
)
def test_what_needs_all_rows_at_once_is_refused(options, said, tmp_path):
    with pytest.raises(UserError, match=said):
        read(written(people(), tmp_path, ".parquet"), stream=True, **options)


def test_files_that_are_none_of_blocks_or_of_several_kinds_are_refused(tmp_path):
    written(people(), tmp_path, ".parquet")
    written(people(), tmp_path, ".csv")
    with pytest.raises(UserError, match="files of .csv and .parquet together"):
        read([tmp_path / "part0.csv", tmp_path / "part0.parquet"], stream=True)
    (tmp_path / "x.mat").write_bytes(b"")
    with pytest.raises(UserError, match="x.mat cannot be streamed"):
        read(tmp_path / "x.mat", stream=True)
    with pytest.raises(UserError, match="stream is of files"):
        read(people(), stream=True)
    with pytest.raises(UserError, match="none.parquet does not exist"):
        read(tmp_path / "none.parquet", stream=True)
    (tmp_path / "part9.parquet").mkdir()
    with pytest.raises(UserError, match="part9.parquet is a folder: name its files"):
        read(tmp_path / "part*.parquet", stream=True)
    images = pd.DataFrame({"image": [b"\x89PNG\r\n\x1a\n" + b"0" * 50] * 4})
    images.to_parquet(tmp_path / "images.parquet")
    with pytest.raises(UserError, match="4 of 4 images cannot be read"):
        read(tmp_path / "images.parquet", stream=True)
    with pytest.raises(UserError, match="max_bad is of images that are decoded before"):
        read(tmp_path / "images.parquet", stream=True, max_bad=4)


def test_a_file_that_changed_under_a_run_is_noticed(tmp_path, small):
    data = read(_one_csv(people(), tmp_path), label="kind", stream=True)
    text = (tmp_path / "one.csv").read_text()
    (tmp_path / "one.csv").write_text(text.replace("\n", "\n\n", 1)[: len(text) // 2])
    with pytest.raises(UserError):
        for number in range(len(data.stream.blocks)):
            data.stream.values(number)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_several_files_are_one_data_set_to_an_encoder(suffix, tmp_path, small):
    frame = people()
    path = written(frame, tmp_path, suffix)
    table = TablePreprocess.learn(frame.drop(columns="kind"))
    flow = stream.stream(path, table, keep=["kind", "age"])
    parts = [table.transform(values) for values in flow.pieces]
    assert flow.rows == ROWS and len(parts) > 10
    assert torch.equal(torch.cat(parts), table.transform(frame))
    for rows in (slice(0, 0), slice(3, 200), slice(230, 240)):
        assert flow.kept["kind"][rows].tolist() == frame["kind"][rows].tolist()
        assert flow.kept["age"][rows] == pytest.approx(frame["age"][rows].to_numpy())
    with pytest.raises(UserError, match="hop is of recordings"):
        stream.stream(path, table, hop=3)


def test_several_arrays_are_one_data_set_to_an_encoder(tmp_path, small):
    windows = np.random.default_rng(0).normal(size=(ROWS, 2, 8))
    for part in range(3):
        np.save(tmp_path / f"part{part}.npy", windows[80 * part : 80 * part + 80])
    series = SeriesPreprocess.learn(windows)
    flow = stream.stream(tmp_path / "*.npy", series)
    assert torch.equal(torch.cat([series.transform(values) for values in flow.pieces]), series.transform(windows))


def test_what_is_wrong_with_a_value_names_its_row_in_the_whole(tmp_path, small):
    frame = people()
    row = np.setdiff1d(np.arange(ROWS), sampled_rows(ROWS, 8.0))[-1]
    frame.loc[row, "age"] = np.inf
    data = read(written(frame, tmp_path, ".parquet"), label="kind", stream=True)
    with pytest.raises(UserError, match=f"column 'age', row {row}: infinite value"):
        rows = TrainingRows(data.stream, numbered(data.stream, NONE))
        TablePreprocess.learn_blocks(data.values, np.arange(len(data)), rows)


def seasons(rows=ROWS):
    """Return a table of machines of unequal sizes, and of days, sorted by machine."""
    random = np.random.default_rng(3)
    machine = np.sort(random.integers(1, 13, rows)).astype(float)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 60, rows), unit="D")
    kind = random.integers(2, size=rows)
    return pd.DataFrame({"size": random.normal(size=rows), "machine": machine, "day": day, "kind": kind})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_all_rows_of_a_test_group_are_held_out_whichever_block_and_form_they_are_in(suffix, tmp_path, small):
    frame = seasons()
    # Of one machine some files have whole numbers, others fractions.
    parts = [frame[frame["machine"] < 4].astype({"machine": int}), frame[frame["machine"] >= 4]]
    for number, part in enumerate([*parts, parts[0][:1].astype({"machine": float})]):
        path = tmp_path / f"part{number}{suffix}"
        part.to_csv(path, index=False) if suffix == ".csv" else part.to_parquet(path, row_group_size=17, index=False)
    data = read(str(tmp_path / f"*{suffix}"), label="kind", group="machine", stream=True)
    whole = pd.concat([*parts, parts[0][:1]], ignore_index=True)["machine"]
    machines = whole[data.sampled]
    assert pd.factorize(data.groups)[0].tolist() == pd.factorize(machines)[0].tolist()
    chosen = whole.isin([1, 11])
    gone = held_out(data, np.flatnonzero(chosen[data.sampled]))
    found = np.concatenate([gone(number) for number in range(len(data.stream.blocks))])
    assert found.tolist() == chosen.tolist()
    assert chosen.sum() > chosen[data.sampled].sum(), "rows that are not sampled are among them"
    assert "machine" not in data.stream.columns


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_all_rows_from_the_first_test_time_on_are_held_out(suffix, tmp_path, small):
    frame = seasons()
    data = read(written(frame, tmp_path, suffix), label="kind", time="day", stream=True)
    cut = pd.Timestamp("2024-02-20")
    later = (frame["day"] >= cut).to_numpy()
    tests = np.flatnonzero(later[data.sampled])
    first = frame["day"][data.sampled[tests]].min()
    gone = held_out(data, tests)
    found = np.concatenate([gone(number) for number in range(len(data.stream.blocks))])
    assert found.tolist() == (frame["day"] >= first).tolist()
    assert found.sum() > len(tests)
    rows = TrainingRows(data.stream, gone)
    table = TablePreprocess.learn(frame[["size"]])
    drawn = BlockDataset(rows, table, ArrayDataset(table.transform(data.values), table))
    assert torch.equal(drawn.batch(torch.arange(len(drawn))), table.transform(frame[["size"]])[~found])


def test_a_time_that_is_missing_somewhere_is_named_by_its_row(tmp_path, small):
    frame = seasons()
    row = np.setdiff1d(np.arange(ROWS), sampled_rows(ROWS, 8.0))[-1]
    frame.loc[row, "day"] = pd.NaT
    data = read(written(frame, tmp_path, ".parquet"), label="kind", time="day", stream=True)
    with pytest.raises(UserError, match=f"time 'day' is missing in row {row}"):
        TrainingRows(data.stream, held_out(data, np.array([3])))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_group_that_is_missing_somewhere_is_named_by_its_row(suffix, tmp_path, small):
    line = "group 'machine' is missing in 1 row, first in row {}: such rows could be of a group on the other side"
    frame = seasons().astype({"machine": str})
    sampled = sampled_rows(ROWS, 8.0)
    row = np.setdiff1d(np.arange(ROWS), sampled)[-1]
    frame.loc[row, "machine"] = None
    path = written(frame, tmp_path, suffix)
    data = read(path, label="kind", group="machine", stream=True)
    with pytest.raises(UserError, match=line.format(row)):
        TrainingRows(data.stream, held_out(data, np.array([3])))
    frame.loc[sampled[9], "machine"] = None
    with pytest.raises(UserError, match="group 'machine' is missing in 1 row"):
        read(written(frame, tmp_path, suffix), label="kind", group="machine", stream=True)


def test_arrays_beside_arrays_are_groups_and_times(tmp_path, small):
    windows, subject = np.random.default_rng(0).normal(size=(ROWS, 2, 8)), np.repeat(np.arange(8), 30)
    for number in range(4):
        part = slice(60 * number, 60 * number + 60)
        np.savez(tmp_path / f"part{number}.npz", x=windows[part], kind=subject[part] % 2, subject=subject[part])
    for option, gone in (("group", [3, 6]), ("time", [6, 7])):
        data = read(str(tmp_path / "*.npz"), key="x", label="kind", stream=True, **{option: "subject"})
        chosen = np.isin(subject, gone)
        found = held_out(data, np.flatnonzero(chosen[data.sampled]))
        assert np.concatenate([found(number) for number in range(4)]).tolist() == chosen.tolist()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_some_files_lack_is_said(suffix, tmp_path):
    frame = people()
    pattern = written(frame, tmp_path, suffix)
    for path, part in [("part1", frame.iloc[80:160]), ("part3", frame.iloc[:0]), ("part4", frame.iloc[:0])]:
        name = tmp_path / f"{path}{suffix}"
        part.to_csv(name, index=False) if suffix == ".csv" else part.to_parquet(name, index=False)
    with pytest.warns(UserWarning, match="2 files of 5 without rows: 'part3.*, 'part4"):
        data = read(pattern, stream=True)
    assert len(data.stream) == ROWS
    part, name = frame.iloc[80:160].drop(columns="pay"), tmp_path / f"part1{suffix}"
    part.to_csv(name, index=False) if suffix == ".csv" else part.to_parquet(name, index=False)
    data = read([tmp_path / f"part{number}{suffix}" for number in range(3)], stream=True)
    with pytest.raises(UserError, match=rf"part1\{suffix} has no 'pay' .*; other files have it: .*--drop"):
        for number in range(len(data.stream.blocks)):
            data.stream.values(number)
    with pytest.warns(UserWarning, match="without rows"):
        assert len(read(pattern, stream=True, drop=["pay"]).stream.values(1)) in (17, 80)
    with pytest.raises(UserError, match="part3.*part4.* have no rows"):
        read([tmp_path / f"part3{suffix}", tmp_path / f"part4{suffix}"], stream=True)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_files_of_other_shapes_are_named(suffix, tmp_path):
    for number, steps in enumerate((16, 16, 8)):
        array = np.zeros((5, 2, steps), dtype=np.float32)
        path = tmp_path / f"part{number}{suffix}"
        np.save(path, array) if suffix == ".npy" else np.savez(path, X=array)
    with pytest.raises(
        UserError, match=rf"part2\{suffix}: the rows.* have the shape \(2, 8\), .*part0\{suffix} \(2, 16\)"
    ):
        read(str(tmp_path / f"*{suffix}"), stream=True)


def test_two_stars_are_folders_of_any_depth(tmp_path):
    for folder in ("", "a", "a/b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        people().to_parquet(tmp_path / folder / "part.parquet", index=False)
    for pattern in ("**/*.parquet", "**"):
        assert len(read(str(tmp_path / pattern), stream=True).stream) == 3 * ROWS, pattern


def test_a_folder_of_partitions_says_how_it_is_streamed(tmp_path):
    people().to_parquet(tmp_path, partition_cols=["kind"], index=False)
    with pytest.raises(UserError, match=r"a folder of partitions is read whole: to stream it .*\*\*/\*\.parquet"):
        read(tmp_path, stream=True)
    assert len(read(f"{tmp_path}/**/*.parquet", stream=True).stream) == ROWS


def test_what_is_kept_has_one_type_whatever_each_file_makes_of_it(tmp_path):
    kept = {
        "whole": ([1, 2], [3, 4], [1, 2, 3, 4]),
        "gaps": ([1, 2], [None, 4], [1.0, 2.0, np.nan, 4.0]),
        "texts": ([1, 2], ["x", None], ["1", "2", "x", None]),
        "truth": ([True, False], ["x", "y"], ["True", "False", "x", "y"]),
        "empty": ([1, 2], [None, None], [1.0, 2.0, np.nan, np.nan]),
        "nothing": ([None, None], [None, None], [None] * 4),
        "day": (
            pd.to_datetime(["2020-01-01", "2020-01-02"]),
            [None, None],
            ["2020-01-01", "2020-01-02", "NaT", "NaT"],
        ),
        "dates": (pd.to_datetime(["2020-01-01", None]), ["x", "y"], ["2020-01-01 00:00:00", None, "x", "y"]),
    }
    for number in range(2):
        pd.DataFrame({name: parts[number] for name, parts in kept.items()}).to_parquet(
            tmp_path / f"part{number}.parquet", index=False
        )
    found = blocks.Blocks.of(sorted(tmp_path.iterdir()), Options())
    for name, (*_, wanted) in kept.items():
        column = BlockColumn(found, name)
        assert column[0:1].dtype == column[2:4].dtype == column.dtype, name
        assert [str(one)[:10] for one in column[0:4]] == [str(one)[:10] for one in wanted], name
        assert [str(one)[:10] for one in column[1:3]] == [str(one)[:10] for one in wanted[1:3]], name


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
@pytest.mark.parametrize(
    ("names", "called"),
    [
        ([0, 1, 2], ["0", "1", "2"]),
        ([("pay", "a"), ("pay", "b"), ("kind", "")], ["pay_a", "pay_b", "kind"]),
        (["x", "x", "kind"], ["x (1)", "x (2)", "kind"]),
    ],
    ids=["numbers", "levels", "one name twice"],
)
@pytest.mark.filterwarnings("ignore:2 columns are called")
def test_columns_are_called_in_blocks_as_in_the_whole_file(names, called, suffix, tmp_path, small):
    columns = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else pd.Index(names)
    frame = pd.DataFrame(np.arange(3.0 * ROWS).reshape(-1, 3), columns=columns)
    frame.index = pd.Index(np.arange(ROWS) + 7, name="id")  # which pandas writes as one more column
    if columns.is_unique:
        table = pa.Table.from_pandas(frame)
    else:
        table = pa.table([pa.array(frame.iloc[:, place]) for place in range(3)], names=names)
    paths = [tmp_path / f"part{number}{suffix}" for number in range(2)]
    for number, path in enumerate(paths):
        part = table.slice(number * ROWS // 2, ROWS // 2)
        pq.write_table(part, path, row_group_size=17) if suffix == ".parquet" else feather.write_feather(part, path)
    data = read(paths, label=called[2], stream=True)
    assert data.values.columns.tolist() == called[:2]
    for columns in ((), called[:1], called[1:2]):
        rows = pd.concat([data.stream.values(number, columns) for number in range(len(data.stream.blocks))])
        assert rows.columns.tolist() == (list(columns) or called[:2])
        for name in rows:
            assert rows[name].tolist() == (3.0 * np.arange(ROWS) + called.index(name)).tolist()
    assert BlockColumn(data.stream, called[1])[3:5].tolist() == [10.0, 13.0]
    assert kept_columns(paths[0], [called[1]])[called[1]][3:5].tolist() == [10.0, 13.0]


def test_an_array_that_is_one_number_is_named(tmp_path):
    np.savez(tmp_path / "one.npz", X=np.float64(3.0))
    with pytest.raises(UserError, match="one.npz: the array 'X' is one number"):
        read(tmp_path / "one.npz", key="X", stream=True)
