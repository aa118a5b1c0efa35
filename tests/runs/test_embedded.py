"""What a finished run gives to searches, audits and clusters."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isotropy.errors import UserError
from isotropy.report.explore import explore
from isotropy.report.lists import audit_lists, read_audit
from isotropy.report.points import read_points
from isotropy.runs.columns import Column, add_columns, name_for
from isotropy.runs.directory import Run
from isotropy.runs.embedded import FILE, Embedded
from isotropy.runs.events import Finished
from isotropy.runs.session import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("embedded")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"z0": rng.normal(size=60), "b": rng.normal(size=60), "kind": ["x", "y", None] * 20})
    frame.to_csv(home / "rows.csv", index=False)
    events = train(home / "rows.csv", label="kind", method="simclr", epochs=1, out=home / "run", evaluators=["knn"])
    assert isinstance(list(events)[-1], Finished)
    return home


def test_a_run_gives_its_vectors_parts_labels_and_data(folder: Path) -> None:
    found = Embedded.opened(folder / "run")
    data, rows = found.read_data()
    assert len(found) == len(data) == len(rows) == 60
    assert set(found.part) == {"train", "test"}
    assert pd.isna(found.beside["label"]).sum() == 20
    assert np.array_equal(found.vectors, found.representation.transform(data.values))


@pytest.mark.parametrize(
    ("label", "kept", "kind"),
    [
        ([0.5, None, 2.0] * 20, [0.5, None, 2.0], pa.float64()),
        ([f"{row}.25 EUR" for row in range(60)], [0.25, 1.25, 2.25], pa.float64()),
        ([1.0, None, 2.0] * 20, ["1", None, "2"], pa.string()),
    ],
)
def test_labels_that_are_numbers_stay_numbers(label, kept, kind, tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": np.random.default_rng(0).normal(size=60), "y": label})
    list(train(rows, label="y", method="simclr", epochs=1, out=tmp_path / "run", evaluators=["knn"]))
    table = pq.read_table(tmp_path / "run" / FILE)
    assert table.schema.field("label").type == kind
    assert table["label"].to_pylist()[:3] == kept
    shown = next(one for one in read_points(Run(tmp_path / "run"), labels={}).columns if one.name == "y")
    assert shown.kind == ("classes" if kind == pa.string() else "numbers")


def test_rows_in_no_cluster_have_no_value_on_the_page(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    add_columns(run / FILE, {"cluster": Column(np.array([0, -1, 1] * 20, dtype=np.int32), "cluster")})
    shown = {one.name: one for one in read_points(Run(run), labels={}).columns}["cluster"]
    assert shown.levels == ("0", "1") and shown.values[:3].tolist() == [0, -1, 1]


def test_the_page_says_what_of_rows_that_are_gone_is_shown(folder: Path, tmp_path: Path) -> None:
    moved = folder / "moved.csv"
    (folder / "rows.csv").rename(moved)
    try:
        points = read_points(Run(folder / "run"), labels={})
    finally:
        moved.rename(folder / "rows.csv")
    assert points.note and "Rows are shown as the run keeps them: " in explore(points)
    list(train(np.zeros((40, 3)) + np.arange(120).reshape(40, 3), method="simclr", epochs=1, out=tmp_path / "r"))
    assert "The rows themselves are not shown: " in explore(read_points(Run(tmp_path / "r"), labels={}))


def test_a_label_called_as_a_column_of_the_run_is_the_label_on_the_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "kind": ["x", "y"] * 30})
    frame.assign(part=["left", "right", "left"] * 20).to_csv(tmp_path / "rows.csv", index=False)
    labels = ["kind", "part"]
    list(train(tmp_path / "rows.csv", label=labels, method="simclr", epochs=1, out=tmp_path / "r", evaluators=["knn"]))
    shown = read_points(Run.opened(tmp_path / "r"), labels=dict.fromkeys(labels)).columns
    found = {one.name: (one.source, one.levels) for one in shown}
    assert list(found)[0] == "kind" and found["label part"] == ("label", ("left", "right"))
    assert found["part"] == ("run", ("test", "train"))


def test_changed_data_and_damaged_embeddings_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / FILE).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="missing or damaged"):
        Embedded.opened(tmp_path / "run")
    (tmp_path / "run" / FILE).unlink()
    with pytest.raises(UserError, match="missing or damaged"):
        Embedded.opened(tmp_path / "run")
    found = Embedded.opened(folder / "run")
    frame = pd.read_csv(folder / "rows.csv")
    kept = (folder / "rows.csv").read_bytes()
    frame.assign(b=frame["b"] + 1).to_csv(folder / "rows.csv", index=False)
    try:
        with pytest.raises(UserError, match="not what the run began with"):
            found.read_data()
    finally:
        (folder / "rows.csv").write_bytes(kept)


def test_a_preprocessing_that_is_not_the_runs_is_refused(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    about = json.loads((run / "model.json").read_text())
    about["preprocess"]["schema"]["columns"][0]["mean"] += 1.0
    (run / "model.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="not what the run began with"):
        Embedded.opened(run).read_data()
    about["preprocess"]["schema"]["columns"][0]["mean"] = "x"
    (run / "model.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="model.json: "):
        Embedded.opened(run).read_data()


def as_text(table: pa.Table, name: str) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, table.column(name).cast(pa.string()))


def with_role(table: pa.Table, role: bytes) -> pa.Table:
    column = table.column(0)
    return table.set_column(0, table.schema.field(0).with_metadata({b"isotropy": role}), column)


STRANGE: dict[str, Callable[[pa.Table], pa.Table]] = {
    "the column 'z0' is string, not float32": lambda table: as_text(table, "z0"),
    "two columns are called 'x'": lambda table: table.rename_columns(["x", "x", *table.column_names[2:]]),
    "invalid start byte": lambda table: with_role(table, b"\xff"),
}


@pytest.mark.parametrize("said", STRANGE)
def test_files_of_embeddings_that_others_wrote_are_one_line_wherever_they_are_read(
    said: str, folder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    pq.write_table(STRANGE[said](pq.read_table(run / FILE)), run / FILE)
    added = {"cluster": Column(np.zeros(60), "cluster")}
    for use in (
        lambda: Embedded.opened(run), lambda: add_columns(run / FILE, added), lambda: name_for("x", run / FILE),
        lambda: read_points(Run(run), labels={}),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"{said}|Can't unify schema with duplicate"):
            use()


def test_what_pandas_would_keep_in_a_file_of_embeddings_is_not_read(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "run", tmp_path / "run"))
    table = pq.read_table(run / FILE)
    pq.write_table(table.replace_schema_metadata({b"pandas": b'{"index_columns": 5, "columns": 7}'}), run / FILE)
    assert len(Embedded.opened(run)) == len(read_points(Run(run), labels={})) == 60


@pytest.mark.parametrize("name", ["is_outlier_issue", "outlier_score"])
def test_an_audit_that_others_wrote_is_one_line_and_names_no_other_file(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"is_outlier_issue": [True, False], "outlier_score": [0.1, 0.2], "is_../../x_issue": True})
    frame.to_parquet(tmp_path / "audit.parquet")
    audit = read_audit(Run(tmp_path))
    assert [one.name for one in audit_lists(audit)] == ["audit-outlier"]
    frame.assign(**{name: "x"}).to_parquet(tmp_path / "audit.parquet")
    with pytest.raises(UserError, match=f"the column '{name}' is .*string"):
        read_audit(Run(tmp_path))


def test_an_unfinished_run_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    with pytest.raises(UserError, match="not finished"):
        Embedded.opened(tmp_path / "run")
