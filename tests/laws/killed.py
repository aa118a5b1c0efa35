"""Train each method twice, once unharmed and once under SIGKILL at random moments. Started by the resume law."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
import torch._dynamo

from isotropy.training import Optim, checkpoint
from laws import cases
from laws.worker import forked

KILLS, EVERY = 5, 2


def train(name: str, run: Path) -> None:
    """Train `name` in `run` from where its last checkpoint left off; metrics are cut to that checkpoint's offset."""
    folder = run / "checkpoints"
    last = next(reversed(checkpoint.paths(folder)), None)
    offset = checkpoint.about(last)["about"]["offset"] if last else 0
    with open(run / "metrics.jsonl", "a+b") as metrics:
        metrics.truncate(offset)
        for step in cases.train(cases.make(name), optim=Optim(lr=0.01), epochs=epochs(name), resume=last):
            metrics.write(json.dumps({"step": step.number, **step.terms}).encode() + b"\n")
            if step.number % EVERY == 0 or step.number == step.steps:
                metrics.flush()
                step.save(folder, offset=metrics.tell())


def epochs(name: str) -> float:
    """Return how many epochs make about 40 steps, so that every kill finds the run on its way."""
    return 40 * cases.EPOCHS / cases.steps(name)


def under_fire(name: str, run: Path, dice: random.Random) -> dict[str, int]:
    """Train with kills until it is done: some after a random time, some while a checkpoint is being written."""
    report = {"kills": 0, "while_saving": 0, "resumes": 0}
    while True:
        had = len(checkpoint.paths(run / "checkpoints"))
        report["resumes"] += report["kills"] > 0 and had > 0
        pid = forked(lambda: train(name, run))
        if report["kills"] < KILLS and wait_for_moment(pid, run, dice, saving=report["kills"] % 2 == 0):
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            report["kills"] += 1
            report["while_saving"] += len(leftovers(run)) > 0
        elif os.waitstatus_to_exitcode(status):
            sys.exit(f"{name} failed")
        else:
            return report


def wait_for_moment(pid: int, run: Path, dice: random.Random, *, saving: bool) -> bool:
    """Return true at a moment after the run made progress, or false if the run ended before it came."""
    made, wanted = newest(run), dice.randint(1, 3)
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if newest(run) >= made + wanted * EVERY:
            break
    else:
        return False
    if saving:
        deadline = time.monotonic() + 1
        while not leftovers(run) and time.monotonic() < deadline:
            pass
    else:
        time.sleep(dice.uniform(0, 0.02))
    return True


def newest(run: Path) -> int:
    """Return the step of the last checkpoint, 0 if there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in checkpoint.paths(run / "checkpoints")), default=0)


def leftovers(run: Path) -> list[Path]:
    """Return files in the checkpoints' folder that are no checkpoints: those being written."""
    folder = run / "checkpoints"
    return [path for path in folder.iterdir() if path not in checkpoint.paths(folder)] if folder.is_dir() else []


def main(folder: Path, names: list[str]) -> None:
    """Do both trainings of every method and write a report beside them."""
    torch.set_num_threads(1)
    for number, name in enumerate(names):
        once, often = folder / name / "once", folder / name / "often"
        for run in (once, often):
            run.mkdir(parents=True)
        if os.waitpid(forked(lambda run=once, name=name: train(name, run)), 0)[1]:
            sys.exit(f"{name} failed")
        report = under_fire(name, often, random.Random(number))
        (folder / name / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
