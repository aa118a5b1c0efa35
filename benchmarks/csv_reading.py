"""Reading a large .csv: time beside pandas with the pyarrow engine, and peak memory beside the size of the file.

    python benchmarks/csv_reading.py [--busy] [--size BYTES] [--out FILE]

Every reading is a process of its own, with pyarrow's threads as it chooses them; memory is the peak of what is
resident beyond what was before (Linux). Two files: numbers alone, and numbers with texts, dates, whole numbers with
gaps and codes that begin with zeros.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
import pandas as pd

SIZE, PAIRS, MOST_MEMORY = 200e6, 4, 2.5
CHILD = """
import json, resource, sys, time
import pandas as pd, pyarrow.csv, torch
from isotropy.data.csv_file import read_csv
path, who = sys.argv[1:]
read = read_csv if who == "isotropy" else lambda path: pd.read_csv(path, engine="pyarrow")
from pathlib import Path
def memory(line):
    return next(int(one.split()[1]) * 1024 for one in open("/proc/self/status") if one.startswith(line))
busy = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew: importing torch has a higher one
before, start, used = memory("VmRSS"), time.perf_counter(), busy()
frame = read(Path(path))
seconds, used = time.perf_counter() - start, busy() - used
print(json.dumps({"seconds": seconds, "busy": used, "memory": memory("VmHWM") - before, "shape": frame.shape}))
"""


def write(folder: Path, size: float) -> list[Path]:
    """Write both files, each of about `size` bytes."""
    draw = np.random.default_rng(0)
    rows = 100_000
    numbers = pd.DataFrame(draw.normal(size=(rows, 20)).round(6)).add_prefix("x")
    mixed = pd.DataFrame(
        {
            "id": np.arange(rows),
            "job": draw.choice(["cook", "smith", "nurse", "teacher"], rows),
            "city": draw.choice([f"city {n}" for n in range(500)], rows),
            "zip": [f"{n:05d}" for n in draw.integers(1000, 99999, rows)],
            "day": (pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 2000, rows), "D")).strftime(
                "%Y-%m-%d"
            ),
            "gap": pd.array(np.where(draw.random(rows) < 0.1, None, draw.integers(0, 99, rows)), dtype="Int64"),
            **{f"x{n}": draw.normal(size=rows).round(4) for n in range(8)},
        }
    )
    paths = []
    for name, frame in (("numbers", numbers), ("mixed", mixed)):
        text = frame.to_csv(index=False)
        header, _, body = text.partition("\n")
        paths.append(folder / f"{name}.csv")
        paths[-1].write_text(header + "\n" + body * max(1, round(size / len(text))))
    return paths


def child(path: Path, who: str) -> dict[str, float]:
    """Return what one reading took."""
    free = {
        name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"
    }  # pyarrow takes it for its own
    command = [sys.executable, "-c", CHILD, str(path), who]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=free)
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=measure.RESULTS / "csv_reading.json")
    parser.add_argument("--busy", action="store_true", help="count CPU seconds instead of wall time")
    parser.add_argument("--size", type=float, default=SIZE, help="bytes of either file")
    arguments = parser.parse_args()
    clock = "busy" if arguments.busy else "seconds"
    if arguments.busy:
        measure.CLOCK[0] = measure.own_seconds
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in write(Path(folder), arguments.size):
            found: dict[str, list[dict[str, float]]] = {"isotropy": [], "pandas": []}
            for pair in range(PAIRS):
                for who in list(found) if pair % 2 else reversed(list(found)):
                    found[who].append(child(path, who))
            size = path.stat().st_size
            ours, theirs = ([one[clock] for one in found[who]] for who in found)
            memory = [one["memory"] for one in found["isotropy"]]
            rows.append(measure.row(f"{path.stem}: pandas' pyarrow engine / read", theirs, ours, 1.0))
            rows.append(measure.row(f"{path.stem}: peak memory / size", memory, [size] * PAIRS, MOST_MEMORY, True))
            peak = [one["memory"] for one in found["pandas"]]
            rows.append(measure.row(f"{path.stem}: peak memory of pandas / size", peak, [size] * PAIRS))
    for row in rows:
        print(row)
    measure.write("csv_reading", rows, arguments.out, bytes=arguments.size)
    return 0 if all(row.fine for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
