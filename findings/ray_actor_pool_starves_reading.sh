#!/usr/bin/env bash
# Ray 2.60.0 (Data): a pool of as many actors as the cluster has CPUs takes them all, and the job waits without end, since reading and
# writing, which it waits for, need one too. Nothing is said but progress of 0 rows.
#
# The same job with one actor less, or with a pool that grows from one actor (min_size=1), ends in seconds. With a checkpoint
# (CheckpointConfig) a restarted job has a pool more, of its filter, so that the second run of a script may wait where the first did not.
#
# Ends with 0 where it is as written above, else with 1: then the work-around can go. Takes some minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'ray[data]==2.60.0'
cat > "$folder/job.py" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data

least, path = int(sys.argv[1]), sys.argv[2]
pq.write_table(pa.table({"a": list(range(100))}), path)
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)


class Same:
    def __call__(self, batch):
        return batch


pool = ray.data.ActorPoolStrategy(min_size=least, max_size=2)
rows = ray.data.read_parquet(path).map_batches(Same, compute=pool)
print("rows:", sum(1 for _ in rows.iter_rows()), flush=True)
PYTHON
outcome() {
  timeout 150 "$folder/venv/bin/python" "$folder/job.py" "$1" "$folder/rows.parquet" 2>/dev/null || [ $? != 124 ] || echo "no answer within 150 s"
}
one=$(outcome 1) two=$(outcome 2)
printf 'two CPUs, a pool from one actor on: %s\ntwo CPUs, a pool of two actors: %s\n' "$one" "$two"
[[ $one == "rows: 100" && $two == "no answer"* ]]
