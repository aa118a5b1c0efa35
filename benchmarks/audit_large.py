"""Seconds and memory of `isotropy audit` on runs of 100,000 images, series and rows of a table: the user's command.

    python benchmarks/audit_large.py FOLDER WORK [--busy] [image series table]

FOLDER holds cifar10_jpeg.npz and uci_har.npz (papers/sources.toml). The rows are made of them: images and their mirror
images, with noise and another brightness; windows of three channels with another gain and drift; a table is drawn. The
runs, hardly trained, are kept in WORK. Without `--busy` the audit takes two threads and the clock counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import measure
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "papers"))
import data_sets as sets

ROWS = 100_000
SECONDS = 120  # that an audit may take on two cores
FIT = {
    "image": ["--key", "X", "--label-key", "y", "--modality", "image"],
    "series": ["--key", "X", "--label-key", "y", "--modality", "series"],
    "table": ["--label", "y"],
}


def image(folder, rng):
    """Return CIFAR-10's training images and the same mirrored, with noise and another brightness; and their classes."""
    file = sets.path(folder, "cifar10_jpeg.npz")
    x, y = sets.jpegs(file, "train", ROWS // 2), np.load(file)["y_train"]
    other = x[..., ::-1] + rng.normal(0, 4, x.shape).astype(np.float32) + rng.uniform(-30, 30, (len(x), 1, 1, 1))
    return np.concatenate([x, other.clip(0, 255).round().astype(np.uint8)]), np.concatenate([y, y])


def series(folder, rng):
    """Return windows of HAR's three sensors, each again with another gain and drift; and their activities."""
    found = sets.whole("har", folder)
    x = np.asarray(found.values, dtype=np.float32).reshape(-1, 3, found.values.shape[-1])
    y = np.repeat(np.asarray(found.labels), len(x) // len(found.values))
    again = np.resize(np.arange(len(x)), ROWS)
    drift = np.linspace(-1, 1, x.shape[2]) * rng.normal(0, 0.1, (ROWS, x.shape[1], 1))
    out = (x[again] * rng.uniform(0.7, 1.4, (ROWS, 1, 1)) + drift * x.std()).astype(np.float32)
    out[: len(x)] = x
    return out, y[again]


def table(folder, rng):
    """Return twelve numbers of four causes and a category, and a class."""
    causes = rng.normal(size=(ROWS, 4))
    x = causes @ rng.normal(size=(4, 12)) + 0.5 * rng.normal(size=(ROWS, 12))
    frame = pd.DataFrame(x, columns=[f"c{place}" for place in range(12)])
    frame["kind"] = np.array(list("abcde"))[np.digitize(causes[:, 0], [-1, -0.3, 0.3, 1])]
    return frame, (causes[:, 1] + 0.5 * rng.normal(size=ROWS) > 0).astype(int)


KINDS = {"image": image, "series": series, "table": table}


def run(kind, folder, work):
    """Return the run of a kind, trained for a few steps where there is none."""
    out = work / f"run-{kind}"
    if (out / "embeddings.parquet").exists():
        return out
    values, labels = KINDS[kind](folder, np.random.default_rng(0))
    path = work / f"{kind}.{'parquet' if kind == 'table' else 'npz'}"
    if kind == "table":
        values.assign(y=labels).to_parquet(path)
    else:
        np.savez(path, X=values, y=labels)
    command = ["fit", str(path), *FIT[kind], "--epochs", "0.02", "--evaluate", "knn", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "isotropy", *command], check=True, stdout=subprocess.DEVNULL)
    return out


def audited(folder, busy):
    """Return wall seconds, CPU seconds and the most megabytes of the command, in a process of its own."""
    threads = "1" if busy else "2"
    command = [sys.executable, "-m", "isotropy", "audit", str(folder), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    start = perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = measure.parser("audit_large", __doc__ or "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    given = measure.start(parser)
    given.work.mkdir(exist_ok=True)
    rows, named = [], {}
    for kind in given.kinds or KINDS:
        folder = run(kind, given.folder, given.work)
        wall, cpu, megabytes = audited(folder, given.busy)
        taken = cpu if given.busy else wall
        seconds = (round(taken, 1), float(SECONDS))
        ratio = round(taken / SECONDS, 3)
        rows.append(measure.Row(f"{kind}: seconds / {SECONDS}", ratio, ratio, ratio, 1.0, True, seconds))
        about = json.loads((folder / "audit.json").read_text())["issues"]
        named[kind] = {"wall": round(wall, 1), "cpu": round(cpu, 1), "megabytes": round(megabytes)}
        named[kind] |= {"named": {issue: one["rows"] for issue, one in about.items()}}
        print(kind, named[kind], flush=True)
    return measure.finish("audit_large", rows, given.out, found=named)


if __name__ == "__main__":
    sys.exit(main())
