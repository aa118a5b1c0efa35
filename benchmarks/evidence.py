"""The evidence step on 50,000 ECG-like series of 256 steps, for encoders of width 256 and 4096: seconds of each part.

    python benchmarks/evidence.py [--busy]

The series are beats at a class's rate and shape with noise, drawn from a seed; 10,000 training and 20,000 test rows are
probed, as in a run. The encoder is a fixed random projection with a ReLU, so that nothing is trained here. Every
evaluator is timed on every representation, and the forms (standardised, whitened, principal axes) once for all of them.
`runs/budget.py` takes its constants from the numbers.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.baselines import collect
from isotropy.evaluation.evaluate import chosen_rows, propagation_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.measured import measure as evaluated
from isotropy.evaluation.problem import Problem

EVALUATORS = ("linear", "knn", "few_labels", "search", "clusters")
ROWS, STEPS, CLASSES, WIDTHS = 50_000, 256, 5, (256, 4096)
Floats = NDArray[np.float32]


def ecg_like(rows: int = ROWS, steps: int = STEPS, classes: int = CLASSES, seed: int = 0) -> tuple[Floats, Any]:
    """Return series (N, 1, T) of two waves a beat, and their class (N,): the rate, and what the second wave is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=rows)
    period = (32 + 6 * y)[:, None] * rng.uniform(0.95, 1.05, (rows, 1))
    phase = (np.arange(steps) + rng.uniform(0, 60, (rows, 1))) % period / period
    sharp = np.exp(-(((phase - 0.3) / 0.03) ** 2))
    slow = np.exp(-(((phase - 0.5 - 0.04 * y[:, None]) / 0.08) ** 2)) * np.where(y % 2, 0.4, -0.4)[:, None]
    x = sharp + slow + 0.3 * rng.normal(size=(rows, steps))
    return x[:, None].astype(np.float32), y


def encoded(x: Floats, width: int) -> Floats:
    """Return what the stand-in for an encoder makes of series, (N, width)."""
    weights = np.random.default_rng(1).normal(size=(x.shape[2], width)).astype(np.float32)
    return np.maximum(x[:, 0] @ weights, 0)


def timed(parts: dict[str, float], name: str, act: Callable[[], Any]) -> Any:
    """Return what `act` does, and note its seconds under a name."""
    found: list[Any] = []
    parts[name] = round(measure.timed(lambda: found.append(act())), 2)
    print(f"{name:45s} {parts[name]:7.2f} s", flush=True)
    return found[0]


def all_parts(features: Features, name: str, problem: Problem, parts: dict[str, float]) -> None:
    """Time every evaluator on a representation."""
    timed(parts, f"{name}: forms", lambda: list(features.forms()))
    for one in EVALUATORS:
        timed(parts, f"{name}: {one}", partial(evaluated, name, features, problem, [one]))


def main() -> int:
    """Time all parts and write benchmarks/results/evidence.json."""
    arguments = measure.start(measure.parser("evidence", "The evidence step, part by part."))
    x, y = ecg_like()
    train, test = np.split(np.arange(ROWS), [ROWS * 3 // 5])
    rows = chosen_rows(y[train], y[test], task="classes")
    train, test = train[rows[0]], test[rows[1]]
    problem = Problem.of(y[train], y[test])
    parts: dict[str, float] = {}
    flat = x[:, 0]
    series = x[train], x[test]
    free = timed(parts, "baselines: features", lambda: collect(flat[train], flat[test], width=WIDTHS[0], series=series))
    for name, pair in free.items():
        all_parts(Features(*pair), name, problem, parts)
    graph = propagation_of({"raw features": Features(*free["raw features"])}, {}, problem)
    timed(parts, "label propagation: few_labels", lambda: evaluated("propagation", graph, problem, ["few_labels"]))
    for width in WIDTHS:
        z = encoded(x, width)
        all_parts(Features(z[train], z[test]), f"encoder of width {width}", problem, parts)
    probed = {"train": len(train), "test": len(test)}
    return measure.finish("evidence", [], arguments.out, probed=probed, draws=problem.draws, parts=parts)


if __name__ == "__main__":
    sys.exit(main())
