"""The same table in the containers of other libraries."""

import io
import json
import tarfile
from datetime import date, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from pyarrow import feather
from scipy import sparse
from scipy.sparse import dok_array

from isotropy import SelfSupervisedEncoder
from isotropy.data import TablePreprocess, read
from isotropy.data.frames import as_pandas
from isotropy.data.readers import read_file
from isotropy.data.stream import stream
from isotropy.errors import UserError

ROWS = 60


def columns():
    draw = np.random.default_rng(0)
    return {
        "count": draw.integers(0, 50, ROWS).tolist(),
        "gap": [None if place % 7 == 0 else float(value) for place, value in enumerate(draw.normal(size=ROWS))],
        "big": [2**63 + int(value) for value in draw.integers(0, 2**20, ROWS)],
        "price": [Decimal(f"{value:.2f}") for value in draw.uniform(0, 99, ROWS)],
        "job": draw.choice(["cook", "smith", "nurse"], ROWS).tolist(),
        "sure": [None if place % 9 == 0 else place % 2 == 0 for place in range(ROWS)],
        "day": [date(2024, 1, 1) + timedelta(days=int(value)) for value in draw.integers(0, 300, ROWS)],
        "clock": [time(int(value) // 60, int(value) % 60) for value in draw.integers(0, 1440, ROWS)],
        "span": [timedelta(seconds=int(value)) for value in draw.integers(0, 9999, ROWS)],
        "place": [draw.normal(size=3).tolist() for _ in range(ROWS)],
    }


def table():
    found = columns()
    types = {"big": pa.uint64(), "span": pa.duration("s"), "clock": pa.time32("s"), "place": pa.list_(pa.float64(), 3)}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in found.items()})


class Stream:
    """A frame of another library: it hands over its columns by the Arrow C stream, and that is all."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Lazy:
    """As a lazy frame of polars."""

    def __init__(self, table):
        self.table = table

    def collect_schema(self):
        return self.table.schema

    def collect(self):
        return Stream(self.table)


def containers(folder):
    """Yield each container of the same values."""
    arrow = table()
    yield "arrow", arrow
    yield "batch", arrow.combine_chunks().to_batches()[0]
    yield "stream", Stream(arrow)
    yield "lazy", Lazy(arrow)
    yield "pandas of arrow", arrow.to_pandas(types_mapper=pd.ArrowDtype)
    yield "pandas", arrow.to_pandas()
    yield "objects", pd.DataFrame(columns()).astype(object)
    yield "another order", arrow.select(arrow.column_names[::-1])
    pq.write_table(arrow, folder / "t.parquet")
    yield "parquet", folder / "t.parquet"
    for name in ("t.feather", "t.arrow"):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_file(file, arrow.schema) as out:
            out.write_table(arrow)
        yield name, folder / name
    yield "dictionary", columns()
    yield "records", arrow.to_pylist()
    flat = pd.DataFrame(columns())
    places = pd.DataFrame(flat.pop("place").tolist(), columns=[f"place[{n}]" for n in range(3)])
    for name, options in {"t.csv": {}, "t.csv.gz": {}, "t.tsv": {"sep": "\t"}}.items():
        pd.concat([flat, places], axis=1).to_csv(folder / name, index=False, **options)
        yield name, folder / name
    try:
        import polars
    except ImportError:
        return
    yield "polars", polars.from_arrow(arrow)
    yield "polars, lazy", polars.from_arrow(arrow).lazy()


@pytest.mark.filterwarnings("ignore:columns read")
@pytest.mark.parametrize("options", [{}, {"method": "simclr", "encoder": "table_mlp"}])
def test_equal_values_in_another_container_give_equal_embeddings(options, tmp_path):
    found = dict(containers(tmp_path))
    model = SelfSupervisedEncoder(**options, epochs=1, batch_size=32, random_state=0)
    model.fit(found["arrow"])
    expected = model.representation_.transform(found["pandas"])
    preprocess = model.representation_.preprocess
    kinds = [(column.name, column.kind) for column in preprocess.schema.columns]
    assert dict(kinds)["clock"] == dict(kinds)["day"] == "datetime" and ("span", "numeric") in kinds
    for name, values in found.items():
        np.testing.assert_array_equal(model.representation_.transform(values), expected, err_msg=name)
        data = read(values)
        own = TablePreprocess.learn(data.values)
        order = [column.name for column in own.schema.columns]
        assert sorted(order) == sorted(name for name, _ in kinds), name
        if name != "another order":
            assert torch.equal(own.transform(data.values), preprocess.transform(found["pandas"])), name
    np.testing.assert_array_equal(model.transform(found["arrow"]), expected)


def test_a_table_of_the_user_is_as_it_was():
    arrow = table()
    read(arrow), as_pandas(arrow)
    assert arrow["count"].to_pylist() == columns()["count"]


def test_levels_of_column_names_become_one_name():
    names = pd.MultiIndex.from_product([["pay", "tax"], ["q1", "q2"]])
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)), columns=names)
    data = read(frame, label=(np.arange(40) % 2).tolist())
    assert data.values.columns.tolist() == ["pay_q1", "pay_q2", "tax_q1", "tax_q2"]
    learnt = TablePreprocess.learn(frame)
    assert torch.equal(learnt.transform(frame), learnt.transform(data.values))
    assert SelfSupervisedEncoder("simclr", epochs=1, random_state=0).fit_transform(frame).shape[0] == 40
    assert read(frame, label="tax_q2", task="numbers").values.shape == (40, 3)
    with pytest.warns(UserWarning, match="2 columns are called 'a_b'"):
        read(pd.DataFrame(np.zeros((3, 2)), columns=pd.Index([("a", "b"), "a_b"], tupleize_cols=False)))


def test_a_column_of_lists_is_columns_or_one_array(tmp_path):
    lists = [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]] * 5
    pq.write_table(pa.table({"x": lists, "y": ["a", "b"] * 5}), tmp_path / "t.parquet")
    for dataset in (tmp_path / "t.parquet", pd.DataFrame({"x": lists, "y": ["a", "b"] * 5})):
        assert read(dataset, label="y").values.columns.tolist() == [f"x[{i}, {j}]" for i in range(2) for j in range(3)]
        data = read(dataset, key="x", label="y")
        assert data.modality == "series" and data.values.shape == (10, 2, 3) and data.labels.tolist() == ["a", "b"] * 5
    with pytest.raises(UserError, match="'x' holds lists of 5,000 values: take them as one array with key='x'"):
        read(pd.DataFrame({"x": [np.zeros(5000)] * 3, "y": [1, 2, 3]}))
    with pytest.raises(UserError, match="a cell holds list"):
        TablePreprocess.learn(pd.DataFrame({"x": [[1], [1, 2]]}))


def test_names_of_classes_that_hugging_face_left_in_a_file(tmp_path):
    features = {"kind": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "x": {"dtype": "float64", "_type": "Value"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    arrow = pa.table({"kind": pa.array([0, 1, -1, 1]), "x": [1.0, 2.0, 3.0, 4.0]}).replace_schema_metadata(about)
    pq.write_table(arrow, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", label="kind").labels.tolist() == ["cat", "dog", None, "dog"]
    assert read(arrow).values["kind"].tolist()[:2] == ["cat", "dog"]


def test_arrays_that_a_library_registered_as_a_type_of_its_own_are_what_they_store(tmp_path):
    class Array2D(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.list_(pa.list_(pa.float32())), "tests.Array2D")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type, serialized):
            return cls()

    stored = pa.array([[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]] * 4, pa.list_(pa.list_(pa.float32())))
    pq.write_table(pa.table({"x": pa.ExtensionArray.from_storage(Array2D(), stored)}), tmp_path / "t.parquet")
    plain = read(tmp_path / "t.parquet", key="x").values
    pa.register_extension_type(Array2D())
    try:
        registered = read(tmp_path / "t.parquet", key="x").values
    finally:
        pa.unregister_extension_type("tests.Array2D")
    assert plain.shape == (4, 2, 3)
    np.testing.assert_array_equal(plain, registered)


def test_sparse_matrices_are_refused_with_their_size():
    with pytest.raises(UserError, match=r"sparse matrix of 1,000 x 50,000 .0.0% filled. .*take 0.4 GB"):
        read(sparse.eye(1000, 50_000, format="csr"))
    assert len(read(pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0, 0.0]), "b": [1, 2, 3]}))) == 3


def test_lists_that_a_piece_lacks_are_missing_and_others_are_named():
    frame = pd.DataFrame({"a": np.arange(40.0), "x": [[float(n), n * n % 7, 1.0] for n in range(40)]})
    frame.loc[3, "x"] = None
    learnt = TablePreprocess.learn(read(frame).values)
    whole = learnt.transform(frame)
    assert torch.equal(learnt.transform(frame[3:4]), whole[3:4]), "a piece without any list"
    with pytest.raises(UserError, match="column 'x': row 2 has 2 values, and in training rows had 3"):
        learnt.transform(frame.assign(x=[*frame["x"][:2], [1.0, 2.0], *frame["x"][3:]]))
    with pytest.raises(UserError, match="the data lack"):
        learnt.transform(frame.assign(x="text"))
    holes = frame.assign(x=[[None, *cell[1:]] if isinstance(cell, list) else cell for cell in frame["x"]])
    assert read(holes).values["x[0]"].isna().all() and read(holes).values["x[1]"].notna().sum() == 39


def test_records_dictionaries_and_run_lengths_are_tables():
    frame = pd.DataFrame({"a": np.arange(6) % 4, "b": np.linspace(0, 1, 6)})
    runs = pc.run_end_encode(pa.array(frame["a"]))
    records, columns = frame.to_records(index=False), {name: frame[name].to_numpy() for name in frame}
    for other in (records, np.array(records), frame.to_dict("list"), columns, pa.table({"a": runs, "b": frame["b"]})):
        found = read(other, label="a")
        assert found.values.columns.tolist() == ["b"] and found.labels.tolist() == frame["a"].tolist()
    with pytest.raises(UserError, match="a dictionary is read as columns .N,. by name"):
        read({"x": np.zeros((3, 2)), "y": [0, 1, 0]})


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested", "ignore:Sparse")
def test_sparse_and_nested_tensors_are_read():
    x = torch.eye(5)
    for sparse_one in (x.to_sparse(), x.to_sparse_csr(), x.to_sparse_csc()):
        assert np.array_equal(read(sparse_one).values, x.numpy())
    with pytest.raises(UserError, match="sparse tensor of shape .5, 5, 2."):
        read(torch.ones(5, 5, 2).to_sparse())
    series = [torch.randn(2, 5), torch.randn(2, 7)]
    nested = torch.nested.nested_tensor([one.clone() for one in series], layout=torch.strided)
    assert np.array_equal(read(nested).values, read(series).values, equal_nan=True)
    with pytest.raises(UserError, match="element 1 of the list is None, and others are arrays"):
        read([series[0], None])
    with pytest.raises(UserError, match="images of several sizes"):
        read([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))])


def test_a_sparse_dictionary_of_keys_is_no_dictionary_of_columns():
    values = dok_array((4, 3))
    values[1, 2] = 5.0
    assert as_pandas(values) is values


@pytest.mark.filterwarnings("ignore:2 columns")
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_columns_of_one_name_are_numbered_in_pieces_as_in_the_whole(suffix, tmp_path):
    table = pa.table([range(ROWS), range(ROWS, 2 * ROWS), ["x", "y"] * (ROWS // 2)], names=["a", "a", "job"])
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    with pytest.warns(UserWarning, match="2 columns are called 'a': here they are 'a"):
        whole = read(path).values
        made = TablePreprocess.learn(whole)
        pieces = list(stream(path, made).pieces)
        blocks = read(path, stream=True)
        with pytest.raises(UserError, match="no column 'a' "):
            read(path, stream=True, label="a")
    assert whole.columns.tolist() == pieces[0].columns.tolist() == ["a (1)", "a (2)", "job"]
    np.testing.assert_array_equal(made.transform(pieces[0]), made.transform(whole))
    np.testing.assert_array_equal(made.transform(blocks.stream.values(0)), made.transform(whole))
    for several in (path, str(tmp_path / f"*.{suffix}")):
        with pytest.raises(UserError, match="has 2 columns called 'a': rename them"):
            np.asarray(stream(several, made, keep=["a"]).kept["a"][:2])


def test_several_data_sets_of_the_hugging_face_library_are_named():
    # As its `DatasetDict`, what `load_dataset` returns, is a dictionary of its own module.
    kind = type("DatasetDict", (dict,), {"__module__": "datasets.dataset_dict"})
    part = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.raises(UserError, match=r"a DatasetDict holds train, test: give one, as data\['train'\]"):
        read(kind(train=part, test=part))
    with pytest.raises(UserError, match="a DatasetDict is empty"):
        read(kind())


def test_dates_beyond_all_calendars_are_refused_by_their_cells(tmp_path):
    for unit, most in (("s", (1 << 63) - 1), ("ms", 1 << 62)):
        column = pa.array([0, 86_400, -most], pa.timestamp(unit))
        feather.write_feather(pa.table({"when": column, "a": [1, 2, 3]}), tmp_path / "t.feather")
        with pytest.raises(UserError, match="column 'when', row 2: .* is not a date"):
            TablePreprocess.learn(read(tmp_path / "t.feather").values)


def test_a_file_without_rows_says_so_where_columns_are_text(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "job": pa.array([], pa.string())}), tmp_path / "t.parquet")
    assert len(read_file(tmp_path / "t.parquet", text=["job"])) == 0


def test_whole_numbers_that_no_float_holds_are_refused_by_their_cells(tmp_path):
    values = ["1"] * 20 + ["1" + "0" * 400]
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for number, value in enumerate(values):
            data = f'{{"a": {value}, "b": {number}}}'.encode()
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(UserError, match="column 'json.a', row 20: 1000.* is not a number"):
        TablePreprocess.learn(read(tmp_path / "t.tar").values)
