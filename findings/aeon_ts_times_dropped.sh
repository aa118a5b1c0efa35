#!/usr/bin/env bash
# aeon 1.6.0: load_from_ts_file reads a .ts file whose header says @timeStamps true, drops the times without a message, and
# loses pairs whose value has no decimal point. Classes come out in lower case, too.
#
# A series that was measured at 0, 1 and 10 seconds comes out as three evenly spaced values; one of whose values is written
# 2 instead of 2.0 comes out shorter. The format (https://www.aeon-toolkit.org, "The .ts file format") has
# (time,value) pairs and a flag for them in its header, and numbers need no decimal point.
# Expected: the times, or one line that says that they are not read.
#
# Ends with 0 where it fails as written above, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aeon==1.6.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
from aeon.datasets import load_from_ts_file

HEADER = "@problemName P\n@timeStamps true\n@missing false\n@univariate true\n@equalLength true\n@seriesLength 3\n"
HEADER += "@classLabel true A B\n@data\n"
found = {}
for name, cases in {"points": ["(0,1.5),(1,2.5),(10,3.5):A", "(0,4.5),(1,5.5),(10,6.5):B"],
                    "whole": ["(0,1),(1,2.5),(10,3.5):A", "(0,4),(1,5.5),(10,6.5):B"]}.items():
    open(f"{name}.ts", "w").write(HEADER + "\n".join(cases) + "\n")
    series, classes = load_from_ts_file(f"{name}.ts")
    found[name] = [np.asarray(one).ravel().tolist() for one in series]
    print(name, found[name], list(classes))
    lowered = sorted(map(str, classes)) == ["a", "b"]
dropped = found["points"] == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]
lost = any(len(one) < 3 for one in found["whole"])
sys.exit(0 if dropped and lost and lowered else 1)
PYTHON
