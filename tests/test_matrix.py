"""The matrix of methods and modalities: its arithmetic, what a resumed call leaves out, and its tables."""

import doctest
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from isotropy.evaluation.intervals import difference
from isotropy.methods import METHODS


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments")
    import matrix

    return matrix


@pytest.fixture
def matrix_run(matrix):
    import matrix_run

    return matrix_run


def entry(seed, score, low, knn=0.5):
    gain = {kind: {"score": low + 0.01, "low": low, "high": low + 0.02} for kind in ("linear", "knn")}
    scores = {"linear": {"score": score}, "knn": {"score": knn}}
    return {"seed": seed, "epochs": 2.0, "processor_seconds": 3.0, "evaluation_seconds": 1.0} | {
        **scores,
        "gain": gain,
        "effective_rank": 7.0,
    }


@pytest.mark.parametrize("name", ["matrix", "matrix_docs", "matrix_run", "matrix_table"])
def test_the_examples_of_the_matrix_hold(matrix, name):
    found = doctest.testmod(__import__(name))
    assert found.attempted > 0 and found.failed == 0


def test_a_paired_gain_from_bits_is_that_of_the_rows(matrix_run):
    rng = np.random.default_rng(0)
    ours, theirs = (rng.random((101, 1)) < share for share in (0.8, 0.6))
    bits = [
        {kind: {"right": np.packbits(each).tobytes().hex()} for kind in ("linear", "knn")} for each in (ours, theirs)
    ]
    expected = difference("classes", ours.astype(float), theirs.astype(float))
    found = matrix_run.paired(*bits, 101)["knn"]
    assert found == {key: round(value, 4) for key, value in expected.items()}


def test_the_budget_becomes_epochs_of_all_rows(matrix_run, monkeypatch):
    """With a clock that ticks once a step, an epoch of 100 rows in batches of 10 costs ten ticks."""
    import torch

    from isotropy.data import read
    from isotropy.runs.prepare import prepare
    from isotropy.runs.recipe import Recipe

    ticks = iter(range(10**6))
    monkeypatch.setattr(matrix_run, "process_time", lambda: float(next(ticks)))
    rows = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).numpy()
    recipe = Recipe.default("simclr", "table").changed({"train.batch_size": 10, "encoder.width": 8})
    made = prepare(recipe, read(rows))
    before = matrix_run.fingerprint(made.method)
    # Four batches make one measured epoch, which takes one tick, whatever the warm-up took: 100 rows are 2.5 ticks.
    assert matrix_run.seconds_per_epoch(made) == 2.5
    assert matrix_run.fingerprint(made.method) == before, "measured on a copy"


def test_every_cell_of_the_matrix_is_named(matrix):
    pairs = matrix.chosen([], [])
    assert {method for method, _ in pairs} == set(METHODS)
    assert ("simclr", "digits") in pairs and ("vicreg", "digits") not in pairs
    assert {name for _, name in matrix.chosen(["ts_tcc"], [])} == {"har", "epilepsy"}
    assert matrix.chosen(["lfr", "har"], []) == [("lfr", "har")]
    assert {name for _, name in matrix.chosen(["simclr"], ["table"])} == {"adult", "dry_bean"}
    for method, name in pairs:
        assert matrix.DATA[name].modality in METHODS[method].modalities
        assert len(matrix.digest(method, name)) == 12
    with pytest.raises(SystemExit, match="no method and no data set: simlcr"):
        matrix.chosen(["simlcr"], [])


def test_a_resumed_call_makes_only_what_is_missing(matrix, monkeypatch, tmp_path):
    asked, fails = [], {("adult", "byol", 0)}

    class Worker:
        def __init__(self, data, patience):
            pass

        def run(self, job, known, **budget):
            asked.append((job.data, job.method, job.seed, *(each for each in budget.values())))
            if job.method == matrix.BASELINE:
                return {"rows": {}, "chance": 0.5, "free": {}, "untrained": {f"w{job.seed}": {"seed": job.seed}}}
            if (job.data, job.method, job.seed) in fails:
                return {"entry": {"seed": job.seed, "failed": "no"}}
            calibration = {"epochs": 2.5, "seconds_per_epoch": 32.0} if job.seed == 0 else None
            return {"calibration": calibration, "entry": entry(job.seed, 0.8, 0.1)}

        def close(self):
            pass

    monkeypatch.setattr(matrix, "Worker", Worker)
    options = Namespace(out=tmp_path / "out", runs=tmp_path / "runs", longer=False, seconds=80.0, seeds=2, jobs=1)
    options.force, options.data = False, tmp_path
    pairs = [("simclr", "adult"), ("byol", "adult")]
    matrix.fill(options, pairs)
    first = [("adult", method, 0, 80.0, None, None) for method in ("simclr", "byol")]
    assert asked == [("adult", "baseline", 0), first[0], ("adult", "simclr", 1, 80.0, 32.0, 2.5), first[1]]

    fails.clear()
    asked.clear()
    matrix.fill(options, pairs)
    assert asked == [first[1], ("adult", "byol", 1, 80.0, 32.0, 2.5)], "what failed is tried again, the rest is kept"
    asked.clear()
    matrix.fill(options, pairs)
    assert asked == []
    options.longer = True
    matrix.fill(options, pairs[:1])
    longer = [("adult", "simclr", 0, 320.0, 32.0, None), ("adult", "simclr", 1, 320.0, 32.0, 2.5)]
    assert asked == longer, "its epochs follow from what was measured"
    options.longer = False
    asked.clear()
    monkeypatch.setattr(matrix, "digest", lambda *pair: "other settings")
    matrix.fill(options, pairs[:1])
    assert [each[1:3] for each in asked] == [("simclr", 0), ("simclr", 1)], "a result of other settings is stale"
    kept = json.loads((tmp_path / "out" / "matrix-table.json").read_text())
    assert set(kept["full"]["adult"]["simclr"]["seeds"]) == {"0", "1"}


def test_a_worker_makes_many_runs_and_starts_again_when_it_died(matrix, tmp_path):
    import matrix_worker

    worker = matrix_worker.Worker(tmp_path, patience=120.0)
    missing_file = matrix.Job("simclr", "har", 0)
    made = [worker.run(missing_file, {}, processor=1.0) for _ in range(2)]
    assert all("uci_har.npz" in each["entry"]["failed"] for each in made)
    first = worker.process
    first.kill()
    first.wait()
    assert "uci_har.npz" in worker.run(missing_file, {}, processor=1.0)["entry"]["failed"]
    assert worker.process is not first
    worker.patience = 0.0
    assert worker.run(missing_file, {}, processor=1.0)["entry"]["failed"] == "no end after 0 s"
    worker.close()


def test_the_table_marks_what_beats_the_random_encoder(matrix):
    import matrix_table

    free = {"raw features": {"linear": {"score": 0.7}, "knn": {"score": 0.6}}}
    before = {
        encoder: {"seed": 0, "encoder": encoder, "linear": {"score": score}, "knn": {"score": 0.6}}
        for encoder, score in (("table_mlp", 0.65), ("one_hot", 0.55))
    }
    cells = {
        "simclr": {"seeds": {"0": entry(0, 0.8, 0.1), "1": entry(1, 0.9, 0.1)}},
        "byol": {"seeds": {"0": entry(0, 0.8, 0.1), "1": entry(1, 0.6, -0.2)}},
        "vicreg": {"seeds": {"0": {"seed": 0, "failed": "no"}}},
    }
    content = {
        "modality": "table",
        "baselines": {"adult": {"free": free, "untrained": before}},
        "full": {"adult": cells},
        "longer": {},
    }
    lines = matrix_table.table(content, "full").splitlines()
    assert lines[0] == "| | adult, linear | adult, k-NN |"
    assert "| raw features | .700 | .600 |" in lines and "| random encoder | .650 | .600 |" in lines
    assert "| random `one_hot` | .550 | .600 |" in lines, "each encoder beside the methods that train it"
    assert "| `simclr` | .850 (.800 to .900) + | .500 (.500 to .500) + |" in lines
    assert any(line.startswith("| `byol` | .700 (.600 to .800) = |") for line in lines)
    assert not any("vicreg" in line for line in lines)
    said = matrix_table.verdicts([content], "full").splitlines()
    assert said[2:] == ["| `simclr` | 1: adult |  |  |  |", "| `byol` |  |  |  | 1: adult |"]
    for run in cells["simclr"]["seeds"].values():
        run["gain"]["knn"] = {"score": -0.2, "low": -0.3, "high": -0.1}
    said = matrix_table.verdicts([content], "full").splitlines()
    assert said[2] == "| `simclr` |  | 1: adult |  |  |", "what one probe wins and the other loses is not won"


def test_the_pages_show_the_results_that_are_kept(matrix):
    import matrix_docs

    stale = [path.stem for path, text in matrix_docs.pages(matrix_docs.contents()).items() if path.read_text() != text]
    assert stale == [], "python experiments/matrix_docs.py writes them anew"
