"""How cost grows: rows embedded in one run, and a step of training by rows of the data, width and batch.

    python benchmarks/growth.py FOLDER [--most 10000000] [--out benchmarks/results/growth.json]

Writes tables (10 numbers; parquet) into FOLDER and removes them. `isotropy embed` writes 64 numbers a row in files of a
million rows, in a process of its own, whose CPU seconds and peak of resident memory are noted. A step is one of SimCLR
(two views, the default encoder with 256 units in every layer, float32, one thread). Of each list the slope is that of
the logarithms, by least squares: 1 is a cost that grows as what is varied does.
"""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from isotropy.batch import batched
from isotropy.runs.recipe import Recipe
from isotropy.runs.session import Planned, train
from isotropy.training import fit

COLUMNS, WIDTH, PIECE = 10, 64, 131_072
STEPS = 12
ROWS, WIDTHS, BATCHES = (2_000, 20_000, 200_000), (64, 128, 256, 512), (64, 128, 256, 512, 1024)


def write(path: Path, rows: int) -> None:
    """Write normal numbers, piece by piece."""
    rng = np.random.default_rng(0)
    schema = pa.schema([(f"x{place}", pa.float32()) for place in range(COLUMNS)])
    with closing(pq.ParquetWriter(path, schema)) as writer:
        for part in batched(rows, rows=PIECE):
            values = rng.standard_normal((COLUMNS, part.stop - part.start), dtype=np.float32)
            writer.write_table(pa.table(list(map(pa.array, values)), schema=schema))


def embedded(folder: Path, rows: int) -> dict[str, Any]:
    """Return what `isotropy embed` of so many rows takes."""
    data, out = folder / "rows.parquet", folder / "embedded.parquet"
    write(data, rows)
    command = ["embed", str(folder / "run"), str(data), "--out", str(out), "--shard-rows", "1000000"]
    child = subprocess.Popen([sys.executable, "-m", "isotropy", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"isotropy embed failed with {status}")
    there = sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet"))
    if there != rows:
        raise SystemExit(f"{there:,} rows of {rows:,} are in {out}")
    shutil.rmtree(out)
    seconds = usage.ru_utime + usage.ru_stime
    return {"rows": rows, "cpu_seconds": round(seconds, 2), "peak_bytes": usage.ru_maxrss * 1024}


def trained(folder: Path) -> None:
    """Make the run that embeds."""
    write(folder / "some.parquet", 20_000)
    small = ["--epochs", "1", "--set", "embedding=learned", "--set", f"encoder.width={WIDTH}"]
    command = ["fit", str(folder / "some.parquet"), *small, "--out", str(folder / "run")]
    subprocess.run([sys.executable, "-m", "isotropy", *command], check=True, stdout=subprocess.DEVNULL)


def step(rows: int = 20_000, width: int = 256, batch: int = 256) -> float:
    """Return the median CPU seconds of a step."""
    values = np.random.default_rng(0).normal(size=(rows, COLUMNS)).astype(np.float32)
    sizes = {"encoder.width": width, "encoder.hidden": width, "train.batch_size": batch}
    recipe = Recipe.default("simclr", "table").changed(sizes | {"train.precision": "float32"})
    planned = next(train(values, recipe, epochs=200))
    assert isinstance(planned, Planned)
    prepared, seconds, last = planned.prepared, [], 0.0
    for _ in islice(fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()), STEPS):
        now = process_time()
        seconds.append(now - last)
        last = now
    return round(median(seconds[2:]), 6)


def slope(pairs: list[tuple[float, float]]) -> float:
    """Return the exponent of the power law nearest to pairs of a size and a cost.

    Example:
        >>> slope([(1, 3.0), (10, 300.0), (100, 30_000.0)])
        2.0
    """
    sizes, costs = np.log(np.array(pairs, dtype=np.float64)).T
    return round(float(np.polyfit(sizes, costs, 1)[0]), 2)


def main() -> int:
    parser = measure.parser("growth", __doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000_000)
    arguments = measure.start(parser)
    torch.set_num_threads(1)
    folder = arguments.folder / "growth"
    folder.mkdir(parents=True)
    try:
        trained(folder)
        sizes = [arguments.most // 100, arguments.most // 10, arguments.most]
        embeddings = [embedded(folder, rows) for rows in sizes]
    finally:
        shutil.rmtree(folder)
    (_, before, last) = embeddings
    each = (last["cpu_seconds"] - before["cpu_seconds"]) / (last["rows"] - before["rows"])
    steps = {
        "rows": [(rows, step(rows=rows)) for rows in ROWS],
        "width": [(width, step(width=width)) for width in WIDTHS],
        "batch": [(batch, step(batch=batch)) for batch in BATCHES],
    }
    slopes = {name: slope(pairs) for name, pairs in steps.items()}
    slopes["embedded rows"] = slope([(one["rows"], one["cpu_seconds"]) for one in embeddings])
    rows = [
        measure.row("peak memory of 10 times as many rows", [last["peak_bytes"]], [before["peak_bytes"]], 1.2, True)
    ]
    details = {"embedded": embeddings, "rows_a_cpu_second": round(1 / each), "steps": steps, "slopes": slopes}
    print(details)
    return measure.finish("growth", rows, arguments.out, details=details)


if __name__ == "__main__":
    sys.exit(main())
