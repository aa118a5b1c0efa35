"""Training on files that are larger than memory: rate and memory beside the same rows held in memory.

    python benchmarks/large.py FOLDER [--gigabytes 10] [--seconds 60] [--turns 2] [--out benchmarks/results/large.json]

Writes a table (24 numbers, a category and a label; parquet, row groups of 131,072) and windows (9 channels of 128
steps; .npy) into FOLDER, which needs room for one of them, and removes them. Each is trained on by its default method
in a process of its own, which the system gives at most 2 GB of data (`RLIMIT_DATA`) and whose peak of resident memory
is noted, and one file of .25 GB of such rows in memory, without a limit. CPU seconds a row count, as other programs may
be at work: those of steps behind the first ten, and those of reading divided by the rows that were read.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import measure
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isotropy.data.blocks.dataset import BlockDataset
from isotropy.io.tables import Npy
from isotropy.runs.events import Planned
from isotropy.runs.session import train
from isotropy.training import fit

LIMIT = 2_000_000_000
SMALL = 0.25
FILES = 8
WARM_UP = 10
_WINDOWS = 5_000
KINDS = {"table": ".parquet", "windows": ".npy"}


def write_table(folder: Path, gigabytes: float, files: int) -> None:
    """Write numbers with six factors, one of which is the label's; the row groups of a file are equal."""
    rng, rows, width = np.random.default_rng(0), 131_072, 24
    mixing = rng.normal(size=(6, width)).astype(np.float32)
    groups = max(1, round(gigabytes * 1e9 / rows / (4 * width + 10) / files))
    for number in range(files):
        label = rng.integers(4, size=rows)
        factors = rng.standard_normal((rows, 6), dtype=np.float32)
        factors[:, 0] += label
        values = factors @ mixing + rng.standard_normal((rows, width), dtype=np.float32) / 2
        columns: dict[str, Any] = {f"x{place}": values[:, place] for place in range(width)}
        columns |= {"job": np.array(["cook", "smith", "baker"])[rng.integers(3, size=rows)], "label": label}
        table = pa.table(columns)
        with pq.ParquetWriter(
            folder / f"part{number}.parquet", table.schema, compression="none", use_dictionary=["job"]
        ) as writer:
            for _ in range(groups):
                writer.write_table(table)


def write_windows(folder: Path, gigabytes: float, files: int) -> None:
    """Write waves of four frequencies in noise; the pieces of a file are equal."""
    rng = np.random.default_rng(0)
    pieces = max(1, round(gigabytes * 1e9 / _WINDOWS / (9 * 128 * 4) / files))
    steps = np.linspace(0, 2 * np.pi, 128, dtype=np.float32)
    for number in range(files):
        waves = rng.integers(1, 5, size=(_WINDOWS, 1, 1)) * steps + rng.uniform(0, 6, size=(_WINDOWS, 9, 1))
        some = np.sin(waves).astype(np.float32) + rng.standard_normal((_WINDOWS, 9, 128), dtype=np.float32) / 2
        with closing(Npy(folder / f"part{number}.npy", (9, 128), np.float32)) as writer:
            for _ in range(pieces):
                writer.write(some)


def trained(pattern: str, stream: bool, seconds: float) -> dict[str, Any]:
    """Train for so long and return rows, CPU and wall seconds a row, the time before the first step, and memory."""
    start = perf_counter()
    events = train(pattern, stream=stream, label="label" if "parquet" in pattern else None, epochs=1)
    planned = next(events)
    assert isinstance(planned, Planned)
    prepared = planned.prepared
    begun = perf_counter() - start
    reading = timed_reading(prepared.dataset) if isinstance(prepared.dataset, BlockDataset) else [0.0]
    rows, first, read_before = 0, (0.0, 0.0), 0.0
    for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()):
        now = (process_time(), perf_counter())
        if step.number == WARM_UP:
            first, read_before = now, sum(reading)
        elif step.number > WARM_UP:
            rows += step.rows
            if now[1] - first[1] > seconds:
                break
    loaded = prepared.dataset.loaded if isinstance(prepared.dataset, BlockDataset) else 0
    read = sum(reading) / max(1, loaded)
    return {
        "method": prepared.recipe.method,
        "rows": len(prepared.dataset),
        "trained_on": rows,
        "loaded": loaded,
        "cpu_seconds_a_row": (now[0] - first[0] - sum(reading) + read_before) / rows + read,
        "of_these_reading": read,
        "rows_a_second": rows / (now[1] - first[1]),
        "seconds_before_the_first_step": begun,
        "peak_bytes": peak(),
    }


def timed_reading(drawn: BlockDataset) -> list[float]:
    """Let a data set note the CPU seconds of each block that it reads from now on."""
    seconds: list[float] = []
    drawn.loaded, read = 0, drawn._block

    def block(number: int) -> Any:
        loaded, start = drawn.loaded, process_time()
        found = read(number)
        if drawn.loaded > loaded:
            seconds.append(process_time() - start)
        return found

    drawn._block = block  # type: ignore[method-assign]
    return seconds


def in_process(pattern: str, stream: bool, seconds: float) -> dict[str, Any]:
    """Do it in a process of its own."""
    command = [sys.executable, __file__, pattern, "--train", str(int(stream)), "--seconds", str(seconds)]
    # Allocators reserve far more than they use, and the limit counts what is reserved.
    plain = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
    limit = (lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))) if stream else None
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, env=os.environ | plain)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak() -> int:
    """Return the most resident bytes of this process since it began its program: a fork has its parent's before."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measured(kind: str, folder: Path, gigabytes: float, seconds: float, turns: int) -> dict[str, Any]:
    """Write the files of a kind, train on both sizes in turns, and remove them."""
    found: dict[str, Any] = {"streamed": [], "in memory": []}
    try:
        for name, size, files in (("large", gigabytes, FILES), ("small", SMALL, 1)):
            place = folder / f"{kind}-{name}"
            place.mkdir(parents=True)
            {"table": write_table, "windows": write_windows}[kind](place, size, files)
        for _ in range(turns):
            found["streamed"].append(in_process(str(folder / f"{kind}-large/*{KINDS[kind]}"), True, seconds))
            found["in memory"].append(in_process(str(folder / f"{kind}-small/part0{KINDS[kind]}"), False, seconds))
    finally:
        for name in ("large", "small"):
            shutil.rmtree(folder / f"{kind}-{name}", ignore_errors=True)
    return found


def main() -> int:
    parser = measure.parser("large", __doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--train", type=int, help="for itself: train on the files of a pattern, streamed or not")
    arguments = measure.start(parser)
    if arguments.train is not None:
        print(json.dumps(trained(arguments.folder, bool(arguments.train), arguments.seconds)))
        return 0
    folder, rows, details = Path(arguments.folder), [], {}
    for kind in KINDS:
        details[kind] = found = measured(kind, folder, arguments.gigabytes, arguments.seconds, arguments.turns)
        costs = [[one["cpu_seconds_a_row"] for one in found[side]] for side in ("in memory", "streamed")]
        rows.append(measure.row(f"{kind}: rate of streamed rows / of rows in memory", *costs, threshold=0.8))
        most = max(one["peak_bytes"] for one in found["streamed"])
        rows.append(measure.row(f"{kind}: peak memory / 2 GB", [most], [LIMIT], threshold=1.0, at_most=True))
    return measure.finish("large", rows, arguments.out, details=details, gigabytes=arguments.gigabytes)


if __name__ == "__main__":
    sys.exit(main())
