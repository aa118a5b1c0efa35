"""`torchrun`: several ranks train one run, as one process would, and one of them speaks."""

import json
import os
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from end_to_end.conftest import QUICK, SMALL_TABLE
from end_to_end.test_fit_and_use import HOLDS, embeddings
from isotropy.training import checkpoint

TESTS = Path(__file__).resolve().parents[1]
# SGD: Adam makes whole steps of gradients that are zero but for rounding, and rounding differs between ranks.
FIT = [
    *("--method", "simclr", "--label", "kind", "--epochs", "3", "--precision", "float32"),
    *("--set", "optim.name=sgd", "--set", "optim.lr=0.1"),
    *QUICK,
]


@pytest.fixture(scope="module")
def ranked(files, tmp_path_factory):
    """Return the folder in which two ranks ran a good command and bad ones, and what they said."""
    folder = tmp_path_factory.mktemp("ranked")
    (folder / "file").write_text("")
    good = ["fit", str(files / "people.csv"), *FIT, *SMALL_TABLE]
    plan = [
        [*good, "--out", "file/inside"],
        [*good, "--method", "simclrr"],
        [*good, "--set", "optim.lr=1e30", "--out", "diverged"],
        [*good, "--out", "run"],
        [*good, "--out", "run"],
    ]
    (folder / "plan.json").write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "end_to_end.ranked"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout, done.stderr


def test_two_ranks_make_the_run_of_one_process(ranked, files, cli):
    folder, _, _ = ranked
    assert {path.name for path in (folder / "run").iterdir()} == HOLDS
    assert cli("fit", files / "people.csv", *FIT, *SMALL_TABLE, "--out", "one").code == 0
    one, two = embeddings("one/embeddings.parquet"), embeddings(folder / "run/embeddings.parquet")
    assert np.abs(one).max() > 0.1
    assert np.abs(one - two).max() < 1e-4
    for name in ("metrics.jsonl", "diagnostics.jsonl", "timing.jsonl"):
        lines = [(run / name).read_text().splitlines() for run in (Path("one"), folder / "run")]
        steps = [[json.loads(line)["step"] for line in each] for each in lines]
        assert steps[0] == steps[1], "one rank writes, and every line once"


def test_one_rank_speaks_and_all_end_alike(ranked):
    folder, out, err = ranked
    assert [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)] == [[2, 2, 2, 0, 2]] * 2
    assert out.count("open run/report.html") == 1
    assert out.count("people.csv: a table of") == 3
    lines = [line for line in err.splitlines() if line.startswith("isotropy: ")]
    assert [line.split(":")[1].strip() for line in lines] == [
        "file/inside", "method 'simclrr' is unknown (did you mean 'simclr'?)",
        "the loss term 'contrast' became nan at step 2", "run",
    ]  # fmt: skip
    assert not (folder / "diverged").exists()
    assert "Traceback" not in err


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["isotropy", "methods"])
    runpy.run_module("isotropy", run_name="__main__")
    assert "\nsimclr " in capsys.readouterr().out


FREQUENT = """
import sys
import isotropy.runs.recorder
from isotropy.cli import main
isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.1
main(sys.argv[1:])
"""


def test_a_rank_that_is_killed_ends_the_other_one_in_a_line_and_keeps_the_checkpoint(files, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    words = ["fit", str(files / "people.csv"), *FIT, *SMALL_TABLE, "--set", "train.epochs=20000", "--out", "run"]
    words = [word for word in words if word not in ("--epochs", "3")]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", FREQUENT, *words],
            env=os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        while not checkpoint.paths(Path("run/checkpoints")):
            assert ranks[0].poll() is None, ranks[0].communicate()
            time.sleep(0.05)
        ranks[1].kill()
        _, err = ranks[0].communicate(timeout=30)
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()
    lines = [line for line in err.splitlines() if line.startswith("isotropy: ")]
    assert (ranks[0].returncode, len(lines)) == (2, 1) and "Traceback" not in err, err
    assert lines[0].startswith("isotropy: another rank ended") and lines[0].endswith("isotropy fit --resume run")
    assert checkpoint.last_good(Path("run/checkpoints")) is not None
