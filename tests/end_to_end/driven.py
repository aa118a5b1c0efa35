"""`isotropy fit` in peace, under SIGKILL and under Ctrl-C, each in a child of one process that imports once."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
import torch._dynamo  # this and the verb would be imported in every child

import isotropy.cli.fit
import isotropy.runs.recorder
from isotropy.cli import main
from isotropy.training import checkpoint

SECONDS, KILLS = 0.02, 4


def forked(arguments: list[str], log: Path) -> int:
    """Run `isotropy` in a child that writes what it says to `log`; return the child's number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        main(arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(code)


def under_fire(arguments: list[str], run: Path, dice: random.Random) -> dict[str, int]:
    """Fit with kills until it is done: the first one before any checkpoint, the others at random moments."""
    said = {"kills": 0, "before_any": 0, "resumes": 0}
    log = run.with_suffix(".log")
    while True:
        begun = (run / "recipe.toml").is_file()
        had = len(checkpoint.paths(run / "checkpoints"))
        said["resumes"] += had > 0
        pid = forked(["fit", "--resume", str(run)] if begun else [*arguments, "--out", str(run)], log)
        if said["kills"] < KILLS and wait(pid, run, dice, begun=begun):
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            said["kills"] += 1
            said["before_any"] += not checkpoint.paths(run / "checkpoints")
        elif os.waitstatus_to_exitcode(status):
            sys.exit(log.read_text())
        else:
            return said


def wait(pid: int, run: Path, dice: random.Random, *, begun: bool) -> bool:
    """Return true at a random moment of the training, or false if the process ended before it came."""
    made = newest(run)
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if not begun and (run / "recipe.toml").is_file():
            return True
        if begun and newest(run) > made:
            time.sleep(dice.uniform(0, 0.1))
            return True
    return False


def newest(run: Path) -> int:
    """Return the step of the last checkpoint, 0 if there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in checkpoint.paths(run / "checkpoints")), default=0)


def stopped(arguments: list[str], run: Path) -> dict[str, int]:
    """Fit, press Ctrl-C after the first checkpoint, and return the exit code."""
    pid = forked([*arguments, "--out", str(run)], run.with_suffix(".log"))
    while not newest(run) and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)
    os.kill(pid, signal.SIGINT)
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


def main_of(plan: Path) -> None:
    """Fit what `plan` names, once in peace, once under fire, once until Ctrl-C; write a report beside it."""
    report = {}
    for number, (name, arguments) in enumerate(json.loads(plan.read_text()).items()):
        once, often = Path(name) / "once", Path(name) / "often"
        once.parent.mkdir()
        if os.waitpid(forked([*arguments, "--out", str(once)], once.with_suffix(".log")), 0)[1]:
            sys.exit(once.with_suffix(".log").read_text())
        report[name] = under_fire(arguments, often, random.Random(number))
        report[name] |= stopped(arguments, Path(name) / "stopped")
    plan.with_name("report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    torch.set_num_threads(1)
    isotropy.runs.recorder._SECONDS_BETWEEN_CHECKPOINTS = SECONDS
    main_of(Path(sys.argv[1]))
