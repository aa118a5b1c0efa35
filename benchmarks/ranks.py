"""What ranks say to each other in a step: bytes, counted where they are handed over, beside a formula.

    python benchmarks/ranks.py [--out benchmarks/results/ranks.json]

Groups of 2, 4 and 8 gloo processes on one machine train tables (20 numbers, batches of 256 over all ranks) by a method
of each kind. Counted are the bytes that a rank hands to `all_reduce` (R, gradients among them) and that it gets of
`all_gather` (G) in its third step. The formula, of P trained parameters, B rows of all ranks, D gathered and A averaged
numbers a row, and batch norms of C channels in all, each counted as often as it runs:

    R = 4 (P + B D + 2 A + 4 C),  G = 4 B D

and a few scalars more. On a ring 2 (W - 1) / W of R and (W - 1) / W of G go through a rank's network card: it grows to
R and G twice and once, and no further, however many ranks W there are.
"""

import json
import os
import socket
import sys
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import measure
import numpy as np
import torch
import torch._dynamo  # the optimisers would import it in every rank
import torch.distributed as dist
from torch import Tensor

from isotropy.runs.recipe import Recipe
from isotropy.runs.session import Planned, train
from isotropy.training import comm, fit

METHODS = ("simclr", "vicreg", "byol", "dino", "masked")
WORLDS, BATCH, STEPS = (2, 4, 8), 256, 3


class Counts:
    """Bytes and calls of what is handed over, by what it is, from `begin` on."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.channels = 0
        self.reduce, self.gather, self.join = dist.all_reduce, dist.all_gather, comm.distributed
        self.norm = comm.GlobalBatchNorm._shared

    def begin(self) -> None:
        """Forget what was counted before."""
        self.bytes.clear()
        self.channels = 0

    def all_reduce(self, x: Tensor, *rest: Any, **more: Any) -> Any:
        """Reduce as torch does."""
        self.bytes["reduced"] += x.nbytes
        return self.reduce(x, *rest, **more)

    def all_gather(self, parts: list[Tensor], x: Tensor, *rest: Any, **more: Any) -> Any:
        """Gather as torch does."""
        self.bytes["gathered"] += sum(part.nbytes for part in parts)
        return self.gather(parts, x, *rest, **more)

    def distributed(self, method: Any, **options: Any) -> Any:
        """Return the method under `DistributedDataParallel`, whose gradients then come by `all_reduce`, too."""
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

        def hook(state: Any, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
            return allreduce_hook(state, bucket)

        model = self.join(method, **options)
        model.register_comm_hook(None, hook)
        return model

    def shared(self, norm: Any, x: Tensor) -> Tensor:
        """Normalise over all ranks."""
        self.channels += norm.num_features
        return self.norm(norm, x)


def counted(name: str) -> dict[str, Any]:
    """Return what a rank hands over in a step of a method, and what the formula says of it."""
    rows = np.random.default_rng(0).normal(size=(4 * BATCH, 20)).astype(np.float32)
    recipe = Recipe.default(name, "table").changed({"train.batch_size": BATCH, "train.precision": "float32"})
    planned = next(train(rows, recipe, epochs=1))
    assert isinstance(planned, Planned)
    prepared, counts = planned.prepared, Counts()
    with (
        patch.object(dist, "all_reduce", counts.all_reduce),
        patch.object(dist, "all_gather", counts.all_gather),
        patch.object(comm, "distributed", counts.distributed),
        patch.object(comm.GlobalBatchNorm, "_shared", lambda norm, x: counts.shared(norm, x)),
    ):
        for step in fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()):
            if step.number == STEPS:
                break
            counts.begin()
    method = prepared.method
    trained = sum(p.numel() for p in method.parameters() if p.requires_grad)
    wide = {kind: sum(map(numbers_a_row, named(step.outputs, kind, method))) for kind in ("gathered", "averaged")}
    reduced = 4 * (trained + BATCH * wide["gathered"] + 2 * wide["averaged"] + 4 * counts.channels)
    return {
        "reduced": counts.bytes["reduced"],
        "gathered": counts.bytes["gathered"],
        "formula": {"reduced": reduced, "gathered": 4 * BATCH * wide["gathered"]},
        "parameters": trained,
        "seconds": measure.own_seconds(),
        "numbers_a_row": wide,
    }


def named(outputs: Any, kind: str, method: Any) -> list[Tensor]:
    """Return the outputs that a method names as gathered, or as averaged."""
    found = [outputs[name] for name in getattr(method, kind)]
    return [x for one in found for x in (one if isinstance(one, list | tuple) else [one])]


def numbers_a_row(x: Tensor) -> int:
    return x[0].numel()


def group(world: int, folder: Path) -> dict[str, Any]:
    """Return what the last of `world` ranks counted, by method."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    children = []
    for rank in range(world):
        if child := os.fork():
            children.append(child)
            continue
        try:
            os.environ.update(address, RANK=str(rank))
            torch.set_num_threads(1)
            with comm.process_group(torch.device("cpu")):
                found = {name: counted(name) for name in METHODS}
            (folder / f"{world}.{rank}.json").write_text(json.dumps(found))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit(f"one of {world} ranks failed")
    text: dict[str, Any] = json.loads((folder / f"{world}.{world - 1}.json").read_text())
    return text


def main() -> int:
    parser = measure.parser("ranks", __doc__.splitlines()[0])
    arguments = measure.start(parser)
    with TemporaryDirectory() as folder:
        found = {world: group(world, Path(folder)) for world in WORLDS}
    rows = []
    for world, of in found.items():
        for name, one in of.items():
            for kind in ("reduced", "gathered"):
                if said := one["formula"][kind]:
                    row = measure.row(f"{name}, {world} ranks: bytes {kind} / formula", [one[kind]], [said], 0.99)
                    rows.append(row)
    return measure.finish("ranks", rows, arguments.out, details=found, batch=BATCH)


if __name__ == "__main__":
    sys.exit(main())
