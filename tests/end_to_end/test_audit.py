"""`isotropy audit`: what was put into a table is found and told, files are whole, and wrong input is one line."""

import json

import numpy as np
import pandas as pd
import pytest

from end_to_end.conftest import SMALL_TABLE, Said
from isotropy.audit import KINDS, audit_run
from isotropy.cli import main
from isotropy.cli.audit import _told
from isotropy.cli.show import OUT
from isotropy.errors import UserError

ROWS = 240


def blobs():
    """Return three clusters with copies (3 of 5, 7 nearly 9), flipped labels (20, 40), a far row and subjects."""
    rng = np.random.default_rng(0)
    y = np.arange(ROWS) % 3
    x = 5 * np.eye(3, 6)[y] + rng.normal(size=(ROWS, 6))
    x[3], x[7], x[100] = x[3 + 3], x[7 + 3] + 1e-3, 60.0
    y[[20, 40]] = (y[[20, 40]] + 1) % 3
    frame = pd.DataFrame(x, columns=list("abcdef"))
    frame["kind"], frame["who"] = np.array(["ant", "bee", "[cat]"])[y], rng.integers(0, 12, ROWS)
    return frame.assign(ignored=np.arange(ROWS) % 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the table and a run on it."""
    place = tmp_path_factory.mktemp("audit")
    blobs().to_csv(place / "blobs.csv", index=False)
    fit = [
        "fit",
        place / "blobs.csv",
        "--label",
        "kind",
        "--drop",
        "ignored",
        "--group",
        "who",
        "--epochs",
        2,
        *SMALL_TABLE,
    ]
    main([str(one) for one in [*fit, "--evaluate", "linear", "--out", place / "run"]])
    return place


def test_what_was_injected_is_found_and_told(folder, cli):
    said: Said = cli("audit", folder / "run")
    assert said.code == 0, said.err
    frame = pd.read_parquet(folder / "run" / "audit.parquet")
    assert len(frame) == ROWS and (frame["row"] == np.arange(ROWS)).all()
    for kind in ("exact_duplicate", "near_duplicate", "twin", "label", "misplaced", "outlier", "group", "blank"):
        score = frame[f"{kind}_score"]
        assert frame[f"is_{kind}_issue"].dtype == bool and score.between(0, 1).all()
    assert np.flatnonzero(frame["is_exact_duplicate_issue"]).tolist() == [3, 6]
    assert np.flatnonzero(frame["is_near_duplicate_issue"]).tolist() == [7, 10]
    assert frame["near_duplicate_set"].iloc[[3, 6, 7, 10]].tolist() == [0, 0, 1, 1]
    assert set(frame["label_score"].nsmallest(3).index) >= {20, 40} and frame["is_label_issue"].iloc[[20, 40]].all()
    assert frame["outlier_score"].idxmin() == 100 and frame["is_outlier_issue"].iloc[100]
    assert not frame["is_blank_issue"].any()
    assert "row 3        0.000  equal to row 6" in said.out
    assert "labelled [cat], reads as" in said.out or "labelled" in said.out
    listed = pd.read_csv(folder / "run" / "audit" / "label.csv")
    assert listed["rank"].tolist() == list(range(1, len(listed) + 1)) and listed["score"].is_monotonic_increasing
    assert set(listed["row"]) == set(np.flatnonzero(frame["is_label_issue"]))
    about = json.loads((folder / "run" / "audit.json").read_text())
    assert about["issues"]["label"]["rows"] == len(listed) and list(about["issues"]) == list(KINDS)


def test_a_long_reason_goes_on_below_itself_on_a_narrow_terminal(monkeypatch):
    entry = {"row": 7, "score": 0.25, "reason": "each value is usual, but not beside the others"}
    assert _told(entry) == "  row 7        0.250  each value is usual, but not beside the others"
    monkeypatch.setattr(OUT, "_force_terminal", True)
    monkeypatch.setattr(OUT, "width", 50)
    lines = _told(entry).split("\n")
    assert lines == ["  row 7        0.250  each value is usual, but not", 22 * " " + "beside the others"]


@pytest.mark.parametrize("name", ["credit_score", "is_late_issue", "reason", "file"])
def test_a_label_that_is_called_as_a_column_of_ours_stands_beside_it(folder, cli, name):
    levels = np.arange(ROWS) % 3 * 10 + 600
    np.save(folder / f"{name}.npy", levels)
    said: Said = cli("audit", folder / "run", "--label", folder / f"{name}.npy")
    assert said.code == 0, said.err
    frame = pd.read_parquet(folder / "run" / "audit.parquet")
    assert name not in frame and frame[f"label {name}"].tolist() == levels.tolist()
    listed = pd.read_csv(folder / "run" / "audit" / "exact_duplicate.csv")
    assert listed["reason"].tolist() == ["equal to row 6", "equal to row 3"] and listed["score"].tolist() == [0, 0]
    assert f"label {name}" in listed and "row 3        0.000  equal to row 6" in said.out
    # The map is coloured by the scores of the audit alone.
    assert "credit (audit)" not in (folder / "run" / "report.html").read_text()


def test_twins_are_copies_on_both_sides(folder):
    found = audit_run(folder / "run", write=False)
    part, twin = found.known["part"], found.issues["twin"]
    sets = found.frame["near_duplicate_set"].to_numpy()
    across = [
        row for row in range(ROWS) if sets[row] >= 0 and part[row] == "test" and "train" in part[sets == sets[row]]
    ]
    assert np.flatnonzero(twin.issue).tolist() == across


def test_a_label_of_a_file_and_one_of_another_length(folder, cli, tmp_path):
    labels = blobs()["kind"].to_numpy()
    labels[[50, 51]] = labels[[51, 50]]
    pd.DataFrame({"again": labels}).to_csv("again.csv", index=False)
    said = cli("audit", folder / "run", "--label", "again.csv", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["issues"]["label"]["rows"] > 0
    pd.DataFrame({"short": labels[:-1]}).to_csv("short.csv", index=False)
    said = cli("audit", folder / "run", "--label", "short.csv")
    assert (said.code, said.err) == (2, "isotropy: label short: 239 values for 240 rows: give one for each row\n")
    with pytest.raises(UserError, match="label: 3 values for 240 rows"):
        audit_run(folder / "run", np.arange(3))


def test_labels_of_an_array_file_are_read_as_those_of_data(folder, cli, tmp_path):
    np.save("two.npy", np.zeros((ROWS, 2)))
    said = cli("audit", folder / "run", "--label", "two.npy")
    told = f"isotropy: --label two.npy: labels of shape ({ROWS}, 2): give one for each row\n"
    assert (said.code, said.err) == (2, told)
    labels = blobs()["kind"].to_numpy().astype(str)
    labels[5], labels[6] = "", "nan"
    np.save("gaps.npy", labels)
    assert cli("audit", folder / "run", "--label", "gaps.npy").code == 0
    assert pd.read_parquet(folder / "run" / "audit.parquet")["gaps"].isna().to_numpy().nonzero()[0].tolist() == [5, 6]


@pytest.mark.parametrize(
    "label, told",
    [
        ("a", "--label a: the encoder was trained with this column as an input"),
        ("kid", "--label kid: there is no such column (did you mean 'kind'?)"),
        ("zzz", "--label zzz: there is no such column (valid: ignored, kind)"),
        ("none.csv", "--label none.csv: cannot be read"),
    ],
)
def test_wrong_labels_are_one_line(label, told, folder, cli):
    said = cli("audit", folder / "run", "--label", label)
    assert said.code == 2 and told in said.err and said.err.count("\n") == 1


def test_no_run_and_other_data_are_one_line(folder, cli, tmp_path):
    said = cli("audit", tmp_path)
    assert said.code == 2 and said.err.count("\n") == 1
    original = (folder / "blobs.csv").read_text()
    before = (folder / "run" / "audit.json").read_bytes() if (folder / "run" / "audit.json").exists() else None
    try:
        blobs().assign(a=0.0).to_csv(folder / "blobs.csv", index=False)
        said = cli("audit", folder / "run")
    finally:
        (folder / "blobs.csv").write_text(original)
    assert said.code == 2 and "the data is not what the run began with" in said.err and said.err.count("\n") == 1
    assert before is None or (folder / "run" / "audit.json").read_bytes() == before
