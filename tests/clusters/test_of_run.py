"""Clusters and an explorer's columns of runs, from the command line, and with wrong input."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from isotropy.cli import main
from isotropy.cli.explore import arguments
from isotropy.clusters import cluster_run
from isotropy.clusters.explorer import prepare_explorer
from isotropy.report.lists import cluster_lists
from isotropy.report.points import read_points
from isotropy.runs.columns import add_columns, roles
from isotropy.runs.directory import Run
from isotropy.runs.embedded import Embedded
from isotropy.runs.session import train

ROWS = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clusters")
    rng = np.random.default_rng(0)
    group = np.arange(ROWS) % 3
    frame = pd.DataFrame({"age": rng.normal(size=ROWS) + 20 * group, "cluster": rng.normal(size=ROWS)})
    frame["job"] = np.array(["cook", "[b]smith", "monk"])[group]
    frame["kind"] = np.where(group == 0, "a", "b")
    frame.to_csv(folder / "people.csv", index=False)
    t = np.arange(32)
    waves = np.sin(2 * np.pi * (1 + 4 * group[:, None]) * t / 32) + 0.1 * rng.normal(size=(ROWS, 32))
    np.save(folder / "waves.npy", waves[:, None].astype(np.float32))
    quick = {"epochs": 1, "evaluators": ["knn"], "settings": {"train.batch_size": 32}}
    runs = {
        "people": {"data": folder / "people.csv", "label": "kind", "method": "simclr"},
        "codes": {"data": folder / "people.csv", "drop": ["kind"], "method": "music"},
        "waves": {"data": folder / "waves.npy", "method": "simclr"},
    }
    for name, given in runs.items():
        list(train(given.pop("data"), out=folder / name, **given, **quick))  # type: ignore[arg-type]
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code: object = 0
    try:
        main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    seen = capsys.readouterr()
    assert isinstance(code, int)
    return code, seen.out + seen.err


def test_a_table_is_described_by_its_columns_and_its_label(home, capsys):
    before = Embedded.opened(home / "people")
    code, out = said(capsys, "cluster", home / "people", "-k", 3)
    assert code == 0 and "3 clusters, as given." in out and "job = [b]smith 100% (3.0 x)" in out
    written = json.loads((home / "people" / "clusters.json").read_text())
    assert [one["rows"] for one in written["clusters"]] == [40, 40, 40]
    assert sorted(one["labels"]["kind"][0] for one in written["clusters"]) == [["a", 1.0], ["b", 1.0], ["b", 1.0]]
    after = Embedded.opened(home / "people")
    assert np.array_equal(before.vectors, after.vectors) and set(after.beside) == set(before.beside) == {"label"}
    assert set(after.columns) == {"age", "column cluster", "job"} and set(after.added) == {"cluster"}
    for one in written["clusters"]:
        assert (after.added["cluster"][one["exemplars"]] == one["cluster"]).all()
    assert read_points(after.run, labels={"kind": None}).width == after.vectors.shape[1]


def test_series_are_described_by_summaries_and_codes_are_a_second_view(home):
    found = cluster_run(home / "waves", 3)
    assert {one.column for traits in found.traits for one in traits} & {"mean frequency", "mean step"}
    codes = cluster_run(home / "codes", 3).codes
    assert codes is not None and max(codes["agreement"].values()) <= 1 and len(codes["clusters"]) == 3


def test_data_that_moved_is_a_note(home, tmp_path, capsys):
    shutil.copytree(home / "waves", tmp_path / "run")
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    (tmp_path / "run" / "recipe.toml").write_text(recipe.replace("waves.npy", "gone.npy"))
    code, out = said(capsys, "cluster", tmp_path / "run", "-k", 2)
    assert code == 0 and "not described by the data itself" in out and "nothing beyond chance" in out


def test_an_explorer_gets_a_map_neighbours_scores_and_no_dimensions(home, tmp_path):
    shutil.copytree(home / "people", tmp_path / "run")
    found = cluster_run(tmp_path / "run", 3).clusters
    audit = {"is_outlier_issue": [True] + [False] * (ROWS - 1), "outlier_score": np.arange(ROWS) / ROWS, "why": "far"}
    pd.DataFrame(audit).to_parquet(tmp_path / "run" / "audit.parquet")
    names, _ = prepare_explorer(tmp_path / "run")
    assert names == {"x": "x", "y": "y", "neighbors": "neighbors"}
    path = tmp_path / "run" / "embeddings.parquet"
    schema, frame = pq.read_schema(path), pd.read_parquet(path)
    assert roles(schema)["outlier_score"] == "score" and "why" not in schema.names
    vectors = Embedded.opened(tmp_path / "run").vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in (0, 7):
        far = 1 - unit @ unit[row]
        far[row] = np.inf
        near = frame["neighbors"][row]
        assert len(near["ids"]) == 10 and row not in near["ids"]
        np.testing.assert_allclose(near["distances"], np.sort(far)[:10], atol=1e-5)
        np.testing.assert_allclose(far[near["ids"]], near["distances"], atol=1e-5)
    query = arguments(path)[2]
    assert query.startswith('SELECT CAST("cluster" AS VARCHAR) AS "cluster"') and '"z0"' not in query
    assert '"column cluster"' in query and arguments(path)[3:] == ["--x", "x", "--y", "y", "--neighbors", "neighbors"]
    (tmp_path / "run" / "audit.parquet").unlink()
    prepare_explorer(tmp_path / "run")
    assert "outlier_score" not in pq.read_schema(path).names
    assert np.array_equal(Embedded.opened(tmp_path / "run").added["cluster"], found.labels)


def test_the_mean_of_a_label_that_is_a_number_is_no_fraction(home, tmp_path, capsys):
    frame = pd.read_csv(home / "people.csv").assign(price=lambda x: 214_300 + 1000 * x["age"])
    frame.to_csv(tmp_path / "people.csv", index=False)
    made = {"label": "price", "task": "numbers", "method": "simclr", "epochs": 1, "evaluators": ["linear"]}
    list(train(tmp_path / "people.csv", out=tmp_path / "run", **made))
    code, out = said(capsys, "cluster", tmp_path / "run", "-k", 1)
    mean = f"{round(frame['price'].mean(), -2):,.0f}"
    assert code == 0 and f"mean {mean}" in out
    assert cluster_lists(Run.opened(tmp_path / "run"))[0].notes == (f"price is {mean} on average",)


def test_a_class_that_is_called_mean_is_a_class(home, tmp_path, capsys):
    frame = pd.read_csv(home / "people.csv").assign(kind="mean")
    frame.loc[::10, "kind"] = "median"
    frame.to_csv(tmp_path / "people.csv", index=False)
    list(
        train(
            tmp_path / "people.csv", label="kind", out=tmp_path / "run", method="simclr", epochs=1, evaluators=["knn"]
        )
    )
    code, out = said(capsys, "cluster", tmp_path / "run", "-k", 1)
    assert code == 0 and "mean 90%" in " ".join(out.split())
    assert cluster_lists(Run.opened(tmp_path / "run"))[0].notes[0].startswith("kind: mean 90%, median 10%")


def test_an_explorer_of_series_gets_their_curves(home, tmp_path):
    shutil.copytree(home / "waves", tmp_path / "run")
    names, _ = prepare_explorer(tmp_path / "run")
    shown = pd.read_parquet(tmp_path / "run" / "embeddings.parquet", columns=["picture"])["picture"]
    assert names["picture"] == "picture" and all(one.startswith(b"\x89PNG") for one in shown)
    assert arguments(tmp_path / "run" / "embeddings.parquet")[-2:] == ["--image", "picture"]
    # The page draws its own, and shows none of what was written as a column.
    own = read_points(Run.opened(tmp_path / "run"), labels={})
    assert own.pictures is not None and "picture" not in [one.name for one in own.columns]


def test_an_explorer_that_is_not_installed_is_named_before_anything_is_written(home, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    before = (home / "codes" / "embeddings.parquet").read_bytes()
    code, out = said(capsys, "explore", home / "codes")
    assert code == 2 and "isotropy[explore]" in out and out.count("\n") == 1
    assert (home / "codes" / "embeddings.parquet").read_bytes() == before
    code, out = said(capsys, "explore", home / "codes", "--write-only")
    assert code == 0 and "x, y, neighbors" in out


@pytest.mark.parametrize("command", ["cluster", "explore"])
def test_what_is_no_finished_run_is_one_line(command, home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: "embedding-atlas")
    shutil.copytree(home / "people", tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    for folder, problem in ((tmp_path / "run", "not finished"), (tmp_path / "none", "no such run")):
        code, out = said(capsys, command, folder)
        assert code == 2 and problem in out and out.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no process takes the place of another")
def test_what_ends_the_command_ends_the_explorer(home, tmp_path):
    program = tmp_path / "embedding-atlas"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nprint(os.getpid(), *sys.argv[-2:], flush=True)\ninput()\n")
    program.chmod(0o755)
    shutil.copytree(home / "people", tmp_path / "run")
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-m", "isotropy", "explore", str(tmp_path / "run"), "--port", "5056"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    assert lines[1].startswith("written") and lines[2] == f"{process.pid} --port 5056\n"


def test_the_page_shows_a_column_once_and_by_the_name_that_its_user_gave_it(home, tmp_path):
    shutil.copytree(home / "people", tmp_path / "run")
    run = Run(tmp_path / "run")
    add_columns(tmp_path / "run" / "embeddings.parquet", {}, dropped=["cluster"])
    before = [one.name for one in read_points(run, labels={"kind": "labels"}).columns]
    assert before.count("cluster") == 1 and "column cluster" not in before
    audit = pd.DataFrame({"is_outlier_issue": np.arange(ROWS) < 3, "outlier_score": np.linspace(0, 1, ROWS)})
    audit.to_parquet(tmp_path / "run" / "audit.parquet")
    cluster_run(tmp_path / "run", 3)
    prepare_explorer(tmp_path / "run")
    names = [one.name for one in read_points(run, labels={"kind": "labels"}, audit=audit).columns]
    assert [names.count(one) for one in ("cluster", "column cluster", "outlier (audit)")] == [1, 1, 1]
    assert not {"outlier_score", "is_outlier_issue", "x", "y"} & set(names)
    alone = [one.name for one in read_points(run, labels={"kind": "labels"}).columns]
    assert {"outlier_score", "is_outlier_issue"} < set(alone)


@pytest.mark.parametrize("command", ["audit", "cluster"])
@pytest.mark.parametrize("writes", [0, 1])
def test_where_the_disk_is_full_what_was_found_before_stays_whole(command, writes, home, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(home / "people", tmp_path / "people")
    assert said(capsys, command, folder)[0] == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    flush, count = os.fsync, iter(range(100))

    def full(handle: int) -> None:
        if next(count) >= writes:
            raise OSError(28, "No space left on device")
        flush(handle)

    with monkeypatch.context() as at_fault:
        at_fault.setattr(os, "fsync", full)
        code, text = said(capsys, command, folder)
    assert code == 2 and "No space left" in text and "Traceback" not in text
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert said(capsys, command, folder)[0] == 0
