"""What `make demo` runs: handwritten digits that ship with scikit-learn, from a file to a page, a search and an audit.

The 1797 images of 8 x 8 pixels are written to an .npz file, as a user may have one; behind them stand twelve copies of
some of them, darker or brighter by an eighth, as collections of images have them. A mirrored digit is another shape, so
views are not flipped. A small part of a digit cannot be recognised, so crops cover at least half of it.
"""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from isotropy.cli import main

COMMANDS = (
    "fit runs/digits.npz --label-key digit --method simclr --epochs 30 --set views.flip=0 "
    "--set views.scale=[0.5,1.0] --out runs/demo",
    "search runs/demo --query 17 -k 4",
    "audit runs/demo -n 2",
)
COPIES = 12


def write_digits(path: Path) -> np.ndarray:
    """Write the digits, the copies and their labels to an .npz file; return which rows were copied."""
    digits = load_digits()
    images = digits.images * 255 / 16
    copied = np.sort(np.random.default_rng(0).choice(len(images), COPIES, replace=False))
    light = np.where(np.arange(COPIES) % 2, 0.875, 1.125)[:, None, None]
    every = np.concatenate([images, np.clip(images[copied] * light, 0, 255)])
    np.savez(path, X=every.round().astype(np.uint8), digit=np.concatenate([digits.target, digits.target[copied]]))
    return copied


if __name__ == "__main__":
    Path("runs").mkdir(exist_ok=True)
    shutil.rmtree("runs/demo", ignore_errors=True)
    copied = write_digits(Path("runs/digits.npz"))
    for command in COMMANDS:
        print("\n$ isotropy", command, flush=True)
        main(shlex.split(command))
    issues = pd.read_parquet("runs/demo/audit.parquet")
    found = issues["is_near_duplicate_issue"] | issues["is_exact_duplicate_issue"]
    rows = len(issues) - COPIES
    print(f"\n{found[rows:].sum()} of the {COPIES} copies, rows {rows} to {len(issues) - 1}, were found.")
    print("Open runs/demo/report.html: the map, the few-label curve, and the lists of the audit.")
