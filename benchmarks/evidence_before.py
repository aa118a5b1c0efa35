"""The whole evidence step beside the probe table that it took the place of, on 50,000 ECG-like series of 256 steps.

    git worktree add FOLDER 66e2608
    BEFORE=FOLDER python benchmarks/evidence_before.py [--busy]

Commit 66e2608 is the last with the old table: a linear probe and k-NN of five representations. Today's step reads each
in three forms and adds few-label curves with 20 draws, search, clusters, random convolutions and label propagation.
Both sides get the same rows, a fixed random projection with a ReLU as encoder (another as the untrained one), and run
once, in processes of their own: the old side alone takes minutes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
from evidence import ecg_like

WIDTHS = 256, 4096
SIDE = """
import sys, time
sys.path.insert(0, sys.argv[1])
width, threads, busy = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
import numpy as np, torch
torch.set_num_threads(threads)
from isotropy.evaluation.baselines import collect
from isotropy.evaluation.evaluate import chosen_rows, evaluate
held = np.load(sys.argv[5])
x, y = held["x"], held["y"]
train, test = np.split(np.arange(len(x)), [len(x) * 3 // 5])
chosen = chosen_rows(y[train], y[test])
train, test = train[chosen[0]], test[chosen[1]]
encoded = []
for seed in (1, 2):
    weights = np.random.default_rng(seed).normal(size=(x.shape[2], width)).astype(np.float32)
    encoded.append(tuple(np.maximum(x[part, 0] @ weights, 0) for part in (train, test)))
clock = time.process_time if busy else time.perf_counter
start = clock()
free = collect(x[train, 0], x[test, 0], width=width, untrained=encoded[1], series=(x[train], x[test]))
found = evaluate({"ours": encoded[0], **free}, y[train], y[test], ours="ours")
print(clock() - start, len({one["representation"] for one in found["scores"]}), len(found["scores"]))
"""


def seconds(source: Path, width: int, busy: bool, held: Path) -> tuple[float, int, int]:
    """Return the seconds of one side, and how many representations and scores it has."""
    arguments = [sys.executable, "-c", SIDE, str(source), str(width), "1" if busy else "2", str(busy), str(held)]
    without = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=without)
    taken, representations, scores = done.stdout.split()
    print(
        f"{source}, width {width}: {float(taken):.1f} s, {representations} representations, {scores} scores", flush=True
    )
    return float(taken), int(representations), int(scores)


def main() -> int:
    """Time both sides at each width and write benchmarks/results/evidence_before.json."""
    arguments = measure.start(measure.parser("evidence_before", __doc__ or ""))
    before = os.environ.get("BEFORE")
    if before is None:
        print("BEFORE names no checkout of the old code: nothing is compared", file=sys.stderr)
        return measure.finish("evidence_before", [], arguments.out)
    rows, scores = [], {}
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "ecg.npz"
        x, y = ecg_like()
        np.savez(held, x=x, y=y)
        for width in WIDTHS:
            old = seconds(Path(before) / "src", width, arguments.busy, held)
            new = seconds(Path(__file__).parents[1] / "src", width, arguments.busy, held)
            rows.append(measure.row(f"probe table before / evidence, width {width}", [old[0]], [new[0]]))
            scores[width] = {"before": old[2], "now": new[2]}
    return measure.finish("evidence_before", rows, arguments.out, scores=scores)


if __name__ == "__main__":
    sys.exit(main())
