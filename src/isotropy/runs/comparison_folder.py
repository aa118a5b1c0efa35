"""The folder of a comparison of methods: what it compares, what was spent, and what is measured already."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from isotropy.data import Data
from isotropy.errors import UserError
from isotropy.evaluation.measured import Measured
from isotropy.io.atomic import making, write_atomically
from isotropy.io.json_file import read_json
from isotropy.io.paths import check_name
from isotropy.runs.comparison_types import ComparisonState
from isotropy.runs.division import Division

ABOUT, LEADERBOARD, EVIDENCE = "comparison.json", "leaderboard.json", "evidence"
_WHAT = {
    "rows": "other data",
    "label": "another label",
    "task": "another task of the label",
    "labels": "other labels",
    "split": "another split",
    "methods": "other methods",
    "seeds": "other seeds",
}


class ComparisonFolder:
    """The folder of a comparison; nothing is written before `begin`.

    Attributes:
        identity: what is compared: a digest of the rows, the label and its values, the split, methods and seeds.
        spent: CPU seconds so far, over all calls. share: of each run, None before it is known.
        runs: name of a run -> its cpu_seconds, seconds, finished, and what was timed.
        notes: what a reader of the scores has to know of copies of rows across the split.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.identity: dict[str, Any] = {}
        self.budget = 0.0
        self.spent = 0.0
        self.share: float | None = None
        self.costs: dict[str, float] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self._begun = False
        self._made: list[Path] = []

    def begin(self, identity: dict[str, Any], budget: float) -> None:
        """Take up the comparison in the folder, or begin one.

        Raises:
            UserError: the folder is a file, holds something else, or another comparison: what differs is named; its
                name is not UTF-8.
        """
        check_name(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder}: is a file; --out needs a folder")
        if not (self.folder / ABOUT).is_file():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise UserError(f"{self.folder}: is not empty, and holds no comparison: choose another --out")
            self.identity, self.budget = identity, budget
            self._begun = True
            self._made = [place for place in (self.folder, *self.folder.parents) if not place.exists()]
            with making(self.folder):
                self.keep()
            return
        self._read()
        differs = [_WHAT.get(name, name) for name in differing(self.identity, identity)]
        if self.share is not None and self.budget != budget:
            differs.append(f"a budget of {self.budget:g} seconds")
        if differs:
            raise UserError(f"{self.folder}: holds a comparison of {', '.join(differs)}: choose another --out")
        self.budget = budget

    def discard(self) -> None:
        """Remove what `begin` began, folders that it made too; a comparison that was taken up stays."""
        if not self._begun:
            return
        (self.folder / ABOUT).unlink(missing_ok=True)
        shutil.rmtree(self.folder / EVIDENCE, ignore_errors=True)
        for place in self._made:
            with suppress(OSError):  # something else is in it
                place.rmdir()

    def _read(self) -> None:
        held = read_state(self.folder)
        self.identity, self.budget, self.spent = held["identity"], float(held["budget"]), held["spent"]
        self.share, self.costs, self.runs = held["share"], held["costs"], held["runs"]
        self.notes = held.get("notes", [])

    def keep(self) -> None:
        """Write what is known."""
        names = ("identity", "budget", "spent", "share", "costs", "runs", "notes")
        self.write(ABOUT, {"format": 1} | {name: getattr(self, name) for name in names})

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file into the folder, whole or not at all."""
        write_atomically(self.folder / name, json.dumps(content, indent=1).encode())

    def measured(self, name: str) -> Measured | None:
        """Return what was measured of a representation, None where it was not."""
        path = self.evidence(name)
        return Measured.load(path) if path.is_file() else None

    def evidence(self, name: str) -> Path:
        """Return the file in which the scores of a representation are kept."""
        return self.folder / EVIDENCE / f"{name.replace(' ', '-').replace('/', '-')}.npz"


def read_state(folder: Path) -> dict[str, Any]:
    """Return what comparison.json says; raise UserError where it cannot be read or is damaged."""
    remedy = "choose another --out"
    state: dict[str, Any] = read_json(folder / ABOUT, ComparisonState, remedy)
    for name, one in state["runs"].items():
        if one.get("finished") and "verdict" not in one:
            raise UserError(f"{folder / ABOUT}: damaged: the run {name!r} is finished and has no verdict: {remedy}")
    return state


def identity_of(
    data: Data, rows: str, label: str, methods: list[str], seeds: list[int], division: Division
) -> dict[str, Any]:
    """Return what makes two comparisons the same.

    Args:
        data: with its split. rows: a digest of its rows. division: by which it was divided.
    """
    labels = None if data.labels is None else _digest(pd.Series(data.labels).astype("string").fillna("").tolist())
    split = _digest(np.asarray(data.split).tolist())
    task = next((one.task for one in division.labels), None)
    return {
        "rows": f"{len(data)} {rows}", "label": label, "labels": labels, "split": split, "methods": methods,
        "seeds": seeds, "task": task,
    }  # fmt: skip


def differing(held: dict[str, Any], identity: dict[str, Any]) -> list[str]:
    """Return what a comparison that a folder holds differs in; folders of earlier versions do not hold the task."""
    return [name for name, value in identity.items() if held.get(name, value if name == "task" else None) != value]


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def default_folder(name: str, identity: dict[str, Any]) -> Path:
    """Return runs/NAME-compare, numbered where it holds something other than this comparison."""
    base, number = Path("runs") / f"{name}-compare", 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        if not folder.exists():
            return folder
        with suppress(UserError):
            if not differing(read_state(folder)["identity"], identity):
                return folder
        number += 1
