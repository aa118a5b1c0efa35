"""Embed rows by Ray Data: their rate, and the memory of an actor for blocks of two sizes.

    python benchmarks/ray_data.py --out benchmarks/results/ray_data.json [--rows 1000000]

A table of ten numbers, 64 numbers a row embedded, one actor on a cluster of this machine. Memory is what the actor has
for itself (RssAnon), beyond what it has with the encoder loaded and before the first batch.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray.data
import torch

import isotropy.scale
from isotropy.data import TablePreprocess
from isotropy.encoders import build
from isotropy.representation import Representation

BLOCKS = (32, 128)  # megabytes
FILES = 20


class Actor:
    """Watches the process that embeds: its memory and its CPU seconds."""

    def __init__(self) -> None:
        self.first = self.most = self.seconds = 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self) -> None:
        while not self.done.wait(0.05):
            for place in Path("/proc").glob("[0-9]*"):
                try:
                    title = (place / "cmdline").read_bytes()[:60]
                    if b"MapBatches(" not in title or b"__init__" in title:
                        continue
                    status = (place / "status").read_text()
                    spent = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
                except OSError:
                    continue
                held = int(status.partition("RssAnon:")[2].split()[0]) / 1024
                # Its title says so while the encoder is loaded.
                self.first = self.first or held
                self.most, self.seconds = max(self.most, held), sum(map(int, spent)) / 100


def write_rows(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(FILES):
        x = rng.normal(size=(rows // FILES, 10))
        columns = {"id": np.arange(len(x)) + number * len(x), **{f"x{place}": x[:, place] for place in range(10)}}
        pq.write_table(pa.table(columns), folder / f"{number:02d}.parquet")
    made = TablePreprocess.learn(x)
    encoder = build("table_mlp", "table", made.shape, width=64)
    Representation(encoder, made, method="masked").save(folder.parent / "run")


def main() -> None:
    """Embed with blocks of each size, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    record = {"command": f"python benchmarks/ray_data.py --rows {asked.rows}", "ray": ray.__version__, "blocks": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "big", asked.rows)
        ray.init(num_cpus=3, include_dashboard=False, object_store_memory=1 << 30, log_to_driver=False)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        for megabytes in BLOCKS:
            context.target_max_block_size = megabytes << 20
            actor, started = Actor(), time.perf_counter()
            rows = ray.data.read_parquet(str(folder / "big"))
            isotropy.scale.embed(rows, folder / "run", keep=["id"]).write_parquet(str(folder / f"out-{megabytes}"))
            took = time.perf_counter() - started
            actor.done.set()
            actor.thread.join()
            assert (
                sum(pq.read_metadata(path).num_rows for path in (folder / f"out-{megabytes}").iterdir()) == asked.rows
            )
            record["blocks"].append({
                "block_mb": megabytes, "seconds": round(took, 1), "actor_cpu_seconds": round(actor.seconds, 1),
                "memory_mb": round(actor.most - actor.first), "encoder_mb": round(actor.first),
            })  # fmt: skip
            print(record["blocks"][-1], flush=True)
        ray.shutdown()
    asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
