"""Columns beside embeddings: their roles, names that collide, and rewriting in pieces."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isotropy.runs.columns as module
from isotropy.data import Data
from isotropy.errors import UserError
from isotropy.runs.columns import Column, add_columns, kept_columns, name_for, roles, sources, writing_embeddings

N = 50
Z = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    frame = pd.DataFrame({"z0": Z[:, 0], "x": np.arange(N), "a": pd.array([1, None] * 25, dtype="Int64")})
    frame["when"], frame["kind"] = pd.Timestamp("2020-01-01"), pd.Categorical(["u", None] * 25)
    beside = {"part": Column(np.array(["train"] * N), "part")}
    beside |= kept_columns(Data(frame, "table", groups=np.arange(N) // 5), beside)
    with writing_embeddings(tmp_path / "embeddings.parquet", beside, ["z0", "z1", "z2"]) as writer:
        for begin in range(0, N, 20):
            writer.write(Z[begin : begin + 20])
    return tmp_path / "embeddings.parquet"


def test_names_that_collide_are_kept_under_others_that_lead_back(path):
    schema = pq.read_schema(path)
    assert schema.names == ["part", "group", "column z0", "column x", "a", "when", "kind", "z0", "z1", "z2"]
    assert {name: sources(schema)[name] for name in ("column z0", "column x", "a")} == {
        "column z0": "z0", "column x": "x", "a": "a",
    }  # fmt: skip
    frame = pd.read_parquet(path)
    assert frame["column x"].tolist() == list(range(N)) and frame["kind"].isna().sum() == 25
    assert schema.field("column z0").type == pa.float64()


def test_further_columns_stand_before_the_dimensions_and_change_nothing_else(path, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 7)
    before = pd.read_parquet(path)
    add_columns(path, {"cluster": Column(np.arange(N, dtype=np.int32), "cluster")})
    add_columns(path, {"cluster": Column(np.arange(N, dtype=np.int32)[::-1], "cluster")})
    after = pd.read_parquet(path)
    assert after.columns.tolist() == [*before.columns[:-3], "cluster", "z0", "z1", "z2"]
    assert after["cluster"].tolist() == list(range(N))[::-1]
    pd.testing.assert_frame_equal(after.drop(columns="cluster"), before)
    assert roles(pq.read_schema(path))["cluster"] == "cluster" and sources(pq.read_schema(path))["column z0"] == "z0"
    add_columns(path, {}, dropped=["cluster"])
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_does_not_fit_leaves_the_file_as_it_was(path):
    before = path.read_bytes()
    with pytest.raises(UserError, match="has 50 rows, and the column 'cluster' 3"):
        add_columns(path, {"cluster": Column(np.arange(3), "cluster")})
    with pytest.raises(UserError, match="has a column 'kind' already"):
        add_columns(path, {"kind": Column(np.arange(N), "cluster")})
    assert path.read_bytes() == before
    path.write_bytes(before[:-30])
    with pytest.raises(UserError, match="missing or damaged"):
        add_columns(path, {"cluster": Column(np.arange(N), "cluster")})


def test_a_label_of_an_older_file_keeps_its_name(tmp_path):
    path = tmp_path / "old.parquet"
    pd.DataFrame({"part": "train", "label": "a", "cluster": list("ab") * 5, "z0": np.zeros(10, "f4")}).to_parquet(path)
    assert name_for("cluster", path) == "cluster 2"
    add_columns(path, {"cluster 2": Column(np.arange(10), "cluster")})
    assert name_for("cluster", path) == "cluster 2"
    assert pd.read_parquet(path)["cluster"].tolist() == list("ab") * 5


def test_wide_tables_and_long_texts_are_bounded():
    frame = pd.DataFrame({f"c{n}": ["x" * 1000] for n in range(150)})
    kept = kept_columns(Data(frame, "table"), ())
    assert len(kept) == 100 and all(len(one.values[0]) == 300 for one in kept.values())
