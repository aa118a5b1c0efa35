"""Groups of gloo ranks, started once and shared by all tests of the laws."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What one rank made of one job."""

    said: dict[str, Any]
    state: dict[str, Tensor]


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Callable[[str], list[Result]]]:
    """Return, for a number of ranks, the function from a job's name to every rank's result."""
    groups: dict[int, Path] = {}
    errors: dict[int, str] = {}

    def group(world: int) -> Callable[[str], list[Result]]:
        if world not in groups:
            groups[world] = tmp_path_factory.mktemp(f"ranks{world}")
            errors[world] = start(world, groups[world])
        assert not errors[world], errors[world]
        return lambda job: [read(groups[world], job, rank) for rank in range(world)]

    return group


def start(world: int, folder: Path) -> str:
    """Run `world` processes of worker.py, as torchrun would start them, to their end; return what went wrong."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "laws.worker", str(folder)],
            env=os.environ | about | {"RANK": str(rank), "PYTHONPATH": str(TESTS)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        errors = [worker.communicate(timeout=240)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return "\n".join(errors) if any(worker.returncode for worker in workers) else ""


def read(folder: Path, job: str, rank: int) -> Result:
    """Return what `rank` wrote of `job`."""
    path = f"{folder / job.replace('/', '--')}.{rank}"
    return Result(json.loads(Path(f"{path}.json").read_text()), load_file(f"{path}.safetensors"))
