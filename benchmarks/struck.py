"""What campaigns of faults share: commands on tiny data, something that befalls one, and what is to be right after it.

A command that is struck ends well, or says one line and exits with code 2; repeated without the fault it gives the bits
of one that had none.
"""

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kills import SAME, finished, forked, write_data

import isotropy
from isotropy.export import FORMATS

FIT = ["fit", "t.csv", "--label", "kind", "--method", "byol", "--epochs", "6", "--evaluate", "linear"]
FIT += ["--set", "encoder.width=8", "--set", "train.batch_size=16", "--precision", "float32"]
LONGER = ["--epochs", "9"]
# A fault: strikes at places of the dice, and notes what came of it.
Strike = Callable[["Record", random.Random], None]


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


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def damage(words: list[str], code: int, before: dict[Path, bytes], place: Path) -> str:
    """Return what a command that failed left behind or took away, empty where all is as it was."""
    after = contents(place)
    lost = [str(path) for path, data in before.items() if after.get(path) != data] if code else []
    begun = {path.name for path in after.keys() - before.keys()} if code else set()
    # Shards that are written stay, and the next call goes on with them.
    made = {name for name in begun if not name.startswith(("part-", "_shards"))} if words[0] != "fit" else set()
    left = half_written(place)
    return f"{words[0]}: lost or changed {lost}, left {left + sorted(made)}" if lost or made or left else ""


def resumed(run: Path) -> list[str]:
    return ["fit", "--resume", str(run), "--evaluate", "linear"]


def differing(run: Path, peace: str = "peace") -> str:
    """Return which of its files have other bits than those of the run that nothing befell."""
    differ = [name for name in SAME if Path(peace, name).read_bytes() != (run / name).read_bytes()]
    return f"other bits in {differ}" if differ else ""


def gone_on(run: Path, log: Path) -> str:
    """Finish a run, begun or not, and return how it departs from the one in peace."""
    begun = (run / "recipe.toml").is_file()
    code, _ = finished(resumed(run) if begun else [*FIT, "--out", str(run)], log)
    if code and "is finished" not in log.read_text():
        return f"does not go on: {log.read_text()[-300:]}"
    return differing(run)


def gone_on_longer(run: Path, log: Path) -> str:
    """Train a finished run longer, finishing first what was begun, and return how it departs from one in peace."""
    longer = [*resumed(run), *LONGER]
    codes = [finished(words, log)[0] for words in (longer, resumed(run), longer)]
    if codes[-1] and "is no longer" not in log.read_text():
        return f"does not go on longer: {log.read_text()[-300:]}"
    return differing(run, "longer")


def prepare() -> None:
    """Write the data and, in peace, a run, one on which all commands were done, and one that was then trained longer.

    Raises:
        AssertionError: a command fails without a fault.
    """
    write_data()
    log = Path("log")

    def done(*words: str) -> None:
        assert finished(list(words), log)[0] == 0, log.read_text()

    done(*FIT, "--out", "peace")
    done("finetune", "peace", "t.csv", "--label", "kind", "--budget", "2s", "--out", "tuned")
    # So that all commands find what they could lose.
    shutil.copytree("peace", "whole")
    for words in (["audit", "whole"], ["cluster", "whole", "-k", "2"], ["report", "whole"]):
        done(*words)
    shutil.copytree("whole", "longer")
    done(*resumed(Path("longer")), *LONGER)


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
        *(["export", run, "--to", to, "--out", str(place / to)] for to in ("huggingface", *FORMATS)),
        ["finetune", run, "t.csv", "--label", "kind", "--budget", "2s", "--out", str(place / "tuned")],
        ["predict", "tuned", "t.csv", "--out", str(place / "p.csv")],
    ]  # fmt: skip


def in_place(number: int) -> Path:
    place = Path(f"place-{number}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copytree("whole", place / "run")
    return place


def stop(run: Path, step: int = 12) -> None:
    """Leave a run of the same settings that was stopped, with its checkpoints."""
    recipe = Path("peace/recipe.toml")
    pid = os.fork()
    if not pid:
        for event in isotropy.train("t.csv", recipe, label="kind", out=run, evaluators=["linear"]):
            if isinstance(event, isotropy.Stepped) and event.step.number == step:
                event.stop()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
