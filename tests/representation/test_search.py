"""A representation's words of search: `encode` streams what `transform` gives, `search` finds rows by it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from isotropy.data import ImagePreprocess, SeriesPreprocess
from isotropy.data.unequal import as_values
from isotropy.encoders import build
from isotropy.errors import UserError
from isotropy.io.tables import writing
from isotropy.representation import Representation, load
from isotropy.search import nearest
from representation.examples import made


def streams(values):
    """The rows of an array, as they may come; how many pieces of embeddings there are, where that is said."""
    yield list(values), 1
    yield (row for row in values), 1
    yield iter([values[:5], values[5:]]), 2
    yield (part for part in (*values[:3], values[3:10], *values[10:])), 3
    yield [torch.from_numpy(row) for row in values], 1
    yield DataLoader(TensorDataset(torch.from_numpy(values), torch.arange(len(values))), batch_size=9), None
    yield values, None
    yield torch.from_numpy(values), None


@pytest.mark.parametrize("name", ["series_cnn", "small_resnet", "array_mlp"])
def test_rows_and_pieces_stream_as_they_come(name: str, tmp_path: Path) -> None:
    representation, values = made(name)
    values = values[:20]
    whole = representation.transform(values)
    for given, count in streams(values):
        pieces = list(representation.encode(given))
        assert np.array_equal(np.concatenate(pieces), whole)
        assert count in (None, len(pieces))
    np.save(tmp_path / "rows.npy", values)
    assert np.array_equal(np.concatenate(list(representation.encode(tmp_path / "rows.npy"))), whole)


def test_images_stream_as_cameras_give_them() -> None:
    for channels in (1, 3):
        images = np.random.default_rng(0).integers(0, 256, (9, 20, 24, channels), dtype=np.uint8)
        values = images[..., 0] if channels == 1 else images
        preprocess = ImagePreprocess.learn(np.moveaxis(images, 3, 1))
        network = build("small_resnet", "image", preprocess.shape)
        representation = Representation(network, preprocess, method="lfr")
        whole = representation.transform(values)
        for given in (list(values), [values[:4], *values[4:]], [Image.fromarray(one) for one in values]):
            assert np.array_equal(np.concatenate(list(representation.encode(given))), whole)


def test_series_of_unequal_length_stream_one_by_one() -> None:
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(2, steps)) for steps in (60, 41, 80, 60, 33)]
    preprocess = SeriesPreprocess.learn(as_values(series))
    network = build("multiscale_cnn", "series", preprocess.shape)
    representation = Representation(network, preprocess, method="simclr")
    whole = representation.transform(series)
    for size in (1, 3, None):
        pieces = list(representation.encode(iter(series), batch_size=size))
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)


def test_a_table_streams_as_mappings_frames_and_files(tmp_path: Path) -> None:
    representation, frame = made("table_mlp")
    whole = representation.transform(frame)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    for given in (
        frame,
        frame.to_dict("records"),
        (row for _, row in frame.iterrows()),
        [frame[:3], *frame[3:5].to_dict("records"), frame[5:]],
        pd.read_csv(tmp_path / "rows.csv", chunksize=7),
        tmp_path / "rows.parquet",
        str(tmp_path / "rows.csv"),
    ):
        assert np.array_equal(np.concatenate(list(representation.encode(given))), whole)
    assert [len(z) for z in representation.encode(frame.to_dict("records"), batch_size=len(frame) - 1)] == [
        len(frame) - 1,
        1,
    ]
    # Nothing is asked of a stream before it is needed.
    endless = (row for _ in iter(int, 1) for row in frame.to_dict("records"))
    assert len(next(representation.encode(endless, batch_size=3))) == 3
    assert list(representation.encode([])) == []


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([3, 4], "encode: int is neither a row nor a piece of rows"),
        (["a.csv", np.ones(3)], "encode: 'a.csv' is a text"),
        ([np.ones((2, 99))], "99 columns"),
        (5, "encode: int is no iterable of rows, no data and no path"),
    ],
)
def test_what_is_no_row_is_one_line(items: Any, message: str) -> None:
    representation, _ = made("table_mlp")
    with pytest.raises(UserError, match=message):
        list(representation.encode(items))


@pytest.mark.parametrize("size", [0, -1, 2.5, "64"])
def test_a_batch_has_a_whole_number_of_rows(size: Any) -> None:
    """Below 1 none would ever be full, and an endless stream would be held whole."""
    representation, frame = made("table_mlp")
    with pytest.raises(UserError, match="batch_size must be a whole number of at least 1"):
        next(representation.encode(frame.to_dict("records"), batch_size=size))


def test_search_finds_rows_among_embeddings_a_run_s_or_an_index(tmp_path: Path) -> None:
    representation, frame = made("table_mlp")
    z = representation.transform(frame)
    expected = nearest(z[2:5], z, 4)
    found = representation.search(frame[2:5], top_k=4, corpus=z)
    assert found[0][:, 0].tolist() == [2, 3, 4]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    with pytest.raises(UserError, match=r"keeps no rows: give corpus=representation.transform\(rows\)"):
        representation.search(frame[:1])
    # As a run has them.
    representation.save(tmp_path)
    with writing(tmp_path / "embeddings.parquet", representation.names, ["part"]) as writer:
        writer.write(z, ["train"] * len(z))
    loaded = load(tmp_path)
    for _ in range(2):
        assert np.array_equal(loaded.search(frame[2:5], top_k=4)[0], expected[0])
    own = loaded.search(frame[2:5], top_k=4, leave_out=[2, 3, 4])[0]
    assert not (own == np.array([[2], [3], [4]])).any()
    with pytest.raises(UserError, match=f"top_k = 99999: give a whole number from 1 to {len(z)}"):
        loaded.search(frame[:1], top_k=99999)

    class Mine:
        def search(self, queries, top_k=10, *, leave_out=None):
            return nearest(queries, z, top_k, leave_out=leave_out)

    assert np.array_equal(representation.search(frame[2:5], 4, corpus=Mine())[0], expected[0])
    representation.corpus = z
    assert np.array_equal(representation.search(frame[2:5], 4)[0], expected[0])
    (tmp_path / "embeddings.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"embeddings.parquet: missing or damaged"):
        load(tmp_path).search(frame[:1])
