"""`isotropy search`: what is found, what is shown of it, and one line for what is not there."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from isotropy.cli import main
from isotropy.cli.beside import described, drawn, pictures
from isotropy.data import Data, read
from isotropy.representation import load
from isotropy.runs.embedded import Embedded
from isotropy.runs.events import Finished
from isotropy.runs.session import train
from isotropy.search import nearest


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a table whose rows 7 and 40 are equal."""
    home = tmp_path_factory.mktemp("search")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 80, 60), "pay": rng.normal(size=60), "job": ["cook", "[b]"] * 30})
    frame["kind"] = ["x", "y", None] * 20
    frame.iloc[40] = frame.iloc[7]
    frame.to_csv(home / "rows.csv", index=False)
    frame[:12].to_csv(home / "some.csv", index=False)
    events = train(home / "rows.csv", label="kind", method="simclr", epochs=1, out=home / "run", evaluators=["knn"])
    assert isinstance(list(events)[-1], Finished)
    return home


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    main(["search", *map(str, arguments)])
    return capsys.readouterr().out


def test_the_run_s_own_rows_are_found_without_the_row_itself(home, capsys) -> None:
    text = said(capsys, home / "run", "--query", "7, 2-3", "-k", 3, "--out", home / "found.json")
    lines = [line.split() for line in text.splitlines()]
    assert lines[1][:2] == ["row", "7"]
    assert lines[2][:2] == ["40", "1.0000"] and text.splitlines()[2].rstrip().endswith("all values are equal")
    assert "[b]" in text  # what looks like markup is text
    made = load(home / "run")
    frame = pd.read_csv(home / "rows.csv")
    z = made.transform(frame)
    indices, scores = nearest(z[[7, 2, 3]], z, 3, leave_out=[7, 2, 3])
    written = json.loads((home / "found.json").read_text())
    assert [one["query"] for one in written] == ["row 7", "row 2", "row 3"]
    assert [[near["row"] for near in one["neighbours"]] for one in written] == indices.tolist()
    np.testing.assert_allclose([[n["score"] for n in one["neighbours"]] for one in written], scores, atol=1e-6)
    # As from Python.
    assert np.array_equal(made.search(frame.iloc[[7, 2, 3]], 3, leave_out=[7, 2, 3])[0], indices)


def test_rows_of_a_file_are_found_in_a_file(home, capsys) -> None:
    text = said(
        capsys, home / "run", home / "rows.csv", "--query", home / "some.csv", "-k", 2, "--out", home / "f.parquet"
    )
    assert re.search(r"some.csv, row 0 +age", text) and "and 2 more queries" in text
    assert text.endswith("f.parquet: 24 lines, 2 rows for each query\n")
    table = pq.read_table(home / "f.parquet").to_pydict()
    assert list(table) == ["query", "rank", "row", "score"]
    assert table["rank"] == [1, 2] * 12 and table["row"][::2] == list(range(12)) and table["score"][0] == 1


def test_a_file_of_queries_is_read_by_the_options_given(home, capsys) -> None:
    frame = pd.read_csv(home / "some.csv").astype(object)
    frame.loc[0, "age"] = "none"
    frame.to_csv(home / "gaps.csv", index=False)
    text = said(capsys, home / "run", "--query", home / "gaps.csv", "--na", "none", "-k", 1)
    assert "gaps.csv, row 0" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--query", "60"], "--query 60: the data have 60 rows, numbered from 0 to 59"),
        (["--query", "5-2"], "--query 5-2: rows are counted upwards, as 2-5"),
        (["--query", "70-2"], "--query 70-2: the data have 60 rows"),
        (["--query", "50-60"], "--query 50-60: the data have 60 rows"),
        (["--query", ""], "--query : neither numbers of rows, as 5 or 3,7-9, nor a file"),
        (["--query", "nowhere.csv"], "--query nowhere.csv: neither numbers of rows, as 5 or 3,7-9, nor a file"),
        (
            ["--query", "{home}/other.npy"],
            "other.npy: an array (4, 2, 9); the run was trained on a table with columns age,",
        ),
        (
            ["{home}/other.npy"],
            "other.npy: an array (4, 2, 9); the run was trained on a table with columns age,",
        ),
        (["{home}/short.csv"], "short.csv"),
        (
            ["{home}/one.csv", "--query", "0", "-k", "1"],
            "--query 0: there is one row, and a row is no answer",
        ),
        (["-k", "60"], "-k 60: there are 59 rows to find, so give a number from 1 to 59"),
        (["--out", "a.txt"], "--out a.txt: the file has to end in .json or .parquet or .csv"),
        (["--out", "no/where.csv"], "--out no/where.csv: the folder no does not exist"),
        (["--out", "{home}/rows.csv"], "rows.csv: is the data, which would be lost: name another file"),
        (["--query", "{home}/some.csv", "--out", "{home}/some.csv"], "some.csv: is the data, which would be lost"),
        (["--out", "{home}/run/model.json"], "run/model.json: is a file of {home}/run, which would be lost"),
        (["--key", "X"], "--key is about data, and none is given: the run's own rows are searched"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(home, capsys, arguments, message) -> None:
    np.save(home / "other.npy", np.zeros((4, 2, 9)))
    (home / "short.csv").write_text("age,pay\n3,1\n")
    (home / "one.csv").write_text("age,pay,job\n30,1.5,cook\n")
    with pytest.raises(SystemExit) as stopped:
        main(["search", str(home / "run"), *(one.replace("{home}", str(home)) for one in arguments)])
    text = capsys.readouterr().err
    assert stopped.value.code == 2 and message.replace("{home}", str(home)) in text and text.count("\n") == 1


def test_rows_that_are_gone_are_shown_as_the_run_keeps_them(home, capsys, tmp_path) -> None:
    kept = (home / "rows.csv").read_bytes()
    (home / "rows.csv").unlink()
    try:
        main(["search", str(home / "run"), "--query", "7", "-k", "2"])
    finally:
        (home / "rows.csv").write_bytes(kept)
    out, err = capsys.readouterr()
    assert "rows are shown as the run keeps them" in err
    assert out.splitlines()[1].split()[1] == "1.0000" and out.splitlines()[1].rstrip().endswith("all values are equal")
    waves = np.random.default_rng(0).normal(size=(40, 1, 32)).astype(np.float32)
    list(train(waves, method="simclr", epochs=1, out=tmp_path / "waves"))
    main(["search", str(tmp_path / "waves"), "--query", "7", "-k", "2"])
    out, err = capsys.readouterr()
    assert "rows are shown by their numbers alone" in err and len(out.splitlines()) == 3


def test_labels_are_shown_as_the_user_has_them_each_of_several_by_its_name(home, capsys, tmp_path) -> None:
    frame = pd.read_csv(home / "rows.csv").assign(grade=[3, None, 5, 4] * 15)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    made = {"method": "simclr", "epochs": 1, "evaluators": ["knn"]}
    for out, label in ((tmp_path / "one", "grade"), (tmp_path / "two", ["kind", "grade"])):
        list(train(tmp_path / "rows.csv", label=label, out=out, **made))
    assert Embedded.opened(tmp_path / "one").beside["label"].tolist()[2:4] == ["5", "4"]
    assert [said(capsys, tmp_path / "one", "--query", row).splitlines()[1].split()[3] for row in (1, 2)] == ["-", "5"]
    for row, shown in ((2, "kind -  grade 5  "), (7, "kind y  grade 4  ")):
        assert shown in said(capsys, tmp_path / "two", "--query", row).splitlines()[1]


def test_labels_that_are_numbers_are_written_as_those_of_columns(home, capsys, tmp_path) -> None:
    frame = pd.read_csv(home / "rows.csv")
    frame["price"] = (frame["age"] / 3).astype(np.float32)
    frame.loc[0, "price"], frame.loc[1, "price"] = np.float32(2**40), np.nan
    frame.to_parquet(tmp_path / "rows.parquet")
    made = {"method": "simclr", "epochs": 1, "evaluators": ["knn"], "out": tmp_path / "run"}
    list(train(tmp_path / "rows.parquet", label="price", **made))
    text = said(capsys, tmp_path / "run", "--query", "0-4", "-k", 1)
    shown = re.findall(r"^row \d+ +(?:train|test) +(\S+)", text, re.MULTILINE)
    assert shown[:2] == ["1,099,511,627,776", "-"] and max(map(len, shown[2:])) <= 5, shown


def test_large_numbers_are_written_out() -> None:
    data = Data(pd.DataFrame({"pay": [151934.0, 151987.5, 3e30], "t": [1.23456, 20.0, 0.5]}), "table")
    query, near = described(data, data, 0, [1, 2], 60)
    assert (query, near[0]) == ("pay 151,934  t 1.235", "t 20  pay 151,988")
    assert "pay 3e+30" in near[1]


def test_values_that_differ_come_in_the_order_of_their_difference() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0, 0.0], "b": [0.0, 100.0, 90.0], "c": ["x", None, "x"], "d": [1, 1, 1]})
    data = Data(frame, "table")
    query, lines = described(data, data, 0, [1, 2], 80)
    assert query == "a 0  b 0  c x  d 1"
    assert lines == ["b 100  a 1  c -", "b 90"]
    # Numbers without names, and a line that is too short for all.
    data = read(np.array([[0.0, 0.0], [1.0, 2.0]]))
    assert described(data, data, 0, [1], 8) == ("0 0  1 0", ["0 1  1 2"])
    assert described(data, data, 0, [1], 7) == ("0 0  +1 more", ["0 1  +1 more"])
    assert drawn([np.full((1, 3), np.nan), np.ones((1, 3))], 10) == ["   ", "▁▁▁"]
    assert [len(line) for line in drawn([np.zeros((5, 300))], 60)] == [59]


def test_images_are_shown_by_file_and_picture() -> None:
    images = np.zeros((3, 3, 16, 32), dtype=np.uint8)
    images[1] = 255
    data = Data(images, "image", files=np.array(["a.png", "[red]b.png", "c.png"], dtype=object))
    assert described(data, data, 0, [1], 40) == ("a.png", ["[red]b.png"])
    lines = pictures(list(images), 100)
    assert len(lines) == 8 and lines[0] == " " * 32 + "  " + "@" * 32 + "  " + " " * 32
    assert pictures(list(images), 5)[0] == " " * 32


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on series of two channels and 32 steps."""
    home = tmp_path_factory.mktemp("waves")
    series = np.random.default_rng(0).normal(size=(40, 2, 32)).astype(np.float32)
    np.savez(home / "waves.npz", X=series)
    np.save(home / "short.npy", series[:3, :, :20])
    np.save(home / "same.npy", series[:3])
    np.save(home / "single.npy", series[0])
    assert isinstance(list(train(home / "waves.npz", method="simclr", epochs=1, out=home / "run"))[-1], Finished)
    return home


def test_series_of_another_length_are_said_to_be(waves, capsys) -> None:
    line = "note: the series have 20 steps, the training had 32\n"
    for command in (["search", "--query", "{}"], ["embed", "{}", "--out", str(waves / "z.npy")]):
        for name, times in (("short.npy", 1), ("same.npy", 0)):
            verb, *words = [word.replace("{}", str(waves / name)) for word in command]
            main([verb, str(waves / "run"), *words])
            err = capsys.readouterr().err
            assert err.count(line) == times and err.count("the series have") == times


def test_one_series_without_its_own_axis_is_told_its_shape(waves, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["search", str(waves / "run"), "--query", str(waves / "single.npy")])
    line = "the series have 1 channel; the training had 2: of one series give an array of shape (1, 2, 32)\n"
    assert capsys.readouterr().err.endswith(line)
