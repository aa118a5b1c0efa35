#!/usr/bin/env bash
# pyarrow 26.0.1: csv.open_csv waits for ever where the system gives the process one more thread and no second one (a limit of
# memory or of tasks), though where it gives none it raises "Failed to launch worker thread" at once.
#
# The thread that reads was started; starting one that computes fails, and the failure is handled on the thread that
# reads: it destroys the generator of blocks, whose BackgroundGenerator::Cleanup waits for that very thread.
# ReadOptions(use_threads=False) changes nothing. Started before, by anything that computes on two columns, the call raises.
#
# Ends with 0 where it is as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==26.0.1 pandas==3.0.1
cat > "$folder/read.py" <<'PYTHON'
import os
import resource
import sys

import pandas  # noqa: F401 (before the limit)
import pyarrow as pa
from pyarrow import csv

path, how = sys.argv[1:]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (4 if how == "none" else 12) * 2**20,) * 2)  # a thread takes 8 MB
try:
    if how == "started before":
        pa.table({"a": [0], "b": [0]}).to_pandas()
    with csv.open_csv(path) as rows:
        print(len(rows.read_all()), "rows")
except pa.ArrowException as error:
    print(error, flush=True)
os._exit(0)
PYTHON
printf 'a,b\n1,2\n' > "$folder/t.csv"
outcome() {
  timeout 30 "$folder/venv/bin/python" "$folder/read.py" "$folder/t.csv" "$1" || [ $? != 124 ] || echo "no answer within 30 s"
}
none=$(outcome none) one=$(outcome "one thread") before=$(outcome "started before")
printf 'no thread: %s\none thread: %s\none thread, others started before: %s\n' "$none" "$one" "$before"
[[ $none == *"Failed to launch"* && $one == "no answer"* && $before == *"Failed to launch"* ]]
