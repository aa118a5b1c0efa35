"""Groups of gloo ranks that run every job of the ranks law and write what came of it. Started by conftest.py."""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # the optimisers would import it in every rank
from safetensors.torch import save_file
from torch import Tensor, nn

from isotropy.training import Diverged, comm, gradient
from laws import cases
from laws.toys import Breaks

PLANT_STEPS = 3
# Groups that do the jobs of all methods, and larger ones that do those of a few; rows of each rank of the latter.
SMALL, LARGE = (2, 3), (4, 8)
COUNTS = [4, 1, 2, 3, 1, 2, 1, 4]


def detached_gather(x: Tensor, counts: list[int]) -> Tensor:
    """Rows of other ranks come without gradient: the commonest mistake of contrastive code."""
    parts = list(REAL_GATHER(x, counts).detach().split(counts))
    parts[comm.rank()] = x
    return torch.cat(parts)


REAL_GATHER = comm.gather
# What is planted, as (object, attribute, what stands there instead).
PLANTS: dict[str, list[tuple[Any, str, Callable[..., Any]]]] = {
    "sound": [],
    "detached gather": [(comm, "gather", detached_gather)],
    "local batch norm": [(comm, "make_batch_norms_global", lambda module: None)],
    "per-rank statistics": [
        (comm, "gather", lambda x, counts: x),
        (comm, "mean", lambda x, counts: x.mean(0, keepdim=True)),
    ],
    "equal weights": [(gradient, "share", lambda counts: 1.0)],
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Break the code as `name` says, for as long as the context lasts."""
    patches = [patch.object(*plant) for plant in PLANTS[name]]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def run(name: str, *, chunk: int | None = None, steps: int | None = None, batch: int = cases.BATCH) -> dict[str, Any]:
    """Return the terms of every step, and the state after the first and the last one, of the case `name`."""
    method = cases.make(name)
    if chunk is not None:
        cases.without_batch_norm(method)
    terms, states = [], {}
    for step in cases.train(method, micro_batch=chunk, batch_size=batch):
        terms.append(step.terms)
        if step.number == 1:
            states = {f"first/{k}": v for k, v in cases.state(method).items()}
        if step.number == steps:
            break
    return {"terms": terms, "state": states | cases.state(method)}


def stops(name: str) -> dict[str, Any]:
    """Return what a loss that becomes NaN on one rank says on this one, and how far the weights were moved."""
    method = Breaks(cases.encoder()).double()
    data = cases.Rows(cases.dataset().rows[:18])
    before, number, said = cases.state(method), 0, ""
    try:
        for step in cases.train(method, dataset=data, epochs=4):
            before, number = cases.state(method), step.number
    except Diverged as error:
        said = str(error)
    moved = max(float((p.detach() - before[k]).abs().max()) for k, p in method.named_parameters())
    return {"terms": [{"after": number, "moved": moved}], "said": said, "state": {}}


def parts() -> dict[str, Any]:
    """Return what gather, mean and total make of ragged rows, forward and backward, and a global batch norm."""
    counts = COUNTS[: comm.world()]
    rows = ragged(sum(counts))
    mine = rows.split(counts)[comm.rank()].clone().requires_grad_()
    weights = torch.arange(1.0, 1.0 + rows.numel(), dtype=rows.dtype).view_as(rows)
    out = {
        "gather": comm.gather(mine, counts),
        "mean": comm.mean(mine, counts),
        "total": comm.all_reduce_sum(mine.sum(0)),
    }
    ((out["gather"] * weights).sum() + out["mean"].square().sum() + out["total"].pow(3).sum()).backward()
    state = out | {"gradient": mine.grad, "flat": comm.gather(mine[:, 0, 0].detach(), counts)}
    for name, norm in norms().items():
        holder = nn.Sequential(norm)
        comm.make_batch_norms_global(holder)
        x = (mine if norm_takes_maps(name) else mine.flatten(1)).detach().clone().requires_grad_()
        for _ in range(2):
            with comm.sync_batch_norm():
                y = holder(x)
        y.square().mul(1 + torch.arange(y.shape[1], dtype=y.dtype).view(-1, *[1] * (y.dim() - 2))).sum().backward()
        state |= {f"{name}/y": y, f"{name}/x.grad": x.grad}
        state |= {f"{name}/{k}": v for k, v in holder.state_dict().items()}
        with comm.sync_batch_norm():
            state |= {f"{name}/eval": holder.eval()(x)}
    return {"terms": [], "state": {k: v.detach().clone() for k, v in state.items()}}


def ragged(count: int) -> Tensor:
    """Return `count` rows of small maps, (count, 3, 2) float64."""
    return torch.randn(count, 3, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def norm_takes_maps(name: str) -> bool:
    """Return whether the norm `name` is fed (B, C, L) and not (B, F)."""
    return name == "maps"


def norms() -> dict[str, nn.Module]:
    """Return the kinds of batch norm that must equal torch's on the joined rows."""
    made = {
        "rows": nn.BatchNorm1d(6, momentum=0.3),
        "maps": nn.BatchNorm1d(3),
        "cumulative": nn.BatchNorm1d(6, momentum=None, affine=False),
        "no tracking": nn.BatchNorm1d(6, track_running_stats=False),
    }
    return {name: norm.double() for name, norm in made.items()}


def jobs(world: int, names: list[str]) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what a group of `world` ranks does for some methods, by name; three or more do the sound part alone."""
    found: dict[str, Callable[[], dict[str, Any]]] = {"parts": parts}
    names = [name for name in names if world in SMALL or name in cases.FEW]
    for plant in PLANTS if world == 2 else ["sound"]:
        steps = None if plant == "sound" else PLANT_STEPS
        batch = cases.BATCH if world in SMALL else cases.LARGE_BATCH
        found |= {f"{plant}/{name}": lambda n=name, s=steps, b=batch: run(n, steps=s, batch=b) for name in names}
    if world == 2:
        found |= {f"chunk/{name}": lambda n=name: run(n, chunk=2) for name in names}
        found["stops"] = lambda: stops("stops")
    return found


def work(folder: Path, names: list[str]) -> None:
    """Do all jobs as one rank and write `JOB.rank.json` and `.safetensors` for each."""
    with comm.process_group(torch.device("cpu")):
        for name, job in jobs(comm.world(), names).items():
            plant = name.split("/")[0]
            with planted(plant) if plant in PLANTS else nullcontext():
                result = job()
            path = folder / f"{name.replace('/', '--')}.{comm.rank()}"
            save_file({k: v.contiguous() for k, v in result.pop("state").items()}, f"{path}.safetensors")
            Path(f"{path}.json").write_text(json.dumps(result))


def start(world: int, folder: Path, names: list[str]) -> None:
    """Be `world` ranks, as torchrun would start them, until all are done; one that fails ends all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    address = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    pids = {
        forked(lambda r=rank: (os.environ.update(address, RANK=str(r)), work(folder, names))) for rank in range(world)
    }
    while pids:
        pid, status = os.wait()
        pids.discard(pid)
        if status:
            for other in pids:
                os.kill(other, signal.SIGKILL)
            sys.exit(f"one of {world} ranks failed")


def forked(job: Callable[[], Any]) -> int:
    """Return the id of a new process that does `job`: a fork, since importing torch takes longer than the job."""
    if pid := os.fork():
        return pid
    try:
        job()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for world in (*SMALL, *LARGE):
        start(world, Path(sys.argv[1]) / str(world), sys.argv[2:])
