"""Ray Data beside one process: equal bits, exact answers, a killed job that goes on. Clusters of one machine."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import isotropy
from isotropy.data import SeriesPreprocess, TablePreprocess
from isotropy.encoders import build
from isotropy.representation import Representation
from isotropy.search import nearest

pytest.importorskip("ray.data", reason="needs Ray: pip install 'isotropy[scale]'")

PAGE = (Path(__file__).parents[2] / "docs/scale.md").read_text()
EXAMPLE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "isotropy.scale" in block)
ROWS = 6000
# Ray gives its node 30 seconds to start, which a busy machine may not do at once.
START = """
import json, sys, time
import numpy as np, ray
for _ in range(5):
    try:
        ray.init(num_cpus=3, include_dashboard=False, object_store_memory=200 << 20, log_to_driver=False)
        break
    except Exception:
        ray.shutdown()
import ray.data
ray.data.DataContext.get_current().enable_progress_bars = False
"""
AFTER = """
np.savez("found.npz", ids=ids, cosines=cosines)
json.dump(isotropy.scale.score(rows, "runs/mine-kind", "kind"), open("score.json", "w"))
beats = ray.data.from_numpy(np.load("beats.npy"))
beats = isotropy.scale.embed(beats, "runs/beats", column="data", keep=[], batch_size=50)
np.save("beats-embedded.npy", np.concatenate([one["embedding"] for one in beats.iter_batches(batch_size=None)]))
refused = []
for bad in (lambda: isotropy.scale.embed(rows, "runs/none"), lambda: isotropy.scale.score(rows, "runs/mine", "kind"),
            lambda: isotropy.scale.search(ray.data.read_parquet("embedded"), queries, 10**6, id_column="id"),
            lambda: isotropy.scale.embed(rows, "runs/mine", keep=["nothing"]).materialize()):
    try:
        bad()
    except Exception as error:
        refused.append(f"{type(error).__name__}: {error}")
json.dump(refused, open("refused.json", "w"))
"""
# Slow enough to be killed between two files.
SLOW = """
from pathlib import Path
from ray.data.checkpoint import CheckpointConfig
import isotropy.scale
context = ray.data.DataContext.get_current()
context.checkpoint_config = CheckpointConfig("id", str(Path("checkpoint").resolve()))
context.target_min_block_size, context.target_max_block_size = 1, 20_000
seconds = float(sys.argv[1])
def slowly(batch):
    time.sleep(seconds)
    return batch
rows = ray.data.read_parquet("big", override_num_blocks=12).map_batches(slowly, batch_format="pyarrow")
isotropy.scale.embed(rows, "runs/mine", keep=["id"], batch_size=500).write_parquet("embedded")
"""


def script(place, text, *arguments):
    (place / "script.py").write_text(START + text)
    paths = os.pathsep.join([str(Path(isotropy.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py", *arguments]
    with open(place / "said.txt", "w") as said:
        return subprocess.Popen(command, cwd=place, env=environment, stdout=said, stderr=said, start_new_session=True)


def finish(place, text, *arguments):
    process = script(place, text, *arguments)
    try:
        assert process.wait(600) == 0, (place / "said.txt").read_text()[-3000:]
    finally:
        process.kill()


def write_rows(place):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4))
    frame = pd.DataFrame(x, columns=list("abcd")).assign(kind=np.where(x[:, 0] + x[:, 1] > 0, "up", "down"))
    frame.loc[::7, "b"] = np.nan
    frame["city"] = rng.choice(["Oslo", "Rome", None], ROWS)
    # The same rows twice, so that cosines are equal.
    frame.loc[ROWS // 2 :, [*"abcd", "city"]] = frame.loc[: ROWS // 2 - 1, [*"abcd", "city"]].to_numpy()
    frame.loc[::50, "kind"] = None
    frame.insert(0, "id", np.arange(ROWS))
    (place / "big").mkdir()
    for number, part in enumerate(np.array_split(np.arange(ROWS), 5)):
        frame.iloc[part].to_parquet(place / "big" / f"{number}.parquet", index=False)
    frame.head(3).to_parquet(place / "few.parquet", index=False)
    preprocess = TablePreprocess.learn(frame.drop(columns=["id", "kind"]))
    made = Representation(build("table_mlp", "table", preprocess.shape, width=16), preprocess, method="masked")
    made.save(place / "runs/mine")
    labelled = frame[frame.kind.notna()].head(500)
    made.finetune(labelled, labelled.kind.to_numpy(), label="kind", epochs=2).save(place / "runs/mine-kind")
    return frame


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    place = tmp_path_factory.mktemp("ray")
    frame = write_rows(place)
    beats = np.random.default_rng(1).normal(size=(120, 3, 64)).astype(np.float32)
    np.save(place / "beats.npy", beats)
    series = SeriesPreprocess.learn(beats)
    encoder = build("series_cnn", "series", series.shape)
    Representation(encoder, series, method="simclr").save(place / "runs/beats")
    finish(place, EXAMPLE + AFTER)
    return place, frame


def embedded(place):
    table = pq.read_table(place / "embedded")
    return table.column("id").to_numpy(), table.column("embedding").combine_chunks().to_numpy_ndarray()


def test_the_example_is_short():
    assert len(EXAMPLE.splitlines()) < 60


def test_embeddings_are_those_of_transform(cluster):
    place, frame = cluster
    # By their ids: on busy cores Ray has listed the files in another order.
    ids, z = embedded(place)
    assert sorted(ids.tolist()) == list(range(ROWS))
    np.testing.assert_array_equal(z[np.argsort(ids)], isotropy.load(place / "runs/mine").transform(frame))


def test_arrays_in_a_column_are_embedded_too(cluster):
    place, _ = cluster
    wanted = isotropy.load(place / "runs/beats").transform(np.load(place / "beats.npy"))
    np.testing.assert_array_equal(np.load(place / "beats-embedded.npy"), wanted)


def test_search_is_that_of_all_rows_at_once_and_equal_cosines_go_by_their_ids(cluster):
    place, frame = cluster
    z = isotropy.load(place / "runs/mine").transform(frame)
    indices, scores = nearest(z[:3], z, 10)
    found = np.load(place / "found.npz")
    np.testing.assert_array_equal(found["ids"], indices)
    np.testing.assert_array_equal(found["cosines"], scores)
    assert (indices[:, 1] == np.arange(3) + ROWS // 2).all(), "no cosines are equal"


def test_scores_and_predictions_are_those_of_one_process(cluster):
    place, frame = cluster
    model = isotropy.load_finetuned(place / "runs/mine-kind")
    score = json.loads((place / "score.json").read_text())
    assert score["rows"] == frame.kind.notna().sum()
    assert score["accuracy"] == pytest.approx(model.score(frame, frame.kind.to_numpy()), abs=1e-12)
    predicted = pd.read_parquet(place / "predicted").sort_values("id")
    assert predicted.prediction.tolist() == model.predict(frame).tolist()
    np.testing.assert_array_equal(np.stack(predicted.probability), model.predict_proba(frame))


def test_mistakes_are_named(cluster):
    place, _ = cluster
    refused = json.loads((place / "refused.json").read_text())
    assert len(refused) == 4
    for line, words in zip(
        refused, ["runs/none", "finetuned.json", "the data set has 6000 rows", "no column 'nothing'"]
    ):
        assert words in line


def test_a_killed_job_goes_on_and_every_row_is_there_once(tmp_path):
    frame = write_rows(tmp_path)
    process = script(tmp_path, SLOW, "2")
    ends = time.monotonic() + 300
    while len(list(tmp_path.glob("checkpoint/*.parquet"))) < 2 and time.monotonic() < ends and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = pq.read_table(tmp_path / "embedded").num_rows if (tmp_path / "embedded").exists() else 0
    assert 0 < before < ROWS, (tmp_path / "said.txt").read_text()[-3000:]
    finish(tmp_path, SLOW, "0")
    ids, z = embedded(tmp_path)
    assert sorted(ids.tolist()) == list(range(ROWS))
    np.testing.assert_array_equal(z, isotropy.load(tmp_path / "runs/mine").transform(frame)[ids])
