"""Recordings from the command line: cut, trained on, kept apart by subject, and new ones cut alike."""

import json

import numpy as np
import pandas as pd
import pytest

from end_to_end.conftest import QUICK
from isotropy import UserError, load, report
from isotropy.runs.directory import Run

SMALL = ["--method", "simclr", "--set", "encoder.filters=4", "--set", "train.batch_size=32"]


def day(seed: int, who: str, rate: int = 20) -> pd.DataFrame:
    """Return a minute of two channels, with what was done and by whom."""
    rng = np.random.default_rng(seed)
    t = np.arange(60 * rate) / rate
    walks = t % 20 >= 10
    x = np.sin(2 * np.pi * 2 * t) * walks + rng.normal(size=len(t)) * 0.1
    return pd.DataFrame({"t": t, "x": x, "y": -x, "done": np.where(walks, "Walk", "sit"), "who": who})


@pytest.fixture
def run(cli, tmp_path):
    for number, who in enumerate("abcd"):
        day(number, who).to_csv(tmp_path / f"day{number}.csv", index=False)
    files = [f"day{number}.csv" for number in range(4)]
    options = ["--time", "t", "--window", "2s", "--hop", "1s", "--group", "who", "--label", "done"]
    said = cli("fit", *files, *options, *SMALL, *QUICK, "--epochs", 1, "--out", "run")
    assert said.code == 0, said.err
    return said


def test_windows_of_files_keep_where_they_come_from_and_new_ones_are_cut_alike(run, cli, tmp_path):
    first = run.out.splitlines()[0]
    assert first.startswith(f"4 files of {tmp_path.name}: 236 windows of 4 recordings of 40 steps (2s) at 20 Hz")
    assert "groups from who (4)" in run.out.replace("\n", " ")
    kept = pd.read_parquet("run/embeddings.parquet")
    assert list(kept.columns[:8]) == ["part", "label", "file", "group", "start", "end", "fraction of done", "row"]
    assert (
        (kept.end - kept.start == 2).all()
        and set(kept.label) == {"Walk", "sit"}
        and kept["fraction of done"].min() == 0.5
    )
    assert not set(kept.group[kept.part == "train"]) & set(kept.group[kept.part == "test"])
    assert Run("run").recipe.data["window"] == "2s" and len(Run("run").recipe.data["path"]) == 4
    assert json.loads((tmp_path / "run/data.json").read_text())["windows"]["groups"] == dict.fromkeys("abcd", 59)
    assert "4 groups of 59 to 59 windows" in report.write("run").read_text()

    day(0, "a").drop(columns=["done", "who"])[["y", "t", "x"]].to_csv("new.csv", index=False)
    said = cli("embed", "run", "new.csv", "--out", "new.parquet")
    assert said.code == 0 and "windows of 40 steps" in said.out and "divide" not in said.out, "no part of them tests"
    new, old = pd.read_parquet("new.parquet"), kept[kept.file == "day0.csv"]
    assert np.array_equal(new.filter(regex=r"^z\d"), old.filter(regex=r"^z\d"))
    assert new.start.tolist() == old.start.tolist() and set(new.file) == {"new.csv"}
    assert np.array_equal(load("run").transform("new.csv"), new.filter(regex=r"^z\d"))
    day(0, "a", rate=40).to_csv("fast.csv", index=False)
    said = cli("embed", "run", "fast.csv", "new.csv", "--hop", "2s", "--out", "two.csv")
    assert said.code == 0 and "of 1 file: 1 of 1 recordings resampled from 40 Hz to 20 Hz" in said.err.replace(
        "\n", " "
    )
    assert pd.read_csv("two.csv").file.value_counts().to_dict() == {"fast.csv": 30, "new.csv": 30}

    said = cli("probe", "run", "day0.csv", "day1.csv", "--label", "done", *QUICK)
    assert said.code == 0 and "groups from who (2)" in said.out.replace("\n", " ")
    for wrong, what in {
        ("embed", "run", "new.csv", "--group", "team", "--out", "x.csv"): "no column 'team' (group, new.csv)",
        ("embed", "run", "day*.csv", "--hop", "0", "--out", "x.csv"): "hop '0' must be above 0",
        ("fit", "new.csv", "--window", "5min", "--time", "t"): "longer than every recording",
        ("fit", "new.csv", "fast.csv", "--window", "2s", "--time", "t"): "fast.csv: column 'done' holds 'sit' (row 0)",
        ("fit", "day0.csv", "fast.csv", "--window", "2s", "--time", "t", "--label", "done"): "'who' holds 'a'",
    }.items():
        said = cli(*wrong)
        assert said.code == 2 and what in said.err and said.err.count("\n") == 1, said.err
    assert not (tmp_path / "runs").exists() and not (tmp_path / "x.csv").exists()
    with pytest.raises(UserError, match="has no channel 'y', which the training had"):
        load("run").transform(day(0, "a").drop(columns="y"))
