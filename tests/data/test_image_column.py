"""Images in a column of a table: paths of files, or their bytes."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from isotropy.data import ImagePreprocess, read
from isotropy.data.readers import options_for
from isotropy.data.stream import stream
from isotropy.errors import UserError

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = ["cat", "dog", "cat", "dog", "cat", "dog"]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOTROPY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    for place, levels in enumerate(LEVELS):
        Image.fromarray(levels).save(tmp_path / "images" / f"{place}.png")


def frame():
    return pd.DataFrame({"file": [f"images/{n}.png" for n in range(6)], "kind": LABELS, "age": range(6)})


def encoded(levels):
    out = io.BytesIO()
    Image.fromarray(levels).save(out, "PNG")
    return out.getvalue()


def hugging_face(path):
    images = [{"bytes": encoded(levels), "path": f"{n}.png"} for n, levels in enumerate(LEVELS)]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(images, struct), "label": pa.array([0, 1] * 3)}), path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_paths_are_looked_up_beside_the_table(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"t{suffix}"
    frame().to_csv(path, index=False) if suffix == ".csv" else frame().to_parquet(path)
    data = read(path, image_column="file", label="kind")
    np.testing.assert_array_equal(data.values, LEVELS.transpose(0, 3, 1, 2))
    assert data.modality == "image" and data.labels.tolist() == LABELS
    assert data.description == (
        f"t{suffix}, file: RGB images brought to 32x32, 6 rows; labels from kind; 1 other columns not read"
    )
    assert np.array_equal(read(path, modality="image").values, data.values)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(read(frame(), modality="image", label=LABELS).values, data.values)


def test_bytes_as_hugging_face_writes_them_need_no_name(tmp_path):
    hugging_face(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet", label="label")
    np.testing.assert_array_equal(data.values, LEVELS.transpose(0, 3, 1, 2))
    assert data.labels.tolist() == [0, 1] * 3
    learnt = ImagePreprocess.learn(data.values).with_form(data.form)
    pieces = list(stream(tmp_path / "t.parquet", learnt).pieces)
    assert np.array_equal(np.concatenate(pieces), data.values)
    assert options_for(learnt, tmp_path / "t.parquet")["size"] == 32


def test_rows_without_an_image_are_left_out_with_their_labels(tmp_path):
    table = frame()
    table.loc[2, "file"] = None
    table.loc[3, "file"] = "images/gone.png"
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        UserError, match="2 of 6 images cannot be read .row 2: there is no image in this row; images/gone"
    ):
        read(tmp_path / "t.csv", image_column="file", label="kind")
    data = read(tmp_path / "t.csv", image_column="file", label="kind", max_bad="50%", time="age")
    assert data.labels.tolist() == ["cat", "dog", "cat", "dog"] and data.times.tolist() == [0, 1, 4, 5]


def test_a_changed_file_is_decoded_again(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    read(tmp_path / "t.csv", image_column="file")
    Image.fromarray(LEVELS[5]).save(tmp_path / "images" / "0.png", optimize=True)
    again = read(tmp_path / "t.csv", image_column="file").values
    np.testing.assert_array_equal(again[0], LEVELS[5].transpose(2, 0, 1))


def test_what_is_no_column_of_images(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match="there is no column 'fil' .images.*'file'"):
        read(tmp_path / "t.csv", image_column="fil")
    with pytest.raises(UserError, match="column 'age' holds int .row 0.: images are paths or bytes"):
        read(tmp_path / "t.csv", image_column="age")
    with pytest.raises(UserError, match="image_column names a column of a table"):
        read(tmp_path / "images", image_column="file")
    with pytest.raises(UserError, match="columns a and b hold images: name one"):
        read(pd.DataFrame({"a": [b"x"], "b": [b"y"]}))


def test_a_table_that_names_images_says_so(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    data = read(tmp_path / "t.csv", label="kind")
    assert data.modality == "table" and "file names images, which --image-column file reads" in data.description
