#!/usr/bin/env bash
# safetensors 0.8.0: the same tensors with the same metadata give other bytes from call to call, once the metadata has two entries:
# they are written in the order of a hash table with a random seed. Tensors are written in one order.
#
# So files cannot be compared, cached or named by a hash of their bytes. With one entry, a JSON text, they can.
#
# Ends with 0 where it is as written above, else with 1: then the work-around can go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from safetensors.numpy import save

tensors = {"a": np.ones(3), "b": np.zeros(2)}
one = {save(tensors, {"step": "1"}) for _ in range(64)}
two = {save(tensors, {"step": "1", "seed": "2"}) for _ in range(64)}
print("files of 64 calls that differ: with one entry", len(one), "with two", len(two))
sys.exit(0 if len(one) == 1 and len(two) == 2 else 1)
PYTHON
