"""A verb replaces a file that it wrote before, and nothing that it reads."""

import pandas as pd
import pytest

from isotropy.cli.outputs import check_out
from isotropy.errors import UserError, nearest


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"g": ["u", "v"], "x": [1.0, 2.0]})
    frame.to_parquet("parts", partition_cols=["g"])
    for folder in ("days", "photos", "run"):
        (tmp_path / folder).mkdir()
    for name in ("a.csv", "b.csv", "days/1.csv", "days/2.csv", "photos/e.csv"):
        frame.to_csv(name, index=False)
    (tmp_path / "photos/cat.png").write_bytes(b"")
    (tmp_path / "link.csv").symlink_to("a.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("out", "reads"),
    [
        ("a.csv", "a.csv"),
        ("./days/../a.csv", "a.csv"),
        ("link.csv", "a.csv"),
        ("b.csv", ["a.csv", "b.csv"]),
        ("days/2.csv", "days/*.csv"),
        ("days/2.csv", "days"),
    ],
)
def test_what_is_read_is_not_replaced(out, reads, home):
    with pytest.raises(UserError, match=r"^--out .*, which would be lost: name another"):
        check_out(home / out, [".csv"], folder=home / "run", reads=[None, reads])


def test_a_file_of_a_table_in_partitions_is_not_replaced(home):
    part = next((home / "parts").rglob("*.parquet"))
    with pytest.raises(UserError, match="is one of the files of .*parts"):
        check_out(part, [".parquet"], folder=home / "run", reads=["parts"])


@pytest.mark.parametrize("out", ["b.csv", "new.csv", "photos/e.csv", "run/e.csv"])
def test_other_files_are_replaced(out, home):
    (home / "run/e.csv").touch()
    check_out(home / out, [".csv"], folder=home / "run", reads=["a.csv", "photos"])


def test_the_choices_of_a_wide_table_are_not_all_named():
    hint = nearest("x", [f"column {place:03d}" for place in range(400)])
    assert hint.endswith("column 038, column 039, and 360 more)")
    assert len(hint) < 600


@pytest.mark.parametrize(
    ("out", "reads"), [("days/new.csv", "days/*.csv"), ("days/new.csv", "days"), ("days/a/new.csv", "days/**/*.csv")]
)
def test_what_the_next_call_would_read_is_not_written(out, reads, home):
    (home / "days/a").mkdir()
    with pytest.raises(UserError, match="would be one of those of .*days"):
        check_out(home / out, [".csv"], folder=home / "run", reads=[None, reads])
    check_out(home / "days/a/new.csv", [".csv"], folder=home / "run", reads=["days/*.csv"])
