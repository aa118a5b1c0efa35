"""What is said of a path that is none of a run, or of a run where data are wanted."""

import os
from pathlib import Path

import pytest

from isotropy.cli.outputs import check_out
from isotropy.errors import UserError
from isotropy.io.paths import existing, existing_folder
from isotropy.runs.comparison_folder import ComparisonFolder
from isotropy.runs.directory import Run


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a folder like that of a run, and stand where `isotropy fit` was called."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "people-masked" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "people-masked" / "recipe.toml").write_text("")
    (tmp_path / "people.csv").write_text("a\n1\n")
    return Path("runs/people-masked")


@pytest.mark.parametrize("wrong", ["runs/people-maskd", "people-masked", "nowhere/People-masked"])
def test_the_nearest_run_is_named(run, wrong):
    line = "no such run directory .did you mean 'runs/people-masked'..$"
    with pytest.raises(UserError, match=line):
        existing_folder(Path(wrong))
    assert existing_folder(run) == run


def test_a_file_is_no_run_and_a_run_no_data(run):
    with pytest.raises(UserError, match="people.csv: is a file, and no run directory, which stands before the data"):
        existing_folder(Path("people.csv"))
    with pytest.raises(UserError, match="runs/people-masked is a run, where data are wanted: isotropy diagnose runs/"):
        existing(run)
    (run / "recipe.toml").unlink()
    assert existing(run) == run


def test_a_name_that_is_not_of_utf_8_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    home.mkdir()
    monkeypatch.chdir(home)
    line = r"^the name caf\\xe9 is not UTF-8, as a place for .parquet has to be: choose another$"
    for begin in (Run("new").refuse_if_taken, lambda: Run.opened(home), lambda: ComparisonFolder("new").begin({}, 1.0)):
        with pytest.raises(UserError, match=line):
            begin()
    with pytest.raises(UserError, match=line):
        check_out(home / "e.parquet", [".parquet"], folder=tmp_path, reads=[])
    check_out(home / "e.csv", [".csv"], folder=tmp_path, reads=[])
    assert not list(home.iterdir())
