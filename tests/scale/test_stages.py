"""What is done with each batch, without a cluster: columns that are named, and what cannot be read."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from isotropy.data import SeriesPreprocess, TablePreprocess
from isotropy.encoders import build
from isotropy.errors import UserError
from isotropy.finetuning import FineTuned
from isotropy.representation import Representation
from isotropy.scale import Embed, Predict
from isotropy.scale.batches import array_of
from isotropy.scale.datasets import _best
from isotropy.scale.stages import InPieces, Nearest, Score
from isotropy.search import nearest


@pytest.fixture(scope="module")
def table() -> tuple[Representation, pd.DataFrame]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc")).assign(whole=rng.integers(0, 9, 300))
    preprocess = TablePreprocess.learn(frame)
    return Representation(build("table_mlp", "table", preprocess.shape, width=16), preprocess, method="masked"), frame


def test_a_missing_whole_number_and_an_empty_batch_change_nothing(table):
    made, frame = table
    frame = frame.astype({"whole": "Int64"})
    frame.loc[5, "whole"] = pd.NA
    batch = pa.Table.from_pandas(frame)
    embed = Embed(made, keep=["a"])
    parts = [embed(batch.slice(begin, count)) for begin, count in ((0, 5), (5, 1), (6, 0), (6, 294))]
    z = np.concatenate([array_of(part, "embedding") for part in parts])
    np.testing.assert_array_equal(z, made.transform(frame))
    assert all(part.schema == parts[0].schema for part in parts)


def test_a_block_in_pieces_gives_the_rows_of_the_whole_and_without_rows_their_columns(table):
    made, frame = table
    block = pa.concat_tables([pa.Table.from_pandas(frame[:7]), pa.Table.from_pandas(frame[7:])])
    in_pieces = InPieces(Embed, {"run": made, "keep": ["a"]}, rows=64)
    parts = list(in_pieces(block))
    assert [len(part) for part in parts] == [64, 64, 64, 64, 44]
    np.testing.assert_array_equal(array_of(pa.concat_tables(parts), "embedding"), made.transform(frame))
    (empty,) = in_pieces(block.slice(0, 0))
    assert len(empty) == 0 and empty.schema == parts[0].schema


@pytest.mark.parametrize("column", [np.float32, list, "tensor"])
def test_series_come_as_tensors_or_lists(column):
    x = np.random.default_rng(0).normal(size=(20, 2, 32)).astype(np.float32)
    preprocess = SeriesPreprocess.learn(x)
    made = Representation(build("series_cnn", "series", preprocess.shape), preprocess, method="simclr")
    given = pa.FixedShapeTensorArray.from_numpy_ndarray(x) if column == "tensor" else pa.array(x.tolist())
    out = Embed(made, column="x", keep=[], name="z")(pa.table({"x": given}))
    np.testing.assert_array_equal(array_of(out, "z"), made.transform(x))
    with pytest.raises(UserError, match="the encoder takes series: name the column that holds them .*one of x"):
        Embed(made)(pa.table({"x": given}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keep": ["d"]}, "no column 'd' in the data set"),
        ({"name": "a"}, "a column is called 'a' already"),
        ({"column": "text"}, "column .text.: .*string is no column of numbers"),
        ({"column": "b", "keep": ["nothing"]}, "no column 'nothing'"),
    ],
)
def test_mistakes_are_named(table, options, words):
    made, frame = table
    with pytest.raises(UserError, match=words):
        Embed(made, **options)(pa.Table.from_pandas(frame.assign(text="x")))


def test_answers_of_batches_in_any_order_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    z = rng.integers(-2, 3, (200, 3)).astype(np.float32)
    queries = z[:7]
    stage = Nearest(queries, 5, column="z", id_column="id")
    batches = pa.table({"id": np.arange(200), "z": pa.FixedShapeTensorArray.from_numpy_ndarray(z)})
    best = {"query": np.empty(0, np.int64), "id": None, "score": np.empty(0, np.float32)}
    shuffled = rng.permutation(200)
    for part in np.array_split(shuffled, [3, 90]):
        found = stage(batches.take(pa.array(part)))
        best = _best(best, {name: found.column(name).to_numpy() for name in found.column_names}, 5)
    indices, scores = nearest(queries, z, 5)
    np.testing.assert_array_equal(best["id"].reshape(-1, 5), indices)
    np.testing.assert_array_equal(best["score"].reshape(-1, 5), scores)


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_sums_of_batches_give_the_metrics_of_all_rows(table, task):
    made, frame = table
    labels = np.where(frame.a > 0, "up", "down").astype(object) if task == "classes" else frame.a.to_numpy() + 100
    labels[::9] = None if task == "classes" else np.nan
    model: FineTuned = made.finetune(frame, labels, label="y", epochs=2)
    batch = pa.Table.from_pandas(frame.assign(y=labels))
    parts = [Score(model, label="y")(batch.slice(begin, 100)) for begin in (0, 100, 200)]
    rows = sum(part.column("rows")[0].as_py() for part in parts)
    from isotropy.evaluation.metrics import METRICS

    leading = "accuracy" if task == "classes" else "R2"
    sums = sum(np.array(part.column(leading)[0].as_py()) for part in parts)
    assert METRICS[task][leading].value(sums / rows) == pytest.approx(model.score(frame, labels), abs=1e-12)
    found = Predict(model, keep=[])(batch).column("prediction").to_pylist()
    assert found == model.predict(frame).tolist()
