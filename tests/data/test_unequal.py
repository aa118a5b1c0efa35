"""Series of unequal length in every form that people have them in, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from isotropy import SelfSupervisedEncoder, train
from isotropy.data import SeriesPreprocess, read
from isotropy.data.unequal import ends
from isotropy.errors import UserError
from isotropy.runs.compare_methods import _suited
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

RNG = np.random.default_rng(0)
SERIES = [RNG.normal(size=(2, length)).astype(np.float32) for length in (4, 7, 5)]
NAN = np.full((3, 2, 7), np.nan, dtype=np.float32)
for _place, _one in enumerate(SERIES):
    NAN[_place, :, : _one.shape[1]] = _one
OBJECTS = np.empty(3, dtype=object)
OBJECTS[:] = SERIES
NESTED = [one.tolist() for one in SERIES]


@pytest.mark.parametrize(
    "given",
    [
        SERIES,
        tuple(torch.from_numpy(one) for one in SERIES),
        OBJECTS,
        pd.Series(list(SERIES)),
        NESTED,
        pa.array(NESTED),
        pa.chunked_array([pa.array(NESTED[:1]), pa.array(NESTED[1:])]),
        NAN,
        torch.from_numpy(NAN),
        [one.T for one in SERIES],
        pd.DataFrame({name: [one[place] for one in SERIES] for place, name in enumerate("ab")}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_one_set_of_series_is_the_same_in_every_form(given):
    data = read(given)
    np.testing.assert_array_equal(data.values.astype(np.float32), NAN)
    assert data.modality == "series" and "series of 2 channels and 4 to 7 steps (NaN at the end" in data.description
    assert ends(data.values).tolist() == [4, 7, 5]


def test_lists_of_numbers_are_series_of_one_channel():
    data = read([[1, 2, 3], [4, 5]], label=["a", "b"])
    assert data.values.tolist()[0] == [[1, 2, 3]] and data.labels.tolist() == ["a", "b"]
    audio = read([np.ones(3, np.int16), np.ones(5, np.int16)]).values
    assert audio.dtype == np.float32 and audio.shape == (2, 1, 5)


def test_series_in_columns_of_a_table_keep_labels_apart(tmp_path):
    frame = pd.DataFrame({"x": [one[0] for one in SERIES], "y": ["a", "b", "a"]})
    frame.to_parquet(tmp_path / "series.parquet")
    data = read(tmp_path / "series.parquet", label="y")
    np.testing.assert_array_equal(data.values[:, 0], NAN[:, 0])
    assert data.labels.tolist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([np.ones((2, 3)), np.ones((3, 4))], "series 0 has 2 channels and series 1 has 3"),
        ([np.ones((2, 3)), np.ones((2, 0))], "series 1 has no steps"),
        ([np.ones(3), ["a", "b"]], "series 1 is of type <U1"),
        ([np.ones((1, 2, 3)), np.ones(2)], "series 0 has the shape (1, 2, 3)"),
        ([[[1.0, 2.0], [3.0]], [[1.0], [2.0]]], "series 0: its channels differ in length"),
        (pd.DataFrame({"a": [[1, 2], [1]], "b": [[1], [1]]}), "series 0: its columns have 1, 2 steps"),
        (torch.utils.data.TensorDataset(torch.ones(4, 3)), "a TensorDataset of torch is not read"),
        (torch.utils.data.DataLoader(torch.ones(4, 3)), "a DataLoader of torch is not read"),
    ],
)
def test_what_is_no_set_of_series_is_refused_in_a_line(given, words):
    with pytest.raises(UserError) as error:
        read(given, **({"modality": "series"} if isinstance(given, pd.DataFrame) else {}))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_channels_may_come_last():
    x = RNG.normal(size=(6, 40, 3))
    with pytest.warns(UserWarning, match=r"40 channels of 3 steps: is it transposed\?.*--channels last"):
        assert read(x).values.shape == (6, 40, 3)
    data = read(x, channels="last")
    np.testing.assert_array_equal(data.values, x.transpose(0, 2, 1))
    assert read((x * 9).astype(np.uint8), channels="last").modality == "series"
    # Elements that all have two steps: nothing but the user knows which axis is time.
    assert read([one.T for one in SERIES], channels="last").values.shape == (3, 2, 7)
    with pytest.raises(UserError, match=r"series \(samples, time, channels\), and this array has the shape \(6, 4\)"):
        read(np.ones((6, 4)), channels="last")
    with pytest.raises(UserError, match="channels = 'end' is unknown"):
        read(x, channels="end")
    with pytest.raises(UserError, match="is of series, and the modality is table"):
        read(x, channels="last", modality="table")


def test_swapped_axes_of_new_series_are_named():
    learnt = SeriesPreprocess.learn(RNG.normal(size=(6, 3, 40)))
    with pytest.raises(UserError, match="40 channels; the training had 3: of .samples, time, channels. give"):
        learnt.transform(RNG.normal(size=(6, 40, 3)))


def test_parts_of_an_archive_may_differ_in_length(tmp_path):
    parts = {"X_train": np.ones((3, 2, 5)), "X_test": np.ones((2, 2, 8))}
    np.savez(tmp_path / "d.npz", **parts)
    data = read(tmp_path / "d.npz", key="X_train", test_key="X_test")
    assert ends(data.values).tolist() == [5, 5, 5, 8, 8]


def test_an_encoder_of_one_length_has_the_last_value_of_a_series_that_ends_early():
    x = RNG.normal(size=(6, 2, 10))
    learnt = SeriesPreprocess.learn(x)
    early = x.copy()
    early[2, :, 7:] = np.nan
    with pytest.warns(UserWarning, match="1 series end early: their last value is held"):
        stored = learnt.transform(early)
    assert torch.equal(stored[2, :, 7:], stored[2, :, 6:7].expand(-1, 3))
    with pytest.raises(UserError, match="7 time steps; the training had 10"):
        learnt.transform(early[2:3, :, :7])


def test_compare_names_no_method_that_refuses_series_of_unequal_length():
    assert "ts_tcc" in _suited(read(np.ones((3, 2, 7)))) and "ts_tcc" not in _suited(read(SERIES))


def ragged(rows=24):
    draw = np.random.default_rng(0)
    steps = draw.integers(20, 30, rows)
    return pd.DataFrame({name: [draw.normal(size=n).tolist() for n in steps] for name in "xy"})


def test_columns_of_series_are_known_by_name_whatever_stands_beside_them(tmp_path):
    frame = ragged()
    mixed = frame.assign(who=["a", "b"] * 12)[["y", "who", "x"]]
    for name, one in (("plain", frame), ("mixed", mixed), ("numbers", mixed.assign(n=range(24)))):
        one.to_parquet(tmp_path / f"{name}.parquet")
    data = read(tmp_path / "mixed.parquet", series_columns=["x", "y"])
    assert data.description.endswith("24 rows; not read: 'who' (beside the series in 'x', 'y')")
    np.testing.assert_array_equal(data.values, read(frame).values)
    assert read(mixed).description.endswith("not read: 'who' (beside the series in 'y', 'x')")
    recipe = Recipe.default("simclr", "series").changed({"train.epochs": 1.0, "train.batch_size": 8})
    made = prepare(recipe, read(tmp_path / "plain.parquet")).representation()
    assert made.preprocess.form == {"series_columns": ["x", "y"]}
    expected = made.transform(frame)
    for given in (tmp_path / "mixed.parquet", tmp_path / "numbers.parquet", mixed, tmp_path / "plain.parquet"):
        np.testing.assert_array_equal(made.transform(given), expected)
    with pytest.raises(UserError, match="no column 'x' of series"):
        made.transform(mixed.drop(columns="x"))
    estimator = SelfSupervisedEncoder(epochs=1, batch_size=8, random_state=0)
    np.testing.assert_array_equal(
        estimator.fit(mixed).transform(mixed), estimator.fit(mixed[["y", "x"]]).transform(mixed[["y", "x"]])
    )


def test_series_beside_numbers_are_asked_about():
    with pytest.raises(UserError, match="'x' holds series of several lengths, and 'n' numbers: --modality series"):
        read(ragged().assign(n=range(24)))
    assert read(ragged().assign(n=range(24)), modality="series").values.shape[:2] == (24, 2)
    with pytest.raises(UserError, match="--drop x --drop y leaves them out$"):
        read(ragged().assign(fixed=[[1.0, 2.0]] * 24, n=range(24)))
    assert read(ragged().assign(n=range(24)), drop=["x", "y"]).modality == "table"


def test_lists_of_texts_are_no_series():
    tags = pd.DataFrame({"tags": [[], ["a"], ["a", "b"], None] * 6, "n": range(24)})
    assert read(tags).modality == "table"
    with pytest.raises(UserError, match="'tags', row 0: a cell holds list, .* leave the column out .--drop tags.$"):
        SelfSupervisedEncoder(epochs=1).fit(tags)


@pytest.mark.parametrize(("cells", "held"), [([["a"], ["a", "b"]], "list"), ([{"zip": 1}, {"zip": 2}], "dict")])
def test_nested_cells_are_refused_beside_a_label_too(cells, held, tmp_path):
    pd.DataFrame({"deep": cells * 12, "n": range(24), "y": list("uuvv") * 6}).to_parquet(tmp_path / "deep.parquet")
    with pytest.raises(UserError, match=f"'deep', row 0: a cell holds {held}, not a number or text"):
        next(train(tmp_path / "deep.parquet", label="y"))
