import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from isotropy.data import ImagePreprocess, TablePreprocess, read
from isotropy.errors import UserError

DRAW = np.random.default_rng(0)


def table(rows=20):
    return pd.DataFrame(
        {
            "age": np.arange(rows) * 1.5,
            "job": ["cook", "smith"] * (rows // 2),
            "class": ["a", "b", "c", "d"] * (rows // 4),
            "part": ["train"] * (rows - 5) + ["test"] * 5,
        }
    )


def save_npz(path, **extra):
    arrays = {
        "X_train": DRAW.normal(size=(12, 3, 7)),
        "y_train": np.arange(12) % 3,
        "X_test": DRAW.normal(size=(4, 3, 7)),
    }
    np.savez(path, **arrays, y_test=np.arange(4) % 3, **extra)
    return arrays


@pytest.mark.parametrize(
    ("array", "modality", "shape", "words"),
    [
        (np.zeros((6, 4)), "table", (6, 4), "a table of 4 columns, 6 rows (float64)"),
        (np.zeros((6, 4), np.uint8), "table", (6, 4), "a table of 4 columns"),
        (np.zeros((6, 2, 50), np.float32), "series", (6, 2, 50), "series of 2 channels and 50 steps"),
        (np.zeros((6, 1, 50), np.int16), "series", (6, 1, 50), "series of 1 channel and 50 steps"),
        (np.zeros((6, 9, 8), np.uint8), "image", (6, 1, 9, 8), "grey images of 9x8"),
        (np.zeros((6, 3, 9, 8), np.uint8), "image", (6, 3, 9, 8), "RGB images of 9x8, channels first"),
        (np.zeros((6, 9, 8, 3), np.uint8), "image", (6, 3, 9, 8), "RGB images of 9x8, channels last"),
        (np.zeros((6, 9, 8, 1), np.uint8), "image", (6, 1, 9, 8), "grey images of 9x8, channels last"),
        (np.zeros((6, 3, 9, 3), np.uint8), "image", (6, 3, 9, 3), "channels first"),
        (np.zeros((6, 9, 8, 3)), "image", (6, 3, 9, 8), "(floats in [0, 1] became levels 0 to 255)"),
    ],
)
def test_shape_and_type_say_what_an_array_is(tmp_path, array, modality, shape, words):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", only=array)
    sources = [array, torch.from_numpy(array), tmp_path / "a.npy", str(tmp_path / "a.npz")]
    for dataset, name in zip(sources, ["the array", "the array", "a.npy", "a.npz, only"]):
        data = read(dataset)
        assert (data.modality, data.values.shape) == (modality, shape) and len(data) == 6
        assert data.description.startswith(name + ": ") and words in data.description and "\n" not in data.description
        assert data.labels is None and data.split is None


def test_modality_overrides():
    assert read(np.zeros((6, 40)), modality="series").values.shape == (6, 1, 40)
    assert read(np.zeros((6, 5, 40), np.uint8), modality="series").values.shape == (6, 5, 40)
    digits = read(np.full((6, 8, 8), 16.0), modality="image")
    assert digits.values.shape == (6, 1, 8, 8) and digits.values.max() == 16
    frame = pd.DataFrame(np.zeros((6, 4))).assign(y=range(6))
    assert read(frame, modality="series", label="y").values.shape == (6, 1, 4)
    with pytest.raises(UserError, match="'tabel' .did you mean 'table'"):
        read(np.zeros((6, 4)), modality="tabel")
    with pytest.raises(UserError, match="images have the shape"):
        read(np.zeros((6, 4)), modality="image")
    with pytest.raises(UserError, match="two dimensions"):
        read(np.zeros((6, 4, 3)), modality="table")
    with pytest.raises(UserError, match="series have the shape"):
        read(np.zeros((6, 4, 3, 3)), modality="series")


def test_floats_become_grey_levels_or_are_refused():
    def stored(images):
        values = read(images).values
        return ImagePreprocess.learn(values).transform(values).numpy()

    levels = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    for dtype in (np.float64, np.float32):
        np.testing.assert_array_equal(stored(levels.astype(dtype) / dtype(255)), levels)
        np.testing.assert_array_equal(stored(levels.astype(dtype)), levels)
    np.testing.assert_array_equal(stored(levels.astype(np.int64)), levels)
    np.testing.assert_array_equal(stored(levels > 99), (levels > 99) * np.uint8(255))
    nearly = np.tile([0.001, 0.999], 192).reshape(2, 3, 8, 8)
    assert set(stored(nearly).flat) == {0, 255}, "to the nearest level"
    with pytest.raises(UserError, match="this array is float64 from -1 to 1: rescale it"):
        read(np.linspace(-1, 1, 192).reshape(1, 3, 8, 8))
    with pytest.raises(UserError, match="rescale"):
        read(np.full((2, 3, 8, 8), np.nan))
    with pytest.raises(UserError, match="int64 from 0 to 300"):
        read(np.full((2, 3, 8, 8), 300).cumsum(0).clip(0, 300) * np.array([0, 1]).reshape(2, 1, 1, 1))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5), "has one axis"),
        (None, "a NoneType is not read: give an array"),
        ({}, "a dict is not read"),
        (TensorDataset(torch.randn(8, 6)), "a TensorDataset of torch is not read"),
        (DataLoader(TensorDataset(torch.randn(8, 6))), "a DataLoader of torch is not read"),
        ({1, 2}, "a set is not read"),
        ((row for row in ([1.0], [2.0])), "a generator is not read"),
        (np.zeros((2, 3, 4, 5, 6)), "could be anything"),
        (np.zeros((2, 3, 4), np.uint16), "could be anything"),
        (np.zeros((2, 5, 5, 4), np.uint8), "1 or 3 channels.*alpha"),
        (np.zeros((2, 3), complex), "type complex128 is not read"),
        (np.zeros((0, 3)), "has no rows"),
        (np.zeros((0, 3, 8, 8), np.uint8), "has no rows"),
        (np.zeros((2, 3, 4), object), "could be anything"),
        (np.zeros((2, 3, 0)), r"shape \(2, 3, 0\) has no values in its rows"),
        (np.zeros((2, 3, 8, 0)), "no values in its rows"),
        (np.zeros((2, 8, 0), np.uint8), "no values in its rows"),
    ],
)
def test_other_arrays_are_refused(array, words):
    with pytest.raises(UserError, match=words):
        read(array)


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_label_and_split_are_taken_out_of_a_table(tmp_path, kind):
    frame = table()
    dataset = frame if kind == "frame" else tmp_path / f"t.{kind}"
    if kind == "csv":
        frame.to_csv(dataset, index=False)
    if kind == "parquet":
        frame.to_parquet(dataset)
    data = read(dataset, label="class", split="part")
    assert list(data.values.columns) == ["age", "job"]
    assert data.labels.tolist() == frame["class"].tolist() and data.labels.flags.writeable
    assert data.split.tolist() == frame["part"].tolist()
    assert "labels from class; parts from part (15 train, 5 test)" in data.description
    assert data.part("train").tolist() == list(range(15)) and data.part("test").tolist() == list(range(15, 20))
    test = data.take(data.part("test"))
    assert len(test) == 5 and test.labels.tolist() == frame["class"].tolist()[15:] and set(test.split) == {"test"}
    assert list(frame.columns) == ["age", "job", "class", "part"], "the caller's frame is as it was"
    with pytest.raises(UserError, match="no column 'clas' .label. .did you mean 'class'"):
        read(dataset, label="clas")
    with pytest.raises(UserError, match="cannot be both"):
        read(dataset, label="part", split="part")


def test_labels_never_stand_in_the_values(tmp_path):
    frame = table()
    for label in ("class", frame["class"]):
        assert "class" not in read(frame, label=label).values.columns
    numbered = pd.DataFrame(np.arange(12.0).reshape(4, 3))
    data = read(numbered, label=2)
    assert list(data.values.columns) == ["0", "1"] and data.labels.tolist() == [2, 5, 8, 11]
    save_npz(tmp_path / "d.npz")
    for options in (
        {"key": "X_train", "label_key": "X_train"},
        {"key": "X_train", "label_key": "y_train", "test_key": "y_train", "test_label_key": "y_test"},
    ):
        with pytest.raises(UserError, match="cannot be read as two things"):
            read(tmp_path / "d.npz", **options)


def test_a_column_called_split_is_taken_without_asking(tmp_path):
    frame = table().rename(columns={"part": "split"})
    data = read(frame)
    assert "split" not in data.values.columns and len(data.part("test")) == 5 and "parts from split" in data.description
    assert "split" in read(frame.assign(split="left")).values.columns
    np.savez(tmp_path / "d.npz", X=np.zeros((4, 2)), split=np.array(["train", "test", "train", "train"]))
    assert read(tmp_path / "d.npz").part("test").tolist() == [1]


def test_parts_in_other_words():
    frame = table().drop(columns="part")
    mask = np.arange(20) < 5
    assert read(frame.assign(is_test=mask), split="is_test").part("test").tolist() == list(range(5))
    assert read(frame.assign(in_train=mask), split="in_train").part("train").tolist() == list(range(5))
    assert read(frame, split=["Train"] * 10 + ["TEST"] * 10).part("train").tolist() == list(range(10))
    with pytest.raises(UserError, match="its name does not say"):
        read(frame.assign(fold=mask), split="fold")
    with pytest.raises(UserError, match=r"holds 'dev' \(row 19\)"):
        read(frame, split=["train"] * 10 + ["test"] * 9 + ["dev"])
    with pytest.raises(UserError, match="has no test rows"):
        read(frame, split=["train"] * 20)
    with pytest.raises(UserError, match="3 values for 20 rows"):
        read(frame, split=["train"] * 3)


def test_missing_values_by_name(tmp_path):
    frame = table().astype({"age": object})
    frame.loc[2, "age"] = frame.loc[4, "job"] = frame.loc[6, "class"] = "?"
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.astype({"age": str}).to_parquet(tmp_path / "t.parquet")
    learnt = []
    for dataset in (frame, tmp_path / "t.csv", tmp_path / "t.parquet"):
        data = read(dataset, label="class", split="part", na=["?"])
        learnt.append(TablePreprocess.learn(data.values).to_json())
        assert np.flatnonzero(~data.labelled).tolist() == [6] and data.labels[6] is None
        assert "labels from class (1 missing)" in data.description
    columns = learnt[0]["schema"]["columns"]
    assert learnt[1] == learnt[2] == learnt[0]
    assert [(column["kind"], column["missing"]) for column in columns] == [("numeric", True), ("categorical", True)]
    assert (frame == "?").sum().sum() == 3
    with pytest.raises(UserError, match="na is a list"):
        read(frame, na="?")


def test_missing_labels_are_kept_and_marked():
    values = np.zeros((4, 2))
    data = read(values, label=[0.0, np.nan, 1.0, 0.0])
    assert data.labelled.tolist() == [True, False, True, True] and len(data) == 4
    assert read(values, label=pd.array([1, None, 2, 2], dtype="Int64")).labels.dtype == np.float64
    assert read(values, label=pd.array([1, 3, 2, 2], dtype="Int64")).labels.tolist() == [1, 3, 2, 2]
    assert read(values, label=[True, False, True, True]).labels.dtype == bool
    assert not read(values).labelled.any()
    with pytest.raises(UserError, match="every label of y is missing"):
        read(pd.DataFrame({"x": [1, 2], "y": [None, None]}), label="y")
    with pytest.raises(UserError, match="every label is missing"):
        read(values, label=[np.nan] * 4)
    with pytest.raises(UserError, match="label has 3 values for 4 rows"):
        read(values, label=[1, 2, 3])
    with pytest.raises(UserError, match="one value per row"):
        read(values, label=np.eye(4))
    assert read(values, label=np.arange(4)[:, None]).labels.tolist() == [0, 1, 2, 3]


def test_the_description_of_a_table_names_the_columns_that_are_no_numbers():
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5], "d": ["u", "v"], "e": ["u", "v"], "f": list("st")}
    )
    assert "6 columns (2 numeric, 4 other: b, d, e, ...)" in read(frame).description
    assert "2 columns (2 numeric, 0 other)" in read(frame[["a", "c"]]).description


def test_columns_can_be_left_out(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    assert list(read(tmp_path / "t.csv", drop=["age", "part"]).values.columns) == ["job", "class"]
    with pytest.raises(UserError, match="no column 'aeg' .to drop. .did you mean 'age'"):
        read(tmp_path / "t.csv", drop=["aeg"])
    with pytest.raises(UserError, match="drop names columns by name; an array has none"):
        read(np.zeros((3, 3)), drop=["x0"])


def test_the_index_that_pandas_writes_is_no_column(tmp_path):
    table().to_csv(tmp_path / "t.csv")
    assert list(read(tmp_path / "t.csv").values.columns) == ["age", "job", "class", "part"]


def test_arrays_of_an_archive(tmp_path):
    path = tmp_path / "d.npz"
    arrays = save_npz(path, is_test=np.arange(12) < 2)
    data = read(path, label_key="y_train")
    np.testing.assert_array_equal(data.values, arrays["X_train"])
    assert data.labels.tolist() == arrays["y_train"].tolist()
    assert "d.npz, X_train: series" in data.description and "X_test is not read" in data.description
    assert read(path, key="X_test").values.shape == (4, 3, 7)
    assert read(path, label="y_train", split="is_test").part("test").tolist() == [0, 1]
    both = read(path, key="X_train", label_key="y_train", test_key="X_test", test_label_key="y_test")
    np.testing.assert_array_equal(both.values[both.part("test")], arrays["X_test"])
    assert both.labels.tolist() == [*(np.arange(12) % 3), *(np.arange(4) % 3)]
    assert "parts from X_test (12 train, 4 test)" in both.description
    for options, words in (
        ({"key": "X_tran"}, "no array 'X_tran' .did you mean 'X_train'"),
        ({"label_key": "y_trian"}, "did you mean 'y_train'"),
        ({"label_key": "y_test"}, "label has 4 values for 12 rows"),
        ({"label_key": "y_train", "test_key": "X_test"}, "needs test_label_key"),
        ({"test_key": "X_test", "test_label_key": "y_test"}, "needs test_key and label_key"),
        ({"test_key": "X_test", "split": "is_test"}, "give one of them"),
        ({"test_key": "y_test"}, "has one axis"),
    ):
        with pytest.raises(UserError, match=words):
            read(path, **options)


def test_an_archive_without_a_usual_name_lists_what_it_holds(tmp_path):
    np.savez(tmp_path / "d.npz", left=np.zeros((3, 2)), right=np.zeros((4, 2), np.int8))
    with pytest.raises(UserError, match=r"holds left \(3, 2\) float64, right \(4, 2\) int8: name one with key"):
        read(tmp_path / "d.npz")
    with pytest.raises(UserError, match="there is no column 'a, b' .label.: name each by itself, 'a' and 'b'$"):
        read(pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": [3, 4]}), label="a, b")
    # What is left beside labels and groups is what they are of.
    np.savez(tmp_path / "left.npz", emb=np.zeros((3, 2)), kind=[0, 1, 0], who=[1, 2, 3], also=[1, 1, 0])
    assert "left.npz, emb:" in read(tmp_path / "left.npz", label=["kind", "also"], group="who").description
    np.savez(tmp_path / "e.npz", a=np.zeros((3, 2)), x=np.zeros((4, 2)))
    assert "e.npz, x:" in read(tmp_path / "e.npz").description
    np.savez(tmp_path / "f.npz", X=np.zeros((3, 2)), X_test=np.zeros((3, 4)))
    with pytest.raises(UserError, match="parts differ in form"):
        read(tmp_path / "f.npz", test_key="X_test")


def test_files_that_are_not_there_or_not_known(tmp_path):
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="data.cvs does not exist .did you mean 'data.csv'"):
        read(tmp_path / "data.cvs")
    with pytest.raises(UserError, match="nor does the folder"):
        read(tmp_path / "no" / "data.csv")
    (tmp_path / "data.xlsx").touch()
    with pytest.raises(UserError, match="data.xlsx cannot be read: .npy, .npz, .csv, .parquet"):
        read(tmp_path / "data.xlsx")
    with pytest.raises(UserError, match=r"data.csv has no column 'X' \(key\) .valid: a, b"):
        read(tmp_path / "data.csv", key="X")
    with pytest.raises(UserError, match="no column names, so no 'y'"):
        read(np.zeros((3, 3)), label="y")


def test_empty_files(tmp_path):
    for name, text in (("a.csv", ""), ("b.csv", "a,b\n"), ("c.npy", ""), ("d.npz", ""), ("e.parquet", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=f"{name}.*(is empty|has no rows|damaged)"):
            read(tmp_path / name)
    pd.DataFrame({"a": []}).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(UserError, match="f.parquet has no rows"):
        read(tmp_path / "f.parquet", label="a")
    with pytest.raises(UserError, match="the frame has no rows"):
        read(pd.DataFrame({"a": []}), label="a")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files_are_named(tmp_path, share):
    np.save(tmp_path / "a.npy", DRAW.normal(size=(50, 4)))
    np.savez(tmp_path / "a.npz", x=DRAW.normal(size=(50, 4)))
    np.savez_compressed(tmp_path / "b.npz", x=DRAW.normal(size=(50, 4)))
    table().to_parquet(tmp_path / "a.parquet")
    for path in list(tmp_path.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=f"{path.name} is damaged or no {path.suffix} file"):
            read(path)


def test_flipped_bytes_are_noticed(tmp_path):
    path = tmp_path / "b.npz"
    np.savez_compressed(path, x=DRAW.normal(size=(500, 4)))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(UserError, match="damaged"):
        read(path)


def test_a_csv_of_ragged_lines_or_of_16_bit_letters_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(UserError, match="a.csv is damaged or no .csv file: .*line 3"):
        read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes("a,b\n1,é\n".encode("utf-16"))
    with pytest.raises(UserError, match="not UTF-8"):
        read(tmp_path / "b.csv")


def test_pickles_are_never_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    objects = np.array([[1, Bomb()]], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", X=objects)
    np.savez(tmp_path / "b.npz", X=np.zeros((1, 2)), y=objects)
    (tmp_path / "c.npy").write_bytes(pickle.dumps({"x": 1}))
    for name, options in (("a.npy", {}), ("a.npz", {}), ("b.npz", {"label_key": "y"}), ("c.npy", {})):
        with pytest.raises(UserError, match=f"{name} holds Python objects"):
            read(tmp_path / name, **options)


def test_an_array_file_is_mapped_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((6, 3, 9, 8), np.uint8))
    values = read(tmp_path / "a.npy").values
    assert isinstance(values, np.memmap) or isinstance(values.base, np.memmap)
    values[0] = 7
    assert np.load(tmp_path / "a.npy").max() == 0, "copy-on-write: the file stays"


def test_a_test_part_of_another_type_keeps_its_levels(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    np.savez(tmp_path / "x.npz", X=levels / 255, Y=levels)
    values = read(tmp_path / "x.npz", key="X", test_key="Y").values
    np.testing.assert_array_equal(ImagePreprocess.learn(values).transform(values), np.concatenate([levels, levels]))


def test_what_a_mask_hides_is_missing():
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[::5] = -9999.0
    hidden = np.ma.masked_equal(x, -9999.0)
    learnt = TablePreprocess.learn(read(hidden).values)
    np.testing.assert_allclose([column.mean for column in learnt.schema.columns], hidden.mean(0).data)
    assert torch.equal(learnt.transform(hidden), learnt.transform(hidden.filled(np.nan)))
    counts = np.ma.masked_equal(np.array([[1, 2], [-1, 4]]), -1)
    assert np.isnan(read(counts).values[1, 0]) and read(counts[:1]).values.dtype == counts.dtype
    names = np.ma.array(np.array([["a", "b"], ["c", "d"]], dtype=object), mask=[[0, 1], [0, 0]])
    assert read(names).values.isna().to_numpy().tolist() == [[False, True], [False, False]]


def test_data_sets_and_loaders_of_torch_are_refused_by_name():
    rows = torch.utils.data.TensorDataset(torch.zeros(8, 3))
    for dataset in (rows, torch.utils.data.Subset(rows, [1, 2]), torch.utils.data.DataLoader(rows)):
        with pytest.raises(UserError, match=f"a {type(dataset).__name__} of torch is not read.*give its"):
            read(dataset)


def test_labels_of_the_parts_of_an_archive_keep_their_type(tmp_path):
    arrays = {
        "X": np.zeros((4, 2)),
        "y": np.array([0.0, 1.0, 0.0, 1.0]),
        "T": np.ones((2, 2)),
        "t": np.array(["1", "0"]),
    }
    np.savez(tmp_path / "d.npz", **arrays)
    data = read(tmp_path / "d.npz", key="X", label_key="y", test_key="T", test_label_key="t")
    assert data.labels.tolist() == [0.0, 1.0, 0.0, 1.0, "1", "0"]


def test_rows_of_dictionaries_are_a_table():
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3}]
    assert read(rows).values["a"].tolist() == [1, 2, 3] and read(rows).values["b"].isna().sum() == 1


def test_one_axis_says_which_two_it_could_be():
    for values in (np.arange(4.0), pd.Series([1.0, 2.0])):
        with pytest.raises(
            UserError, match=r"one axis: a table of one column is x\[:, None\], one series x\[None, None\]"
        ):
            read(values)


def test_tensors_of_types_that_numpy_lacks():
    plain = torch.arange(6.0).reshape(3, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will give quantized tensors up
        quantized = torch.quantize_per_tensor(plain, 1.0, 0, torch.qint8)
    for values in (plain.bfloat16(), plain.to(torch.float8_e4m3fn), quantized):
        np.testing.assert_array_equal(read(values).values, plain)
    with pytest.raises(UserError, match="'meta' has no numbers"):
        read(plain.to("meta"))


def test_a_key_that_is_no_column_of_a_table_names_the_nearest(tmp_path):
    frame = pd.DataFrame({"kind": range(4), "embedding": [[1.0, 2.0]] * 4})
    frame.to_parquet(tmp_path / "t.parquet")
    for given, name in ((tmp_path / "t.parquet", "t.parquet"), (frame, "the frame")):
        assert read(given, key="embedding").values.shape == (4, 2)
        with pytest.raises(UserError, match=rf"^{name} has no column 'embeding' \(key\) .did you mean 'embedding'"):
            read(given, key="embeding")


def test_a_missing_series_is_named():
    series = np.empty(3, dtype=object)
    series[0], series[1] = np.zeros((2, 5)), np.zeros((2, 7))
    with pytest.raises(UserError, match="series 2 is missing: leave it out"):
        read(series)


@pytest.mark.parametrize(
    ("label", "line"), [({"a": 1}, "label {'a': 1} is no text"), (1 + 2j, "label holds complex numbers")]
)
def test_a_label_that_is_no_value_is_refused_in_one_line(label, line):
    with pytest.raises(UserError, match=line):
        read(np.zeros((4, 3)), label=[label] * 4)
