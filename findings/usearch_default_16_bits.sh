#!/usr/bin/env bash
# usearch 2.26.6: an Index that names no dtype stores 16 bits of a number (bf16, or f16), even where float32 is given.
#
# The default is documented, and costs little for cosines of rows that are far apart. Squared distances of near-duplicates are
# then those of the rounding: of rows of 64 standard normal numbers with noise of .002 the distance is wrong by a factor
# of .7 to 5.4, where dtype="f32" gives it to seven digits. Which of two near copies is nearer cannot be told.
# Expected: float32 rows are stored as float32 unless fewer bits are asked for. `isotropy.search` names dtype="f32".
#
# Ends with 0 where it behaves as written above, else with 1: then the dtype need not be named.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet usearch==2.26.6 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import usearch
from usearch.index import Index

print("usearch", usearch.__version__, "numpy", np.__version__)
rng = np.random.default_rng(0)
rows = rng.normal(size=(1000, 64)).astype(np.float32)
queries = rows + 0.002 * rng.normal(size=rows.shape).astype(np.float32)
right = ((queries - rows) ** 2).sum(1)
worst = []
for options in ({}, {"dtype": "f32"}):
    index = Index(ndim=64, metric="l2sq", **options)
    index.add(np.arange(len(rows)), rows)
    ratio = index.search(queries, 1).distances[:, 0] / right
    print(index.dtype, "distance over the right one:", ratio.min(), "to", ratio.max())
    worst.append(ratio.max())
sys.exit(0 if worst[0] > 2 and abs(worst[1] - 1) < 1e-5 else 1)
PYTHON
