#!/usr/bin/env bash
# pyarrow 26.0.1: ParquetFile.iter_batches keeps what it has read of a file until the last batch. Memory grows by the size of
# the file, though each batch is dropped before the next one is taken and the row groups are small.
#
# The documentation calls it reading in a streaming fashion. By default (pre_buffer=True) the ranges of all row groups
# are read through one cache, which lets nothing go before the iterator ends. Asked for a few row groups at a time, or
# with pre_buffer=False, the same loop stays flat.
#
# Ends with 0 where it is as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 numpy==2.3.5
cat > "$folder/read.py" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path, how = sys.argv[1:]


def resident():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))


file = pq.ParquetFile(path, pre_buffer=how != "unbuffered")
groups = [[number] for number in range(file.num_row_groups)] if how == "by group" else [None]
before, most = resident(), 0.0
for some in groups:
    for batch in file.iter_batches(10_000, row_groups=some):
        most = max(most, resident() - before)
print(round(most))
PYTHON
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
path = os.path.join(folder, "rows.parquet")
rng = np.random.default_rng(0)
with pq.ParquetWriter(path, pa.schema([(f"c{n}", pa.float64()) for n in range(10)])) as out:
    for _ in range(100):
        out.write_table(pa.table({f"c{n}": rng.normal(size=50_000) for n in range(10)}))
size = os.path.getsize(path) / 2**20
print("pyarrow", pa.__version__, f"file of {size:.0f} MB in 100 row groups; growth of resident memory in MB:")
grown = {}
for how in ("all", "by group", "unbuffered"):
    command = [sys.executable, os.path.join(folder, "read.py"), path, how]
    grown[how] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print(f"{how:10s} {grown[how]}")
flat = max(grown["by group"], grown["unbuffered"])
sys.exit(0 if grown["all"] > 0.7 * size and flat < 0.4 * size else 1)
PYTHON
