"""Let disks, folders, memory, clocks, data and other processes fail: one line, nothing half-written, and a way on.

    python benchmarks/faults.py --out benchmarks/results/faults.json [--seed 0] [--only "full disk"]

Every fault strikes at a random place, in commands on tiny data. A command then ends well, or says one line and exits
with code 2; repeated without the fault it gives the bits of one that had none.
"""

import argparse
import os
import random
import socket
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from faults_of_disks import STRIKES
from kills import finished, forked
from struck import FIT, Record, Strike, differing, gone_on, prepare, problem, resumed, stop, struck

import isotropy.runs.recorder
from isotropy.training import checkpoint

SECONDS = 30


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
        record.note("one of them equal, the other one line", fault or differing(run))


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


def lost_rank(record: Record, dice: random.Random) -> None:
    """Kill one of two or three ranks at a random moment of the training: the others end, and a checkpoint stays."""
    for number in range(6):
        world = 2 + number // 4
        run, logs = Path(f"ranks-{number}"), [Path(f"rank-{one}") for one in range(world)]
        pids = begin_ranks(run, logs)
        while not checkpoint.paths(run / "checkpoints"):
            time.sleep(0.05)
        time.sleep(dice.uniform(0, 2))
        victim = number % world
        os.kill(pids[victim], 9)
        os.waitpid(pids[victim], 0)
        killed = time.monotonic()
        faults = [left_alone(rank, pids[rank], logs[rank], killed) for rank in range(world) if rank != victim]
        record.longest(time.monotonic() - killed)
        fault = next((one for one in faults if one), "")
        if not fault and checkpoint.last_good(run / "checkpoints") is None:
            fault = "no checkpoint is left"
        record.note(f"of {world} ranks the others ended, and a checkpoint is kept", fault)


def begin_ranks(run: Path, logs: list[Path]) -> list[int]:
    """Begin a long run on as many ranks as there are logs; return the numbers of their processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", _RANK, *FIT, "--epochs", "4000", "--out", str(run)]
    together = {"WORLD_SIZE": str(len(logs)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    pids = []
    for rank, log in enumerate(logs):
        pid = os.fork()
        if not pid:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            os.execve(sys.executable, command, os.environ | together | own)
        pids.append(pid)
    return pids


def left_alone(rank: int, pid: int, log: Path, killed: float) -> str:
    """Wait for a rank to end after another was killed at a time; return what is wrong with its end."""
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() - killed < SECONDS:
        time.sleep(0.05)
    if not ended[0]:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        return f"rank {rank} still runs after {SECONDS} s"
    text = log.read_text()
    lines = [line for line in text.splitlines() if line.startswith("isotropy: ")]
    # The first rank speaks: where it was the one that died, nobody does.
    if os.waitstatus_to_exitcode(ended[1]) != 2 or "Traceback" in text or len(lines) != (rank == 0):
        return f"rank {rank}: {text[-400:]}"
    return ""


_RANK = """
import sys
import torch
import isotropy.runs.recorder
from isotropy.cli import main
torch.set_num_threads(1)
isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = 0.1
main(sys.argv[1:])
"""

FAULTS: dict[str, Strike] = STRIKES | {
    "two processes": two_at_once, "changed data": changed_data, "clock set back": clock_back, "rank killed": lost_rank,
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
        prepare()
        for name, strike in FAULTS.items():
            if asked.only in ("", name):
                record.begin(name)
                strike(record, random.Random(f"{asked.seed} {name}"))
                print(f"{name}: {record.content['faults'][name]}", file=sys.stderr, flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
