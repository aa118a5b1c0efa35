"""Groups of gloo ranks, started once and shared by all tests of the laws."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from laws import cases

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What one rank made of one job."""

    said: dict[str, Any]
    state: dict[str, Tensor]


@pytest.fixture(scope="session")
def ranks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Callable[[str], list[Result]]]:
    """Return, for a number of ranks, the function from a job's name to every rank's result.

    The ranks do the jobs of the methods that the selected tests name, so `-k simclr` trains one method.
    """
    folder = tmp_path_factory.mktemp("ranks")
    asking = [item for item in request.session.items if "ranks" in getattr(item, "fixturenames", ())]
    named = {item.callspec.params.get("name") for item in asking if hasattr(item, "callspec")}
    names = [name for name in cases.ALL if name in named]
    python("laws.worker", str(folder), *names, seconds=900)
    return lambda world: lambda job: [read(folder / str(world), job, rank) for rank in range(world)]


def python(module: str, *arguments: str, seconds: float) -> None:
    """Run a module of the tests in a new process; fail with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read(folder: Path, job: str, rank: int) -> Result:
    """Return what `rank` wrote of `job`."""
    path = f"{folder / job.replace('/', '--')}.{rank}"
    return Result(json.loads(Path(f"{path}.json").read_text()), load_file(f"{path}.safetensors"))


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Give the tiny networks of the laws one thread: two only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
