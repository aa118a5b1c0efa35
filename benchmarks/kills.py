"""Kill commands at random moments, go on, and compare with what was never killed, bit for bit.

    python benchmarks/kills.py --out benchmarks/results/kills.json [--seed 0] [--only simclr]

Every method on every kind of data it takes: `isotropy fit` in peace, and again under one SIGKILL while it begins or
trains and one while it is resumed, each after a random part of the time that it takes; then it goes on to its end. On
a run of each kind of data the same with embed (one file, and shards), audit, cluster, export and report. Counts go to
the JSON file, and every difference: other bits, a file of a kill that stayed, a command that did not go on.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch._dynamo  # this would be imported in every child

import isotropy.cli.fit
import isotropy.runs.recorder
from isotropy.cli import main as isotropy_command
from isotropy.methods import METHODS
from isotropy.training import checkpoint

DATA = {"table": ["t.csv"], "series": ["s.npz", "--key", "X"], "image": ["i.npz", "--key", "X"]}
LABELS = {"table": ["--label", "kind"], "series": ["--label-key", "y"], "image": ["--label-key", "y"]}
SMALL = {
    "table": ["encoder.width=8"],
    "series": [],
    "image": ["encoder.width=8", "encoder.stem=4"],
}
# Batches of 16 are too small for what these whiten by default.
OPTIONS = {"w_mse": ["method.sub_batch_size=8", "method.projector_width=4", "method.projector_hidden=32"]}
EPOCHS = {"table": 6, "series": 3, "image": 3}
# What a run leaves that is a function of its data and settings alone.
SAME = [
    "recipe.toml", "metrics.jsonl", "diagnostics.jsonl", "encoder.safetensors", "embedding.safetensors", "model.json",
    "embeddings.parquet",
]  # fmt: skip
COMMAND_KILLS = 3


def write_data() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 80)
    table = pd.DataFrame({"age": rng.normal(size=80) + kind, "pay": rng.normal(size=80)})
    table["job"], table["kind"] = rng.choice(list("abc"), 80), np.array(["x", "y"])[kind]
    table.to_csv("t.csv", index=False)
    np.savez("s.npz", X=rng.normal(size=(60, 2, 32)).astype(np.float32), y=np.arange(60) % 2)
    np.savez("i.npz", X=rng.integers(0, 256, (48, 16, 16), dtype=np.uint8), y=np.arange(48) % 2)


def forked(words: list[str], log: Path | int) -> int:
    """Run `isotropy` in a child of this process, which imports once, with what it says in a file; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(log if isinstance(log, int) else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        isotropy_command(words)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finished(words: list[str], log: Path) -> tuple[int, float]:
    """Run a command to its end; return its exit code and the seconds it took."""
    started = time.monotonic()
    code = os.waitstatus_to_exitcode(os.waitpid(forked(words, log), 0)[1])
    return code, time.monotonic() - started


def killed(words: list[str], after: float, log: Path) -> bool:
    """Run a command and kill it after some seconds; return whether it was still there."""
    pid, ends = forked(words, log), time.monotonic() + after
    while time.monotonic() < ends:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@dataclass
class Record:
    """Counts, and what was not as it should be."""

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    equal: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def say(self, what: str) -> None:
        """Say how far it is."""
        print(f"{what}: {dict(self.kills)}, {len(self.faults)} faults", file=sys.stderr, flush=True)

    def compared(self, what: str, once: Path, often: Path, names: list[str]) -> None:
        """Note whether two folders hold the same bits, and whether a kill left a file."""
        differ = [name for name in names if not _same(once / name, often / name)]
        left = {path.name for path in often.rglob("*")} - {path.name for path in once.rglob("*")}
        left = {name for name in left if not name.startswith("step-")}
        if differ or left:
            self.faults.append(f"{what}: other bits in {differ}, left {sorted(left)}")
        else:
            self.equal[what.split()[0]] += 1


def _same(one: Path, other: Path) -> bool:
    # A page names its folder.
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes().replace(b"/often/", b"/once/")


def moment(run: Path) -> str:
    """Return where a run was killed, by what it left."""
    if (run / "model.json").is_file():
        return "after its end"
    if (run / "encoder.safetensors").is_file():
        return "while it was evaluated"
    if checkpoint.paths(run / "checkpoints"):
        return "after a checkpoint"
    return "before a checkpoint" if (run / "recipe.toml").is_file() else "before it began"


def kill_fit(method: str, kind: str, record: Record, dice: random.Random) -> None:
    """Train a method in peace and under fire, and compare."""
    folder = Path(f"{method}-{kind}")
    once, often, log = folder / "once", folder / "often", folder / "log"
    folder.mkdir()
    settings = [
        word for one in [*SMALL[kind], *OPTIONS.get(method, []), "train.batch_size=16"] for word in ("--set", one)
    ]
    fit = ["fit", *DATA[kind], *LABELS[kind], "--method", method, *settings, "--epochs", str(EPOCHS[kind])]
    fit += ["--evaluate", "linear", "--precision", "float32"]
    code, seconds = finished([*fit, "--out", str(once)], log)
    if code:
        record.faults.append(f"fit {method} {kind}: exit code {code}: {log.read_text()[-300:]}")
        return
    resume = ["fit", "--resume", str(often), "--evaluate", "linear"]
    for which in ("fit", "resume"):
        words = resume if (often / "recipe.toml").is_file() else [*fit, "--out", str(often)]
        # The first third is imports that a child has, and reading: most kills shall hit the training.
        if killed(words, dice.uniform(0.0, 1.0) * seconds, log):
            record.kills[which if words is resume or which == "fit" else "fit"] += 1
            record.moments[moment(often)] += 1
    for _ in range(2):
        words = resume if (often / "recipe.toml").is_file() else [*fit, "--out", str(often)]
        code, _seconds = finished(words, log)
    if not (code == 2 and "is finished" in log.read_text()):
        record.faults.append(f"fit {method} {kind}: does not go on: {log.read_text()[-300:]}")
        return
    # A kill after the end of the training may come before the page is written.
    for run in (once, often):
        (run / "report.html").unlink(missing_ok=True)
    record.compared(f"fit {method} {kind}", once, often, SAME)
    for run in (once, often) if method != "simclr" else ():
        shutil.rmtree(run)


def commands(kind: str, run: Path, out: Path) -> dict[str, tuple[list[str], Path, Callable[[Path], list[str]]]]:
    """Return the commands on a finished run: their words, the folder that they write in, and what is compared there."""
    data = DATA[kind]

    def made(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def audited(folder: Path) -> list[str]:
        return [name for name in made(folder) if name.startswith("audit")]

    found: dict[str, Any] = {
        "embed": (["embed", str(run), *data, "--out", str(out / "e.parquet")], out, made),
        "shards": (["embed", str(run), *data, "--shard-rows", "7", "--out", str(out / "s.parquet")], out, made),
        "export": (["export", str(run), "--to", "huggingface", "--out", str(out / "hub")], out, made),
        "audit": (["audit", str(run)], run, audited),
        "cluster": (["cluster", str(run), "-k", "2"], run, lambda folder: ["clusters.json", "embeddings.parquet"]),
        "report": (["report", str(run)], run, lambda folder: ["report.html"]),
    }
    return found


def kill_commands(kind: str, record: Record, dice: random.Random) -> None:
    """Kill every command on the finished run of a kind of data, run it again, and compare with one in peace."""
    finished_run = Path(f"simclr-{kind}", "once")
    for name in commands(kind, Path(), Path()):
        for number in range(COMMAND_KILLS):
            places = {}
            for which in ("once", "often"):
                place = Path(f"{name}-{kind}-{number}", which)
                (place / "out").mkdir(parents=True)
                shutil.copytree(finished_run, place / "run")
                places[which] = place, commands(kind, place / "run", place / "out")[name]
            log = Path("log")
            code, seconds = finished(places["once"][1][0], log)
            if code:
                record.faults.append(f"{name} {kind}: exit code {code}: {log.read_text()[-300:]}")
                break
            words = places["often"][1][0]
            record.kills[name] += killed(words, dice.uniform(0.0, 1.0) * seconds, log)
            code, _ = finished(words, log)
            if code and "exists already" not in log.read_text():
                record.faults.append(f"{name} {kind}: does not go on: {log.read_text()[-300:]}")
                continue
            (_, (_, once, compare)), (_, (_, often, _)) = places["once"], places["often"]
            record.compared(f"{name} {kind} {number}", once, often, compare(once))
            shutil.rmtree(Path(f"{name}-{kind}-{number}"))


def main() -> None:
    """Kill everything, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="methods whose name begins with this (simclr is trained always)")
    asked = parser.parse_args()
    out, started, record = asked.out.resolve(), time.perf_counter(), Record()
    torch.set_num_threads(1)
    # So that runs of a second have several.
    isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.02
    pairs = [(method, kind) for method in METHODS for kind in DATA if METHODS[method].takes(kind)]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_data()
        for method, kind in pairs:
            if method == "simclr" or method.startswith(asked.only):
                kill_fit(method, kind, record, random.Random(f"{asked.seed} {method} {kind}"))
                record.say(f"{method} {kind}")
        for kind in DATA:
            kill_commands(kind, record, random.Random(f"{asked.seed} {kind}"))
            record.say(kind)
        os.chdir("/")
    about = {
        "command": f"python benchmarks/kills.py --seed {asked.seed}",
        "methods": len({method for method, _ in pairs}),
        "pairs_of_method_and_data": len(pairs),
        "kills": {"all": sum(record.kills.values()), **record.kills},
        "moments": record.moments,
        "equal": record.equal,
        "faults": record.faults,
        "seconds": round(time.perf_counter() - started, 1),
    }
    out.write_text(json.dumps(about, indent=1) + "\n")
    print(json.dumps(about))


if __name__ == "__main__":
    main()
