"""Random convolutions beside aeon's MiniRocket (numba): 2,000 series of 500 steps, 9,996 features, fit and transform.

    AEON=FOLDER/bin/python python benchmarks/random_convolutions.py [--busy]

aeon lives in an environment of its own, as numba asks for an older numpy:
`python -m venv FOLDER; FOLDER/bin/pip install aeon==1.6.0 numba==0.63.1 numpy==2.3.5`; a fresh resolve can pick a numba
that cannot load. Both sides run in processes of their own, on two threads (`--busy`: CPU seconds of one), and take
turns: the first call of each, for which numba compiles into an empty cache, then 5 pairs.
"""

import os
import subprocess
import sys
import tempfile

import measure

PAIRS = 5
COMMON = """
import resource, sys, time
import numpy as np
x = np.random.default_rng(0).normal(size=(2000, 1, 500)).astype(np.float32).cumsum(2)
x = (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True)
threads, busy = int(sys.argv[1]), sys.argv[2] == "True"
clock = time.process_time if busy else time.perf_counter
"""
OURS = """
import torch
torch.set_num_threads(threads)
from isotropy.features.random_convolutions import random_convolutions
run = lambda: random_convolutions(x, x[:0])[0]
"""
THEIRS = """
from aeon.transformations.collection.convolution_based import MiniRocket
run = lambda: MiniRocket(n_jobs=threads, random_state=0).fit_transform(x)
"""
LOOP = """
for line in sys.stdin:
    start = clock()
    assert run().shape == (2000, 9996)
    print(clock() - start, flush=True)
"""


class Side:
    """A process that times one implementation whenever it is asked."""

    def __init__(self, python: str, code: str, busy: bool, cache: str) -> None:
        self.process = subprocess.Popen(
            [python, "-c", COMMON + code + LOOP, "1" if busy else "2", str(busy)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "NUMBA_CACHE_DIR": cache},
        )  # fmt: skip

    def seconds(self) -> float:
        """Return the seconds of one call."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> int:
    arguments = measure.start(measure.parser("random_convolutions", __doc__ or ""))
    python = os.environ.get("AEON")
    if python is None:
        print("AEON names no interpreter with aeon: nothing is compared", file=sys.stderr)
        return measure.finish("random_convolutions", [], arguments.out)
    with tempfile.TemporaryDirectory() as cache:
        ours = Side(sys.executable, OURS, arguments.busy, cache)
        theirs = Side(python, THEIRS, arguments.busy, cache)
        first = [theirs.seconds()], [ours.seconds()]
        pairs: tuple[list[float], list[float]] = ([], [])
        for turn in range(PAIRS):
            for place in (0, 1) if turn % 2 else (1, 0):
                pairs[place].append((theirs, ours)[place].seconds())
        for side in (ours, theirs):
            side.process.stdin.close()  # type: ignore[union-attr]
            side.process.wait()
    rows = [
        measure.row("aeon / ours, after its compilation", *pairs, 1.0),
        measure.row("aeon / ours, first call of a process", *first, 3.0),
    ]
    return measure.finish("random_convolutions", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
