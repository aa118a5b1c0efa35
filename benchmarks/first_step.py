"""From Enter to the first step of `isotropy fit`, beside importing torch and reading the same file.

    python benchmarks/first_step.py [--rows 5000] [--turns 9] [--out benchmarks/results/first_step.json]

A table of twelve numbers, a category and a label in .csv. Every side is a process of its own with one thread, whose CPU
seconds are counted when it has taken its first step, or read the file. The modules are compiled before.
"""

import compileall
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import measure
import numpy as np
import pandas as pd

import isotropy

SPENT = """
import resource
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, file=sys.stderr, flush=True)
"""
# Enough to train on the file by hand.
BARE = f"""
import sys, torch, pandas, pyarrow
frame = pandas.read_csv(sys.argv[1])
{SPENT}
spent()
"""
# The module of the loop is changed when the command line has imported it, and the process ends at the first step.
FIT = f"""
import importlib.abc, importlib.util, os, sys
{SPENT}
LOOP = "isotropy.training.loop"

class AtLoop(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != LOOP:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            steps = module._steps
            def first(*given):
                next(steps(*given))
                spent()
                os._exit(0)
            module._steps = first
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, AtLoop())
from isotropy.cli import main
main()
"""


def seconds(code: str, *arguments: str) -> float:
    """Return the CPU seconds that a process says it has used."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return float(done.stderr.strip().splitlines()[-1])


def written(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((rows, 12)).round(4), columns=[f"x{place}" for place in range(12)])
    frame["job"], frame["kind"] = rng.choice(["cook", "smith", "baker"], rows), rng.choice(["a", "b"], rows)
    frame.to_csv(path, index=False)


def main() -> int:
    parser = measure.parser("first_step", __doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--turns", type=int, default=9)
    asked = measure.start(parser)
    compileall.compile_dir(str(Path(isotropy.__file__).parent), quiet=1)
    times: dict[str, list[float]] = {"bare": [], "epochs": [], "default": []}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        written(path, asked.rows)
        for turn in range(asked.turns + 1):
            taken = {"bare": seconds(BARE, str(path))}
            for name, more in (("epochs", ["--epochs", "5"]), ("default", [])):
                out = str(Path(folder) / f"{name}-{turn}")
                taken[name] = seconds(FIT, "fit", str(path), "--label", "kind", "--out", out, *more)
            if turn:
                for name, one in taken.items():
                    times[name].append(one)
    rows = [
        measure.row(
            "fit --epochs to its first step / torch, pandas and reading",
            times["epochs"],
            times["bare"],
            1.3,
            at_most=True,
        ),
        measure.row(
            "fit to its first step / torch, pandas and reading", times["default"], times["bare"], 1.3, at_most=True
        ),
    ]
    return measure.finish("first_step", rows, asked.out)


if __name__ == "__main__":
    sys.exit(main())
