#!/usr/bin/env bash
# torch 2.15.0: the first embedding_bag of a process ends it by a segmentation fault where the system gives no more memory (`ulimit -v`),
# though every other operation then raises "can't allocate memory".
#
# FBGEMM, which looks the rows up, writes the code of the look-up when it is first needed. Where there is no memory for that code it
# prints "Error: in fn add" and returns a null pointer, which torch calls. Isotropy asks the system for 16 MB before the first
# step and before it embeds (`errors.need_memory`), so that it ends in one line.
#
# Ends with 0 where it is as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0
cat > "$folder/look_up.py" <<'PYTHON'
import resource
import sys

import torch

places, table, weights = torch.zeros(4, 3, dtype=torch.int64), torch.randn(5, 256), torch.ones(4, 3)
small = sys.argv[1] == "limited"
if small:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 16),) * 2)
    try:
        torch.empty(1 << 26)
    except RuntimeError as error:
        print(str(error).rpartition("] ")[2].splitlines()[0], flush=True)
out = torch.nn.functional.embedding_bag(places, table, mode="sum", per_sample_weights=weights)
print("looked up", tuple(out.shape), flush=True)
PYTHON
ended() {
  local code=0
  OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore "$folder/look_up.py" "$1" 2>&1 || code=$?
  echo "exit code $code"
}
free=$(ended free) limited=$(ended limited)
printf 'without a limit: %s\nunder one:\n%s\n' "$free" "$limited"
[[ $free == *"looked up"*"exit code 0" && $limited == *"exit code 139" ]]
