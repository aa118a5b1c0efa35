"""Run directories that isotropy 0.1 wrote before the rooms were moved: every verb still takes them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import isotropy
from end_to_end.conftest import Cli

OLD = Path(__file__).parents[1] / "fixtures" / "run-0.1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def vectors(file: Path) -> np.ndarray:
    frame = pd.read_parquet(file)
    return frame[[name for name in frame if name.startswith("z")]].to_numpy()


def test_an_old_run_embeds_to_the_vectors_that_it_wrote(old, cli: Cli):
    out = old / "again.parquet"
    assert cli("embed", old / "finished", old / "trees.csv", "--out", out).code == 0
    np.testing.assert_allclose(vectors(out), vectors(old / "finished" / "embeddings.parquet"), atol=1e-5)
    loaded = isotropy.load(old / "finished").transform(pd.read_csv(old / "trees.csv").drop(columns="kind"))
    np.testing.assert_allclose(loaded, vectors(out), atol=1e-6)


def test_an_old_run_is_probed_diagnosed_and_reported(old, cli: Cli):
    run = old / "finished"
    kept = json.loads((run / "probes.json").read_text())
    probed = cli("probe", run, old / "trees.csv", "--label", "kind")
    assert probed.code == 0 and "raw features" in probed.out and kept
    diagnosed = cli("diagnose", run)
    assert diagnosed.code == 0 and "kind" in diagnosed.out
    assert cli("report", run).code == 0
    assert "<html" in (run / "report.html").read_text()


def test_an_old_run_that_was_interrupted_goes_on_to_its_end(old, cli: Cli):
    run = old / "broken"
    assert cli("fit", "--resume", run, old / "trees.csv").code == 0
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == list(range(1, 241))
    whole = [json.loads(line)["loss"] for line in (old / "finished" / "metrics.jsonl").read_text().splitlines()]
    # The same training, uninterrupted; to the bit on the machine that wrote it.
    assert [step["loss"] for step in steps] == pytest.approx(whole, rel=1e-4)
