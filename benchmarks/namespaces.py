"""Ranks with a network of their own: what goes through a card in a step, beside the formula, and how long it takes.

    python benchmarks/namespaces.py --out benchmarks/results/namespaces.json      # Linux, as root

Groups of 2, 4 and 8 gloo processes, each in a network namespace whose card hangs on a bridge and sends 100 Mbit/s at
most, train a table (20 numbers, SimCLR, batches of 256 over all ranks). Counted are the bytes that a card sent from the
third to the last step. By `ranks.py` a ring sends 2 (W - 1) / W of R and (W - 1) / W of G, which is the formula here.
How far weights are from those of one process is said too: in float32, after 13 steps (the laws compare in float64).
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch._dynamo  # the optimisers would import it in every rank
from ranks import BATCH, numbers_a_row

from isotropy.runs.recipe import Recipe
from isotropy.runs.session import Planned, train
from isotropy.training import comm, fit

WORLDS, FIRST, LAST = (2, 4, 8), 3, 13
RATE = 100  # Mbit/s
_NET = 0x40000000  # CLONE_NEWNET
_BRIDGE = "isotropy0"


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True)


def laid(world: int) -> None:
    """Lay a bridge and a namespace for each rank: rank r is 10.77.0.(r + 1)."""
    ip("link", "add", _BRIDGE, "type", "bridge")
    ip("link", "set", _BRIDGE, "up")
    for rank in range(world):
        name, ours = f"isotropy-{rank}", f"iso{rank}"
        ip("netns", "add", name)
        ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", ours, "master", _BRIDGE, "up")
        ip("-n", name, "addr", "add", f"10.77.0.{rank + 1}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        limit = ["tbf", "rate", f"{RATE}mbit", "burst", "256kb", "latency", "400ms"]
        subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *limit], check=True)


def taken_up(world: int) -> None:
    """Take up what `laid` laid."""
    for rank in range(world):
        subprocess.run(["ip", "netns", "del", f"isotropy-{rank}"], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "link", "del", _BRIDGE], check=False, stderr=subprocess.DEVNULL)


def sent() -> int:
    """Return the bytes that this namespace's card has sent."""
    line = next(line for line in Path("/proc/self/net/dev").read_text().splitlines() if "eth0:" in line)
    return int(line.partition(":")[2].split()[8])


def trained(count: Any = lambda: 0) -> dict[str, Any]:
    """Train some steps; return the weights, what was sent a step and how long a step took."""
    rows = np.random.default_rng(0).normal(size=(8 * BATCH, 20)).astype(np.float32)
    recipe = Recipe.default("simclr", "table").changed({"train.batch_size": BATCH, "train.precision": "float32"})
    planned = next(train(rows, recipe, epochs=2))
    assert isinstance(planned, Planned)
    prepared = planned.prepared
    for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()):
        if step.number == FIRST:
            before, begun = count(), time.monotonic()
        if step.number == LAST:
            break
    method, steps = prepared.method, LAST - FIRST
    wide = sum(numbers_a_row(x) for x in step.outputs["z"])
    norms = sum(2 * one.num_features for one in method.modules() if isinstance(one, comm.GlobalBatchNorm))
    found = sum(p.numel() for p in method.parameters() if p.requires_grad)
    return {
        "weights": torch.cat([p.detach().flatten() for p in method.parameters()]).numpy(),
        "sent": (count() - before) / steps, "seconds": (time.monotonic() - begun) / steps,
        "reduced": 4 * (found + BATCH * wide + 4 * norms), "gathered": 4 * BATCH * wide,
    }  # fmt: skip


def in_namespace(rank: int, world: int, folder: Path) -> None:
    """Train as one rank, and write what `trained` returns."""
    with open(f"/run/netns/isotropy-{rank}") as place:
        if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), _NET):
            raise OSError(ctypes.get_errno(), "setns")
    address = {"WORLD_SIZE": str(world), "RANK": str(rank), "MASTER_ADDR": "10.77.0.1", "MASTER_PORT": "29511"}
    os.environ.update(address, GLOO_SOCKET_IFNAME="eth0")
    torch.set_num_threads(1)
    with comm.process_group(torch.device("cpu")):
        found = trained(sent)
    np.save(folder / f"{rank}.npy", found.pop("weights"))
    (folder / f"{rank}.json").write_text(json.dumps(found))


def group(world: int, folder: Path, alone: np.ndarray) -> dict[str, Any]:
    """Return what the ranks of a group sent a step, beside the formula."""
    taken_up(world)
    try:
        laid(world)
        children = []
        for rank in range(world):
            if child := os.fork():
                children.append(child)
                continue
            try:
                in_namespace(rank, world, folder)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        if any([os.waitpid(child, 0)[1] for child in children]):
            raise SystemExit(f"one of {world} ranks failed")
    finally:
        taken_up(world)
    of = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]
    formula = (world - 1) / world * (2 * of[0]["reduced"] + of[0]["gathered"])
    return {
        "ranks": world, "sent_mb": [round(one["sent"] / 1e6, 3) for one in of], "formula_mb": round(formula / 1e6, 3),
        "ratio": round(max(one["sent"] for one in of) / formula, 3),
        "seconds_a_step": round(max(one["seconds"] for one in of), 3),
        "seconds_to_send": round(formula * 8 / RATE / 1e6, 3),
        "weights_differ_by": float(max(np.abs(np.load(folder / f"{r}.npy") - alone).max() for r in range(world))),
    }  # fmt: skip


def main() -> None:
    """Train in groups of each size, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    alone = trained()["weights"]
    record: dict[str, Any] = {"command": "python benchmarks/namespaces.py", "mbit": RATE, "batch": BATCH, "groups": []}
    with TemporaryDirectory() as name:
        for world in WORLDS:
            record["groups"].append(group(world, Path(name), alone))
            print(record["groups"][-1], file=sys.stderr, flush=True)
            asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
