"""Options of `read`: every kind of source takes its own and refuses the others by name."""

from dataclasses import fields
from inspect import signature

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from isotropy.data import SeriesPreprocess, read
from isotropy.data.options import Options
from isotropy.data.sources import SOURCES
from isotropy.data.sources.source import EVERYWHERE, MEANINGS
from isotropy.data.tensors import DENSE
from isotropy.errors import UserError

FRAME = pd.DataFrame({"a": np.arange(12.0) ** 2, "b": [0.5, 2.0, 1.0] * 4})
# For every option that not all sources take a value that means something.
VALUES = {
    "key": "x", "label_key": "y", "test_key": "x2", "test_label_key": "y2", "drop": "a", "kinds": {"a": "numeric"},
    "series_columns": ["a"],
    "text": ["a"], "image_column": "a", "size": 32, "channels": 4, "order": "last", "fit": "pad", "background": "red",
    "levels": [0, 9], "scale": "unit", "max_bad": 1, "store": "here", "progress": print, "window": 4, "hop": 2,
    "id": "b", "rate": 5.0, "gap": "1s", "time_unit": "ms", "channel_column": "a",
}  # fmt: skip


def test_options_are_the_arguments_of_read() -> None:
    names = {one.name for one in fields(Options)}
    assert names - {"order"} == set(signature(read).parameters) - {"dataset", "stream"}
    assert names == EVERYWHERE | set(MEANINGS), "an option without a meaning, or the other way round"
    for one in fields(Options):
        if one.name != "order":
            assert one.default == signature(read).parameters[one.name].default, one.name
    assert set(VALUES) == set(MEANINGS) - {"like"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_what_a_source_does_not_take_is_refused_by_name(source) -> None:
    for option, value in VALUES.items():
        given = Options(**{option: value})
        if option in source.takes:
            source.refuse_others(given, "t.csv")
        else:
            with pytest.raises(UserError, match=f"{MEANINGS[option].replace('.', '.')}; t.csv has none"):
                source.refuse_others(given, "t.csv")


def test_options_of_another_kind_of_data_are_refused_at_the_door(tmp_path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    np.savez(tmp_path / "t.npz", x=FRAME.to_numpy())
    (tmp_path / "f").mkdir()
    for place in range(2):
        Image.new("RGB", (40, 40), (place, 0, 0)).save(tmp_path / "f" / f"{place}.png")
    for dataset, options, words in (
        (tmp_path / "t.csv", {"size": 32}, "size is of images in files; t.csv has none"),
        (tmp_path / "t.csv", {"scale": "unit"}, "scale says how floats are read in images of an array; t.csv has none"),
        (tmp_path / "t.npz", {"drop": "a"}, "drop names columns by name; t.npz has none"),
        (tmp_path / "f", {"kinds": {"a": "numeric"}}, "kind names columns by name; f has none"),
        (tmp_path / "f", {"scale": "unit"}, "scale says how floats"),
        (FRAME, {"max_bad": "5%"}, "max_bad is of images in files; a frame has none"),
        (FRAME.to_numpy(), {"background": "red"}, "background is of images in files; an array has none"),
        (FRAME, {"window": 3, "size": 32}, "size is of images in files; the data has none"),
        (FRAME, {"window": 3, "test_key": "x"}, "test_key names arrays"),
    ):
        with pytest.raises(UserError, match=words):
            read(dataset, **options)
    # What says nothing is no option.
    assert len(read(FRAME, max_bad="0", drop=[], kinds={}, text=[], size=None)) == 12


def test_a_sparse_matrix_is_read_as_all_its_numbers_where_these_fit() -> None:
    x = sparse.random(30, 8, 0.2, format="csr", random_state=0)
    data = read(x, label=np.arange(30) % 2)
    assert np.array_equal(data.values, x.toarray()) and data.modality == "table"
    assert data.description.startswith(
        "the sparse matrix (20.0% filled, read as all its numbers): a table of 8 columns"
    )
    for kind in (sparse.coo_array, sparse.csc_matrix, sparse.lil_array):
        assert np.array_equal(read(kind(x)).values, x.toarray())
    large = sparse.csr_matrix((DENSE, 2))
    with pytest.raises(UserError, match=r"250,000,000 x 2 \(0.0% filled\) is not read.*take 4 GB, and up to 250 MB"):
        read(large)


def test_channels_last_is_remembered() -> None:
    x = np.random.default_rng(0).normal(size=(6, 30, 2))
    data = read(x, channels="last")
    assert data.form == {"channels": "last"} and read(x.transpose(0, 2, 1)).form == {}
    learnt = SeriesPreprocess.learn(data.values).with_form(data.form)
    assert learnt.read_options(folder=False) == {"channels": "last"}
    assert SeriesPreprocess.from_json(learnt.to_json()).to_json() == learnt.to_json()
    assert "form" not in SeriesPreprocess.learn(data.values).to_json()


def test_channels_last_of_recordings() -> None:
    x = np.random.default_rng(0).normal(size=(2, 30, 3))
    last, first = (read(one, window=10, channels=c) for one, c in ((x, "last"), (x.transpose(0, 2, 1), None)))
    assert np.array_equal(last.values, first.values) and last.values.shape == (6, 3, 10)
    # Fewer steps than channels: only the option says which is which.
    wide = np.random.default_rng(0).normal(size=(12, 20))
    assert read(wide, window=4).values.shape[1] == 12
    assert read(wide, window=4, channels="last").values.shape[1] == 20
    assert read(wide, window=4, channels="first").values.shape[1] == 12
