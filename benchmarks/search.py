"""Exact top 10 of 1,000 queries in 1,000,000 x 256 float32, beside faiss's flat index and scikit-learn's brute force.

    FAISS=FOLDER/bin/python python benchmarks/search.py [--busy]

faiss lives in an environment of its own: `python -m venv FOLDER; FOLDER/bin/pip install faiss-cpu==1.15.1`. Every side
runs in a process of its own, on two threads (`--busy`: CPU seconds of one), and they take turns: a first turn that is
dropped, then 3 pairs, and one pair with scikit-learn. Rows are of length 1 beforehand, which faiss needs for cosines.
They are normal noise, whose neighbours are far, and an embedding's kind: 100 clusters in 16 of the 256 dimensions,
whose neighbours are near. What is more than the rows in memory is measured in the searches.
"""

import os
import subprocess
import sys

import measure

PAIRS = 3
COMMON = """
import os, resource, sys, time
import numpy as np
busy = sys.argv[1] == "True"
threads = 1 if busy else 2
clock = time.process_time if busy else time.perf_counter
rng = np.random.default_rng(0)
axes = rng.standard_normal((16, 256), dtype=np.float32)
middles = 3 * rng.standard_normal((100, 16), dtype=np.float32)
def made(kind, count):
    out = np.empty((count, 256), dtype=np.float32)
    for start in range(0, count, 10000):
        part = out[start : start + 10000]
        rng.standard_normal(part.shape, dtype=np.float32, out=part)
        if kind == "clusters":
            near = middles[rng.integers(0, 100, len(part))] + rng.standard_normal((len(part), 16), dtype=np.float32)
            part *= .1
            part += near @ axes
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return out
queries, rows = {}, {}
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""
OURS = """
import torch
torch.set_num_threads(threads)
from isotropy.search import nearest
def index(kind):
    rows[kind] = made(kind, 1_000_000)
def run(kind):
    return nearest(queries[kind], rows[kind], 10)[0]
"""
FAISS = """
import faiss
faiss.omp_set_num_threads(threads)
def index(kind):
    rows[kind] = faiss.IndexFlatIP(256)
    rows[kind].add(made(kind, 1_000_000))
def run(kind):
    return rows[kind].search(queries[kind], 10)[1]
"""
SKLEARN = """
from sklearn.neighbors import NearestNeighbors
def index(kind):
    rows[kind] = NearestNeighbors(n_neighbors=10, algorithm="brute", metric="cosine").fit(made(kind, 1_000_000))
def run(kind):
    return rows[kind].kneighbors(queries[kind], return_distance=False)
"""
LOOP = """
for line in sys.stdin:
    kind = line.strip()
    if kind not in rows:
        rows.clear()
        rng = np.random.default_rng(1)
        queries[kind] = made(kind, 1000)
        index(kind)
    before, start = memory(), clock()
    found = run(kind)
    print(clock() - start, memory() - before, hash(np.sort(found, 1).tobytes()), flush=True)
"""


class Side:
    """A process that times one implementation whenever it is asked."""

    def __init__(self, python: str, code: str, busy: bool) -> None:
        threads = "1" if busy else "2"
        self.process = subprocess.Popen(
            [python, "-c", COMMON + code + LOOP, str(busy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        self.megabytes = 0.0

    def seconds(self, kind: str) -> float:
        """Return the seconds of one search; the first call of a kind also makes the rows."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{kind}\n")
        self.process.stdin.flush()
        taken, more, self.found = self.process.stdout.readline().split()
        self.megabytes = max(self.megabytes, float(more))
        return float(taken)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> int:
    arguments = measure.start(measure.parser("search", __doc__ or ""))
    python = os.environ.get("FAISS")
    rows = []
    ours = Side(sys.executable, OURS, arguments.busy)
    if python is None:
        print("FAISS names no interpreter with faiss: it is left out", file=sys.stderr)
    for kind in ("normal", "clusters") if python else ():
        theirs = Side(python or "", FAISS, arguments.busy)
        pairs: dict[str, list[float]] = {"faiss": [], "ours": []}
        for turn in range(PAIRS + 1):
            for name, side in [("faiss", theirs), ("ours", ours)][:: 1 if turn % 2 else -1]:
                taken = side.seconds(kind)
                if turn:
                    pairs[name].append(taken)
        print(kind, "the same neighbours:", ours.found == theirs.found, file=sys.stderr)
        rows.append(measure.row(f"faiss flat / ours, {kind}", pairs["faiss"], pairs["ours"], 1.0))
        theirs.close()
    theirs = Side(sys.executable, SKLEARN, arguments.busy)
    both = [theirs.seconds("normal")], [ours.seconds("normal")]
    rows.append(measure.row("scikit-learn brute / ours, normal", *both, 5.0))
    theirs.close()
    ours.close()
    rows.append(measure.Row("megabytes beside the rows", *[round(ours.megabytes, 1)] * 3, 200.0, True))
    return measure.finish("search", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
