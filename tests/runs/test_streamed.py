"""Runs on rows that stay in their files: equal to runs in memory where all fit, and resumed in the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import isotropy
from data.test_shards import npy, saved, write_tar
from isotropy.audit.run import audit_run
from isotropy.cli import main
from isotropy.data.blocks import blocks, dataset, formats
from isotropy.errors import UserError
from isotropy.runs.embedded import Embedded
from isotropy.runs.events import Finished, Planned, Stepped
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import train
from isotropy.training import fit
from isotropy.views import Plain

TESTS = Path(__file__).resolve().parents[1]
RECIPE = Recipe.default("simclr", "table").changed(
    {"encoder.width": 8, "encoder.hidden": 8, "train.batch_size": 32, "train.epochs": 3}
)
ROWS = 600
SAME = ["recipe.toml", "metrics.jsonl", "diagnostics.jsonl", "encoder.safetensors", "embeddings.parquet"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Return a folder with a table in one file and in four."""
    folder = tmp_path_factory.mktemp("shards")
    random = np.random.default_rng(0)
    kind = random.integers(2, size=ROWS)
    frame = pd.DataFrame({"a": random.normal(size=ROWS) + kind, "b": random.exponential(size=ROWS), "kind": kind})
    frame["c"] = random.choice(["x", "y", "z"], ROWS)
    frame.to_parquet(folder / "whole.parquet", index=False)
    for part in range(4):
        frame[150 * part : 150 * part + 150].to_parquet(folder / f"part{part}.parquet", row_group_size=20, index=False)
    return folder


@pytest.fixture
def windows(monkeypatch):
    """Make windows of about 100 rows, and a sample of 300."""
    monkeypatch.setattr(dataset, "WINDOW_BYTES", 1200)
    monkeypatch.setattr(dataset, "_LEAST_BYTES", 200)
    monkeypatch.setattr(blocks, "SAMPLE_ROWS", 300)
    monkeypatch.setattr(blocks, "_LEAST_ROWS", 1)


def finished(*data, **options):
    """Return the last event of a run."""
    *_, last = train(*data, evaluators=["linear"], **options)
    assert isinstance(last, Finished)
    return last


def same_files(folder):
    """Assert that two runs wrote the same but for where the rows of the streamed one are."""
    for name in SAME[1:]:
        whole, streamed = folder / "whole" / name, folder / "streamed" / name
        if name != "embeddings.parquet":
            assert whole.read_bytes() == streamed.read_bytes(), name
        else:
            found = pd.read_parquet(streamed).drop(columns=["file", "file_row"])
            pd.testing.assert_frame_equal(found, pd.read_parquet(whole), check_exact=True)


def test_rows_that_fit_are_trained_on_in_the_same_bits_as_in_memory(shards, tmp_path):
    whole = finished(shards / "whole.parquet", RECIPE, label="kind", out=tmp_path / "whole")
    streamed = finished(str(shards / "part*.parquet"), RECIPE, label="kind", stream=True, out=tmp_path / "streamed")
    assert streamed.prepared.data.stream is not None and whole.prepared.data.stream is None
    same_files(tmp_path)
    assert [one["ranking"] for one in streamed.evidence] == [one["ranking"] for one in whole.evidence]


def test_a_run_that_was_stopped_anywhere_ends_in_the_bits_of_one_that_was_not(shards, tmp_path, windows):
    path = str(shards / "part*.parquet")
    once = finished(path, RECIPE, label="kind", stream=True, out=tmp_path / "once")
    steps = once.prepared.plan.steps
    assert len(once.prepared.dataset.order(0, 0).windows) > 3
    for place, stop in enumerate([1, 7, 16, steps - 1]):  # within a pass and beyond its end
        folder, resume = tmp_path / f"often{place}", {}
        for event in train(path, RECIPE, label="kind", stream=True, out=folder, evaluators=["linear"]):
            if isinstance(event, Stepped) and event.step.number == stop:
                event.stop()
        finished(resume=folder)
        for name in SAME:
            assert (tmp_path / "once" / name).read_bytes() == (folder / name).read_bytes(), (name, stop, resume)


def test_a_run_does_not_go_on_where_other_blocks_would_give_another_order(shards, tmp_path, windows):
    frame = pd.read_parquet(shards / "whole.parquet")
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=20, index=False)
    for event in train(tmp_path / "rows.parquet", RECIPE, label="kind", stream=True, out=tmp_path / "run"):
        if isinstance(event, Stepped):
            event.stop()
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=30, index=False)
    with pytest.raises(UserError, match="run: the files are divided into other blocks .* another order"):
        next(iter(train(resume=tmp_path / "run")))
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=20, index=False)
    next(iter(train(resume=tmp_path / "run")))
    # What an older version wrote is taken as it is.
    about = json.loads((tmp_path / "run/data.json").read_text())
    assert about.pop("blocks")
    (tmp_path / "run/data.json").write_text(json.dumps(about))
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=30, index=False)
    next(iter(train(resume=tmp_path / "run")))


@pytest.mark.parametrize("option", ["group", "time"])
def test_groups_and_times_divide_streamed_rows_as_rows_in_memory(option, shards, tmp_path):
    frame = pd.read_parquet(shards / "whole.parquet")
    frame["machine"] = np.random.default_rng(1).integers(10, size=ROWS)
    frame.to_parquet(tmp_path / "whole.parquet", index=False)
    for part in range(4):
        rows = frame[150 * part : 150 * part + 150]
        rows.to_parquet(tmp_path / f"part{part}.parquet", row_group_size=20, index=False)
    options = {"label": "kind", option: "machine"}
    whole = finished(tmp_path / "whole.parquet", RECIPE, out=tmp_path / "whole", **options)
    streamed = finished(str(tmp_path / "part*.parquet"), RECIPE, stream=True, out=tmp_path / "streamed", **options)
    machines = frame["machine"].to_numpy()
    test = whole.prepared.test
    assert not set(machines[test]) & set(machines[whole.prepared.train])
    assert streamed.prepared.test.tolist() == test.tolist() and len(streamed.prepared.dataset) == ROWS - len(test)
    same_files(tmp_path)


@pytest.mark.parametrize("container", ["tar", "saved"])
def test_shards_and_saved_data_sets_train_as_arrays_in_memory_and_go_on_where_they_stopped(
    container, tmp_path, windows, monkeypatch
):
    monkeypatch.setattr(formats, "BYTES", 2_000)
    random = np.random.default_rng(0)
    kind, series = random.integers(2, size=240), random.normal(size=(240, 2, 16)).astype(np.float32)
    np.savez(tmp_path / "whole.npz", x=series, kind=kind)
    names = {"tar": {"label": "cls"}, "saved": {"key": "x", "label": "kind", "modality": "series"}}[container]
    if container == "tar":
        path = str(tmp_path / "part*.tar")
        for part in range(4):
            rows = range(60 * part, 60 * part + 60)
            write_tar(tmp_path / f"part{part}.tar", [{"npy": npy(series[o]), "cls": b"%d" % kind[o]} for o in rows])
    else:
        lists = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(series.reshape(-1), 16), 2)
        path = str(saved(tmp_path / "set", pa.table({"x": lists, "kind": kind}), 3))
    recipe = Recipe.default("simclr", "series").changed(
        {"encoder.width": 16, "encoder.filters": 2, "train.batch_size": 24}
    )
    options = {"stream": True, "epochs": 2, **names}
    once = finished(path, recipe, out=tmp_path / "once", **options)
    assert len(once.prepared.dataset.order(0, 0).windows) > 3
    for event in train(path, recipe, out=tmp_path / "often", evaluators=["linear"], **options):
        if isinstance(event, Stepped) and event.step.number == 11:
            event.stop()
    finished(resume=tmp_path / "often")
    for name in SAME:
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "often" / name).read_bytes(), name
    monkeypatch.setattr(dataset, "WINDOW_BYTES", 1 << 27)
    streamed = finished(path, recipe, **options)
    whole = finished(tmp_path / "whole.npz", recipe, key="x", label="kind", epochs=2)
    rows = [one.representation.transform(series) for one in (streamed, whole)]
    assert np.array_equal(*rows)


@pytest.mark.parametrize("option", ["group", "time"])
def test_no_training_row_is_of_a_test_group_or_later_than_a_test_row(option, shards, tmp_path, windows):
    frame = pd.read_parquet(shards / "whole.parquet")
    frame["machine"] = np.random.default_rng(1).integers(10, size=ROWS)
    frame["a"] += 100 * frame["machine"]  # so that a stored row shows its machine
    frame.to_parquet(tmp_path / "whole.parquet", row_group_size=20, index=False)
    options = {"label": "kind", option: "machine"}
    prepared = next(iter(train(tmp_path / "whole.parquet", RECIPE, stream=True, **options))).prepared
    column = prepared.preprocess.column_names.index("a")
    scale = prepared.preprocess.schema.columns[column]

    def machines(rows):
        return set(((rows[:, column].double() * scale.std + scale.mean) / 100).round().int().tolist())

    trained = machines(prepared.dataset.batch(torch.arange(len(prepared.dataset))))
    tested = machines(prepared.rows[torch.from_numpy(prepared.test)])
    assert trained and tested and not trained & tested and trained | tested == set(range(10))
    assert option == "group" or max(trained) < min(tested)
    held = frame["machine"].isin(tested).sum()
    assert len(prepared.dataset) == ROWS - held and held > len(prepared.test), "rows beyond the sample are held out"


def test_training_rows_are_all_but_the_test_rows_of_the_sample_and_each_comes_once_a_pass(shards, windows):
    planned = next(iter(train(str(shards / "part*.parquet"), RECIPE, label="kind", stream=True)))
    assert isinstance(planned, Planned)
    prepared = planned.prepared
    assert len(prepared.rows) == 300 and len(prepared.test) == 60 and len(prepared.dataset) == ROWS - 60
    seen = []

    class Watched(Plain):
        def __call__(self, dataset, index, *, seed, pass_):
            seen.append(index)
            return super().__call__(dataset, index, seed=seed, pass_=pass_)

    method = Recipe.default("masked", "table")
    whole = next(iter(train(str(shards / "part*.parquet"), method.changed({"train.batch_size": 30}), label="kind",
                            stream=True, epochs=1))).prepared  # fmt: skip
    for _ in fit(whole.method, whole.dataset, Watched(), **whole.arguments()):
        pass
    assert sorted(torch.cat(seen).tolist()) == list(range(ROWS - 60))
    rows = whole.dataset.batch(torch.arange(ROWS - 60))
    held_out = whole.rows[torch.from_numpy(whole.test)]
    assert not (rows[:, None, 0] == held_out[None, :, 0]).any(), "no training row is a test row"


def test_the_recipe_says_that_rows_were_streamed_and_a_finished_run_is_read_so_again(shards, tmp_path, windows):
    finished(str(shards / "part*.parquet"), RECIPE, label="kind", stream=True, out=tmp_path / "run", epochs=1)
    embedded = Embedded.opened(tmp_path / "run")
    assert len(embedded) == 300, "the sample's rows"
    assert embedded.run.recipe.data["stream"] is True
    assert embedded.run.about["training_rows"] == ROWS - 60
    data, rows = embedded.read_data()
    assert data.stream is not None and len(rows) == 300


def test_rows_of_the_sample_are_named_by_their_file_and_their_number_in_it(shards, tmp_path, windows, capsys):
    finished(str(shards / "part*.parquet"), RECIPE, label="kind", stream=True, out=tmp_path / "run", epochs=1)
    frames = {path.name: pd.read_parquet(path) for path in shards.glob("part*.parquet")}

    def there(file, row, name):
        return frames[file][name][row]

    written = pd.read_parquet(tmp_path / "run/embeddings.parquet")
    assert len(set(written["file"])) == len(frames) and written["row"].tolist() == list(range(300))
    columns = [name for name in written if name in next(iter(frames.values()))]
    assert columns
    for name in columns:
        found = [there(*place, name) for place in zip(written["file"], written["file_row"], strict=True)]
        pd.testing.assert_series_equal(written[name], pd.Series(found, name=name), check_dtype=False)
    listed = audit_run(tmp_path / "run").frame
    assert listed[["file", "file_row"]].to_numpy().tolist() == written[["file", "file_row"]].to_numpy().tolist()
    main(["audit", str(tmp_path / "run")])
    lists = pd.concat([pd.read_csv(path) for path in (tmp_path / "run/audit").glob("*.csv")])
    first = lists.iloc[0]
    assert (
        f"row {first['row']:<8}" in (said := capsys.readouterr().out)
        and f"{first['file']} row {first['file_row']}" in said
    )
    main(["search", str(tmp_path / "run"), "--query", "7", "-k", "2", "--out", str(tmp_path / "near.json")])
    assert f"{written['file'][7]} row {written['file_row'][7]}" in capsys.readouterr().out
    for one in json.loads((tmp_path / "near.json").read_text())[0]["neighbours"]:
        assert [one["file"], one["file_row"]] == written.loc[one["row"], ["file", "file_row"]].tolist()


@pytest.mark.parametrize("method", ["lfr", "dacl", "diet"])
def test_methods_that_keep_something_of_every_row_are_refused(method, shards):
    with pytest.raises(UserError, match=f"method '{method}' keeps something of every row"):
        list(train(str(shards / "part*.parquet"), method=method, stream=True, epochs=1))


def test_two_ranks_have_disjoint_rows_and_make_the_run_of_one(shards, tmp_path):
    """Each rank takes its part of every batch, whose rows and order are those of one process."""
    train_ = ["--method", "simclr", "--label", "kind", "--epochs", "3", "--precision", "float32", "--stream"]
    small = ["--set", "encoder.width=8", "--set", "encoder.hidden=8", "--set", "train.batch_size=32"]
    sgd = ["--set", "optim.name=sgd", "--set", "optim.lr=0.1", "--evaluate", "linear"]
    command = ["fit", str(shards / "part*.parquet"), *train_, *small, *sgd]
    (tmp_path / "plan.json").write_text(json.dumps([[*command, "--out", "two"]]))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"}
    ranked = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "runs.streamed_ranks"]
    done = subprocess.run(
        [sys.executable, *ranked], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    taken = [json.loads((tmp_path / f"{rank}.rows.json").read_text()) for rank in (0, 1)]
    assert all(not set(one) & set(two) for one, two in zip(*taken, strict=True))
    assert all(len(one) + len(two) == 32 for one, two in zip(*taken, strict=True))
    one = subprocess.run(
        [sys.executable, "-m", "runs.streamed_ranks"], env=environment | {"ALONE": "1"}, cwd=tmp_path, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    assert one.returncode == 0, one.stdout + one.stderr
    alone = json.loads((tmp_path / "alone.rows.json").read_text())
    assert [[*one, *two] for one, two in zip(*taken, strict=True)] == alone
    vectors = [pd.read_parquet(tmp_path / name / "embeddings.parquet").filter(regex="^z") for name in ("one", "two")]
    assert np.abs(vectors[0].to_numpy() - vectors[1].to_numpy()).max() < 1e-4


def test_a_sample_and_a_stream_are_one_data_set_from_python(shards):
    data = isotropy.read(str(shards / "part*.parquet"), label="kind", stream=True)
    assert data.take(slice(3)).stream is None, "some rows of the sample are no sample of all rows"
