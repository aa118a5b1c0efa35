"""Data of another kind than a run was trained on: the line says what came and what was trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isotropy.data import (
    ArrayPreprocess,
    ImagePreprocess,
    Preprocess,
    SeriesPreprocess,
    TablePreprocess,
    preprocess_from,
    read,
)
from isotropy.data.stream import stream
from isotropy.errors import UserError
from isotropy.representation.inputs import read_for, values_for

RNG = np.random.default_rng(0)
PEOPLE = pd.DataFrame({"age": RNG.normal(size=20), "job": ["cook", "smith"] * 10})
TRAINED: dict[str, Preprocess] = {
    "table": TablePreprocess.learn(PEOPLE),
    "columns": TablePreprocess.learn(RNG.normal(size=(20, 12))),
    "series": SeriesPreprocess.learn(RNG.normal(size=(5, 2, 30))),
    "image": ImagePreprocess.learn(RNG.integers(0, 255, (5, 3, 16, 24), dtype=np.uint8)),
    "array": ArrayPreprocess.learn(RNG.normal(size=(5, 2, 3, 4, 5))),
}

AGE_JOB = "the run was trained on a table with columns age, job"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    np.save(tmp_path / "waves.npy", RNG.normal(size=(4, 2, 30)))
    np.savez(tmp_path / "waves.npz", X=RNG.normal(size=(4, 2, 30)), y=np.arange(4))
    np.save(tmp_path / "volumes.npy", RNG.normal(size=(4, 2, 3, 4, 5)))
    np.save(tmp_path / "texts.npy", np.array([["a", "b"]]))
    (tmp_path / "imgs").mkdir()
    for number in range(3):
        Image.fromarray(RNG.integers(0, 255, (16, 16), dtype=np.uint8)).save(tmp_path / "imgs" / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("trained", "name", "line"),
    [
        ("table", "waves.npy", "waves.npy: an array (4, 2, 30); " + AGE_JOB),
        (
            "table",
            "waves.npz",
            "waves.npz, X: an array (4, 2, 30); " + AGE_JOB,
        ),
        ("columns", "waves.npy", "waves.npy: an array (4, 2, 30); the run was trained on a table of 12 columns"),
        ("table", "imgs", "imgs: a folder of images; " + AGE_JOB),
        ("series", "imgs/0.png", "0.png: an image; the run was trained on series of 2 channels"),
        ("series", "people.csv", "people.csv: a table; the run was trained on series of 2 channels"),
        ("series", "volumes.npy", "volumes.npy: an array (4, 2, 3, 4, 5); the run was trained on series of 2 channels"),
        ("series", "texts.npy", "texts.npy: an array (1, 2) of texts; the run was trained on series of 2 channels"),
        ("image", "people.csv", "people.csv: a table; the run was trained on RGB images of 16x24"),
        ("image", "volumes.npy", "volumes.npy: an array (4, 2, 3, 4, 5); the run was trained on RGB images of 16x24"),
        ("array", "people.csv", "people.csv: a table; the run was trained on arrays of 2x3x4x5"),
    ],
)
def test_a_file_of_another_kind_is_said_to_be_what_it_is(home: Path, trained: str, name: str, line: str) -> None:
    preprocess = TRAINED[trained]
    for way in (read_for, values_for, lambda learnt, path: list(stream(path, learnt).pieces)):
        with pytest.raises(UserError) as error:
            way(preprocess, home / name)
        assert str(error.value) == line


def test_what_is_in_memory_has_no_name() -> None:
    with pytest.raises(UserError, match=rf"^an array \(4, 2, 30\); {AGE_JOB}$"):
        values_for(TRAINED["table"], np.zeros((4, 2, 30)))
    with pytest.raises(UserError, match="^a table; the run was trained on series of 2 channels$"):
        values_for(TRAINED["series"], PEOPLE)


def test_mistakes_in_data_of_the_same_kind_are_said_as_before(home: Path) -> None:
    pd.DataFrame({"file": ["imgs/none.png"], "n": [1]}).to_csv(home / "listed.csv", index=False)
    with pytest.raises(UserError, match="listed.csv, file: 1 of 1 images cannot be read"):
        read_for(TRAINED["image"], home / "listed.csv")
    with pytest.raises(UserError, match="waves.npz has no array 'Z'"):
        read_for(TRAINED["series"], home / "waves.npz", key="Z")
    with pytest.raises(UserError, match=r"nowhere.csv does not exist"):
        read_for(TRAINED["series"], home / "nowhere.csv")
    # A table is how recordings come: what is wrong with one is said by who cuts them.
    clocked = PEOPLE.assign(t=np.arange(20.0), b=np.arange(20.0) % 3).drop(columns="job")
    data = read(clocked, window=5, time="t")
    assert data.windows is not None
    cut = SeriesPreprocess.learn(data.values).of_recordings(data.windows.format)
    with pytest.raises(UserError, match="^(?!.*the run was trained on)"):
        read_for(cut, clocked.drop(columns="b"))


def test_several_files_say_who_reads_them_as_one_data_set(home: Path) -> None:
    for number in range(2):
        PEOPLE.to_csv(home / f"part{number}.csv", index=False)
    said = rf"part\*.csv: several files, one data set to encode and isotropy embed alone: give a single one; {AGE_JOB}"
    for reading in (values_for, read_for):
        with pytest.raises(UserError, match=said):
            reading(TRAINED["table"], home / "part*.csv")
    with pytest.raises(UserError, match="several files are read as series, not table: stream them"):
        read(home / "part*.csv", modality="table")
    with pytest.raises(UserError, match=r"--drop job\); where the files are one table: --stream"):
        read(home / "part*.csv")
    both = read(home / "part*.csv", drop=["job"])
    assert "2 rows, one a recording; their rows are one table with --stream" in both.description
    assert "--stream" not in read(home / "part*.csv", drop=["job"], window=5).description
    with pytest.raises(UserError, match="none.csv matches no file"):
        values_for(TRAINED["table"], home / "*none.csv")


def test_a_table_names_eight_of_its_columns() -> None:
    wide = TablePreprocess.learn(pd.DataFrame(RNG.normal(size=(9, 10)), columns=list("abcdefghij")))
    assert wide.trained_on == "a table with columns a, b, c, d, e, f, g, h and 2 more"
    assert preprocess_from(wide.to_json()).trained_on == wide.trained_on
