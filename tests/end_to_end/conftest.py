"""Small data of every kind, and the command line run in this process."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from isotropy.cli import main

ROWS = 96
# For tests whose subject is not the evidence: one probe is quick.
QUICK = ["--evaluate", "linear"]
SMALL_TABLE = ["--set", "encoder.width=16", "--set", "encoder.hidden=16", "--set", "train.batch_size=32"]
SMALL_SERIES = ["--set", "encoder.filters=4", "--set", "method.target_width=16", "--set", "train.batch_size=32"]
SMALL_IMAGES = ["--set", "encoder.width=16", "--set", "encoder.stem=4", "--set", "train.batch_size=16"]


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs `isotropy` with arguments."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code: object = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table, series and images, and images in folders."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    people = table(rng)
    people.to_csv(folder / "people.csv", index=False)
    people.to_parquet(folder / "people.parquet")
    series = rng.normal(size=(ROWS, 2, 32)).astype(np.float32)
    kinds = rng.integers(0, 2, ROWS)
    np.savez(
        folder / "waves.npz", X_train=series[:64], y_train=kinds[:64], X_test=series[64:], y_test=kinds[64:]
    )  # fmt: skip
    np.savez(folder / "digits.npz", X=rng.integers(0, 256, (48, 16, 16), dtype=np.uint8), y=rng.integers(0, 2, 48))
    for number in range(40):
        save_image(folder / "pets" / ("cat" if number % 2 else "dog") / f"{number:02}.png", rng)
    return folder


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Return a table with numbers, names, truth values, missing values and two labels."""
    kind = rng.integers(0, 3, ROWS)
    frame = pd.DataFrame(
        {
            "age": rng.normal(size=ROWS) + kind,
            "pay": rng.normal(size=ROWS) * 10 - kind,
            "member": rng.random(ROWS) < 0.5,
            "job": rng.choice(["cook", "smith", "monk"], ROWS),
            "kind": np.array(["a", "b", "c"])[kind],
            "rank": rng.integers(0, 2, ROWS),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "job"] = None
    return frame


def save_image(path: Path, rng: np.random.Generator) -> None:
    """Write a small image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder with an empty store of decoded images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISOTROPY_CACHE", os.fspath(tmp_path.parent / "cache"))


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Give the tiny networks one thread: two only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
