"""Train a recipe for some seconds of processor time and probe its encoder: what the small experiments share."""

import argparse
import copy
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.stats import t

from isotropy.data import Data
from isotropy.evaluation import knn_probe, linear_probe
from isotropy.evaluation.intervals import interval
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

WARM, MEASURED = 3, 8


@dataclass(frozen=True)
class Trained:
    """A trained encoder, with what it took."""

    encoder: torch.nn.Module
    steps: int
    epochs: float
    seconds: float
    loss: float


def train(prepared: Prepared, seconds: float) -> Trained:
    """Train for about `seconds` of processor time; where the rate decays, the decay ends with the budget."""
    if prepared.recipe.optim.final == 1.0:
        return trained(prepared, 1000.0, seconds)
    return trained(prepared, _epochs(prepared, seconds))


def trained(prepared: Prepared, epochs: float, seconds: float = float("inf")) -> Trained:
    """Train for `epochs`, or until `seconds` of processor time have passed (for rates that do not decay)."""
    recipe = prepared.recipe
    arguments = recipe.train.arguments() | {"epochs": epochs}
    _load()
    begin, number, epoch, loss = process_time(), 0, 0.0, 0.0
    for step in fit(prepared.method, prepared.dataset, prepared.views, optim=recipe.optim, **arguments):
        number, epoch, loss = step.number, round(step.epoch, 2), round(step.loss, 4)
        if process_time() - begin > seconds:
            break
    return Trained(prepared.method.encoder.eval(), number, epoch, round(process_time() - begin, 1), loss)


@cache
def _load() -> None:
    """Take one step of an optimiser: torch loads for seconds when it does so first, which is no run's time."""
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight]).step()


def _epochs(prepared: Prepared, seconds: float) -> float:
    """Return how many epochs take `seconds`, measured on a few steps of a copy."""
    recipe, times = prepared.recipe, []
    arguments = recipe.train.arguments() | {"epochs": 50}
    for step in fit(copy.deepcopy(prepared.method), prepared.dataset, prepared.views, optim=recipe.optim, **arguments):
        times.append(process_time())
        if step.number == WARM + MEASURED:
            break
    each = (times[-1] - times[WARM - 1]) / MEASURED
    return max(seconds / each, 1.0) * recipe.train.batch_size / len(prepared.dataset)


def features(prepared: Prepared, encoder: torch.nn.Module) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training vectors and labels and test vectors and labels, as the probes take them."""
    labels = np.asarray(prepared.data.labels)
    parts = [
        (embed_rows(encoder, prepared.preprocess.to_input, prepared.rows[torch.from_numpy(index)]), labels[index])
        for index in (prepared.train, prepared.test)
    ]
    return *parts[0], *parts[1]


def probe(prepared: Prepared, encoder: torch.nn.Module) -> dict[str, Any]:
    """Return the linear and the k-NN accuracy of an encoder's vectors on the test rows, with intervals."""
    return probed(*features(prepared, encoder))


def probed(train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> dict[str, Any]:
    """Return the linear and the k-NN accuracy of features on the test rows, with intervals."""
    found = {}
    for name, kind in (("linear", linear_probe), ("knn", knn_probe)):
        made = kind(train_x, train_y, test_x, test_y)
        found[name] = {key: round(value, 4) for key, value in interval(made.task, made.terms).items()}
    return found


def measured(recipe: Recipe, data: Data, seconds: float) -> dict[str, Any]:
    """Return the scores of one run: trained, and the same encoder before training."""
    prepared = prepare(recipe, data)
    untrained = probe(prepared, prepared.untrained().eval())
    made = train(prepared, seconds)
    facts = {"steps": made.steps, "epochs": made.epochs, "cpu_seconds": made.seconds, "loss": made.loss}
    return {**facts, "width": prepared.method.encoder.width, "trained": probe(prepared, made.encoder)} | {
        "untrained": untrained
    }


def command_line(about: str, name: str, *, seeds: int = 3) -> argparse.ArgumentParser:
    """Return a parser of what every experiment is asked: where the data are, how many seeds, where results go."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--out", type=Path, default=Path(f"docs/results/{name}.json"))
    parser.add_argument("--table", action="store_true", help="show the results that are there")
    return parser


def kept(path: Path) -> list[dict[str, Any]]:
    """Return the runs that a file holds, none where there is no file."""
    return json.loads(path.read_text())["runs"] if path.exists() else []


def keep(path: Path, command: str, runs: list[dict[str, Any]], **more: Any) -> None:
    """Write the runs with the command that made them, and what else is said of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "torch": torch.__version__, **more, "runs": runs}
    path.write_text(json.dumps(content, indent=1) + "\n")


@dataclass(frozen=True)
class Difference:
    """The mean difference of paired scores with its 95% t-interval over seeds; no interval for one pair."""

    mean: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if self.pairs < 2:
            return f"{self.mean:+.3f} (one seed)"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired(first: dict[int, float], second: dict[int, float]) -> Difference | None:
    """Return first minus second over the seeds that both have; None where they share none."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    mean, count = float(differences.mean()), len(differences)
    if count < 2:
        return Difference(mean, float("-inf"), float("inf"), count)
    half = float(t.ppf(0.975, count - 1) * differences.std(ddof=1) / count**0.5)
    return Difference(mean, mean - half, mean + half, count)


def mean(runs: list[dict[str, Any]], which: str, kind: str) -> str:
    """Return the mean over seeds with the lowest and highest, as text."""
    scores = [run[which][kind]["score"] for run in runs]
    return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
