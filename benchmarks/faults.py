"""Let disks, folders, memory, clocks, data and other processes fail: one line, nothing half-written, and a way on.

    python benchmarks/faults.py --out benchmarks/results/faults.json [--seed 0] [--only "full disk"]

Every fault strikes at a random place, in commands on tiny data. A command then ends well, or says one line and exits
with code 2; repeated without the fault it gives the bits of one that had none.
"""

import argparse
import ctypes
import json
import os
import random
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from kills import SAME, finished, forked, write_data

import isotropy.runs.recorder
from isotropy.training import checkpoint

FIT = ["fit", "t.csv", "--label", "kind", "--method", "byol", "--epochs", "6", "--evaluate", "linear"]
FIT += ["--set", "encoder.width=8", "--set", "train.batch_size=16", "--precision", "float32"]
SECONDS = 30


class Record:
    """What happened, by kind of fault; a kind that is tried again replaces what the file holds of it."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.content: dict[str, Any] = {"command": f"python benchmarks/faults.py --seed {seed}", "faults": {}}
        if path.is_file():
            self.content = json.loads(path.read_text())

    def begin(self, name: str) -> None:
        """Take up a kind of fault."""
        self.name, self.started = name, time.perf_counter()
        self.content["faults"][name] = {"counts": {}, "wrong": []}

    def note(self, what: str, wrong: str = "") -> None:
        """Count one outcome; what is wrong has words."""
        here = self.content["faults"][self.name]
        outcome = "wrong" if wrong else what
        here["counts"][outcome] = here["counts"].get(outcome, 0) + 1
        here["seconds"] = round(time.perf_counter() - self.started, 1)
        if wrong:
            here["wrong"].append(wrong[:500])
        self.path.write_text(json.dumps(self.content, indent=1) + "\n")

    def longest(self, seconds: float) -> None:
        """Keep how long the other rank took at most."""
        here = self.content["faults"][self.name]
        here["longest_seconds"] = max(here.get("longest_seconds", 0.0), round(seconds, 2))


def limit(what: int, most: int) -> Callable[[], None]:
    """Return what limits a process."""
    return lambda: resource.setrlimit(what, (most, most))


def struck(words: list[str], log: Path, before: Callable[[], None]) -> int:
    """Run a command in a child that something befalls first; return its exit code."""
    # Through a pipe, for a limit of files would befall the log too.
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        try:
            before()
        except BaseException as error:
            os.write(theirs, f"the fault itself failed: {error!r}".encode())
            os._exit(99)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(forked(words, theirs), 0)[1]))
    os.close(theirs)
    with open(ours, "rb") as said:
        log.write_bytes(said.read())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def problem(code: int, log: Path) -> str:
    """Return "" for a command that ended well or said one line, else what it did."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("isotropy: ")]
    text = log.read_text(errors="replace")
    if "Traceback" in text or code not in (0, 2) or (code == 2) != (len(lines) == 1):
        return f"exit code {code}: {text[-300:]}"
    return ""


def half_written(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".*") if ".writing-" in path.name]


def same(one: Path, other: Path) -> list[str]:
    return [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()]


def resumed(run: Path) -> list[str]:
    return ["fit", "--resume", str(run), "--evaluate", "linear"]


def gone_on(run: Path, log: Path) -> str:
    """Finish a run, begun or not, and return how it departs from the one in peace."""
    begun = (run / "recipe.toml").is_file()
    code, _ = finished(resumed(run) if begun else [*FIT, "--out", str(run)], log)
    if code and "is finished" not in log.read_text():
        return f"does not go on: {log.read_text()[-300:]}"
    differ = same(Path("peace"), run)
    return f"other bits in {differ}" if differ else ""


def on_run(place: Path) -> list[list[str]]:
    """Return commands on the finished run in a folder, which write into it or beside it."""
    run = str(place / "run")
    return [
        ["embed", run, "t.csv", "--out", str(place / "e.parquet")],
        ["embed", run, "t.csv", "--out", str(place / "e.npy")],
        ["embed", run, "t.csv", "--keep", "kind", "--out", str(place / "e.csv")],
        ["embed", run, "t.csv", "--shard-rows", "30", "--out", str(place / "s.parquet")],
        ["search", run, "--query", "0-9", "--out", str(place / "found.csv")],
        ["audit", run], ["cluster", run, "-k", "2"], ["report", run],
        ["probe", run, "t.csv", "--label", "kind", "--evaluate", "linear"],
        ["export", run, "--to", "huggingface", "--out", str(place / "hub")],
        ["finetune", run, "t.csv", "--label", "kind", "--budget", "2s", "--out", str(place / "tuned")],
        ["predict", "tuned", "t.csv", "--out", str(place / "p.csv")],
    ]  # fmt: skip


def in_place(number: int) -> Path:
    place = Path(f"place-{number}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copytree("peace", place / "run")
    return place


def full_disk(record: Record, dice: random.Random) -> None:
    """Refuse files above a random size, which is what a disk that fills up does to the last one."""
    log = Path("log")
    sizes = sorted(path.stat().st_size for path in Path("peace").rglob("*") if path.is_file())
    for number in range(8):
        run = Path(f"disk-{number}")
        code = struck(
            [*FIT, "--out", str(run)], log, limit(resource.RLIMIT_FSIZE, dice.choice(sizes) - dice.randint(1, 20))
        )
        fault = problem(code, log) or (f"left {half_written(run)}" if half_written(run) else "")
        record.note("fit: one line, equal after", fault or gone_on(run, log))
        shutil.rmtree(run)
    for index in range(len(on_run(Path()))):
        place = in_place(0)
        words = on_run(place)[index]
        code = struck(words, log, limit(resource.RLIMIT_FSIZE, 2000))
        left = half_written(place)
        fault = problem(code, log) or (f"{words[0]} left {left}" if left else "")
        record.note("another command: one line" if code else "another command: ended well", fault)


def obey_permissions() -> None:
    """Give up root's right to write where nobody may."""
    libc, header, held = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, held):
        raise OSError("capget")
    for place in range(3):
        held[place] &= ~0b1110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    if libc.capset(header, held):
        raise OSError("capset")


def read_only(record: Record, dice: random.Random) -> None:
    """Run each command where nothing may be written."""
    log = Path("log")
    for index in range(len(on_run(Path())) + 2):
        place = in_place(1)
        words = [
            *on_run(place),
            [*FIT, "--out", str(place / "new")],
            ["fit", "--resume", str(place / "run"), "--epochs", "9"],
        ][index]
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
        code = struck(words, log, obey_permissions)
        after = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
        fault = problem(code, log) or ("" if code == 2 else f"{words[0]} ended well")
        record.note("one line", fault or ("something changed" if before != after else ""))


def two_at_once(record: Record, dice: random.Random) -> None:
    """Begin, or resume, one run in two processes."""
    for number in range(6):
        run = Path(f"two-{number}")
        resume = number % 2 == 1
        if resume:
            stop(run)
        words = resumed(run) if resume else [*FIT, "--out", str(run)]
        logs = [Path(f"log-{one}") for one in (1, 2)]
        first = forked(words, logs[0])
        time.sleep(dice.uniform(0.0, 0.3))
        pids = [first, forked(words, logs[1])]
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        fault = next((said for code, log in zip(codes, logs) if (said := problem(code, log))), "")
        if sorted(codes) != [0, 2]:
            fault = fault or f"exit codes {codes}"
        differ = [] if fault else same(Path("peace"), run)
        record.note(
            "one of them equal, the other one line",
            fault or (f"other bits in {differ}" if differ else ""),
        )


def stop(run: Path, step: int = 12) -> None:
    """Leave a run of the same settings that was stopped, with its checkpoints."""
    import isotropy

    recipe = Path("peace/recipe.toml")
    pid = os.fork()
    if not pid:
        for event in isotropy.train("t.csv", recipe, label="kind", out=run, evaluators=["linear"]):
            if isinstance(event, isotropy.Stepped) and event.step.number == step:
                event.stop()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def backwards() -> None:
    moments = iter(range(10**9, 0, -1))
    time.time = lambda: float(next(moments))  # type: ignore[assignment]


def clock_back(record: Record, dice: random.Random) -> None:
    """Set the clock back between a run and its resume, and while it runs."""
    for number in range(3):
        run, log = Path(f"clock-{number}"), Path("log")
        stop(run, dice.randint(2, 20))
        for path in run.rglob("*"):
            os.utime(path, (dice.uniform(0, 2e9),) * 2)
        fault = problem(struck(resumed(run), log, backwards), log)
        record.note("equal after", fault or gone_on(run, log))


def changed_data(record: Record, dice: random.Random) -> None:
    """Change a cell, the order or the number of rows under a run that is resumed, and put it back."""
    whole, frame = Path("t.csv").read_bytes(), pd.read_csv("t.csv")
    for number in range(6):
        run, log = Path(f"data-{number}"), Path("log")
        stop(run, dice.randint(2, 20))
        changed = frame.copy()
        if number % 3 == 0:
            changed.loc[dice.randrange(len(frame)), "pay"] += 0.001
        elif number % 3 == 1:
            changed = changed.iloc[::-1]
        else:
            changed = changed.drop(index=dice.randrange(len(frame)))
        changed.to_csv("t.csv", index=False)
        code, _ = finished(resumed(run), log)
        said = "the data is not what the run began with" in log.read_text()
        fault = "" if code == 2 and said else f"exit code {code}: {log.read_text()[-200:]}"
        Path("t.csv").write_bytes(whole)
        record.note("refused, and equal after", fault or gone_on(run, log))


def little_memory(record: Record, dice: random.Random) -> None:
    """Limit the memory to a random part of what a run takes beyond the imports."""
    log = Path("log")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for number in range(10):
        run = Path(f"memory-{number}")
        most = used + int(dice.uniform(1, 80) * (1 << 20))
        words = [*FIT, "--set", "encoder.hidden=2048", "--out", str(run)]
        code = struck(words, log, limit(resource.RLIMIT_AS, most))
        left = half_written(run) if run.exists() else []
        # Libraries that are loaded late, and find no room for their variables, are ended by glibc.
        ended = code == 127 and "cannot allocate memory for thread-local data" in log.read_text()
        fault = ("" if ended else problem(code, log)) or (f"left {left}" if left else "")
        record.note("ended by the C library" if ended else "one line" if code else "ended well", fault)
        shutil.rmtree(run, ignore_errors=True)


def lost_rank(record: Record, dice: random.Random) -> None:
    """Kill one of two ranks at a random moment of the training: the other one ends, and a resume finishes the run."""
    for number in range(4):
        run, logs = Path(f"ranks-{number}"), [Path(f"rank-{one}") for one in (0, 1)]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        pids = []
        for rank in (0, 1):
            named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            command = [sys.executable, "-c", _RANK, *FIT, "--epochs", "4000", "--out", str(run)]
            pid = os.fork()
            if not pid:
                handle = os.open(logs[rank], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(handle, 1)
                os.dup2(handle, 2)
                os.execve(sys.executable, command, os.environ | {key: str(one) for key, one in named.items()})
            pids.append(pid)
        while not checkpoint.paths(run / "checkpoints"):
            time.sleep(0.05)
        time.sleep(dice.uniform(0, 2))
        victim = number % 2
        os.kill(pids[victim], 9)
        os.waitpid(pids[victim], 0)
        started = time.monotonic()
        while (ended := os.waitpid(pids[1 - victim], os.WNOHANG))[0] == 0 and time.monotonic() - started < SECONDS:
            time.sleep(0.05)
        took = time.monotonic() - started
        record.longest(took)
        fault = "" if ended[0] else f"rank {1 - victim} still runs after {SECONDS} s"
        if not ended[0]:
            os.kill(pids[1 - victim], 9)
            os.waitpid(pids[1 - victim], 0)
        text = logs[1 - victim].read_text()
        lines = [line for line in text.splitlines() if line.startswith("isotropy: ")]
        # The first rank speaks: of one that is left alone, nothing is said where the first one died.
        if ended[0] and (os.waitstatus_to_exitcode(ended[1]) != 2 or "Traceback" in text or len(lines) != victim):
            fault = f"rank {1 - victim}: {text[-400:]}"
        if not fault and checkpoint.last_good(run / "checkpoints") is None:
            fault = "no checkpoint is left"
        record.note("the other one ended, and a checkpoint is kept", fault)


_RANK = """
import sys
import torch
import isotropy.runs.recorder
from isotropy.cli import main
torch.set_num_threads(1)
isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.1
main(sys.argv[1:])
"""

FAULTS = {
    "folder that may not be written": read_only, "limit of memory": little_memory, "two processes": two_at_once,
    "changed data": changed_data, "clock set back": clock_back, "rank killed": lost_rank, "full disk": full_disk,
}  # fmt: skip


def main() -> None:
    """Let every kind of fault strike, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help=f"one of {', '.join(FAULTS)}")
    asked = parser.parse_args()
    record = Record(asked.out.resolve(), asked.seed)
    torch.set_num_threads(1)
    isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.02
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_data()
        log = Path("log")
        assert finished([*FIT, "--out", "peace"], log)[0] == 0, log.read_text()
        tune = ["finetune", "peace", "t.csv", "--label", "kind", "--budget", "2s", "--out", "tuned"]
        assert finished(tune, log)[0] == 0, log.read_text()
        for name, strike in FAULTS.items():
            if asked.only in ("", name):
                record.begin(name)
                strike(record, random.Random(f"{asked.seed} {name}"))
                print(f"{name}: {record.content['faults'][name]}", file=sys.stderr, flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
