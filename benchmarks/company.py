"""A training step of small networks while other programs hold the cores.

    python benchmarks/company.py [--out benchmarks/results/company.json]

Companions are processes that spin. A fair share is the rate on free cores times threads / (threads + companions);
half of it is asked. A training begins beside them, with the threads that a run would take. Medians of steps but the
first two.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from statistics import median
from typing import Any

import measure
import numpy as np
from scipy.stats import norm

import isotropy
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe
from isotropy.runs.threads import fitting_threads

STEPS = 10
COMPANIONS = (0, 2, 4)
CASES = {
    "images, 8 px": ("image", (1500, 8, 8)),
    "images, 32 px": ("image", (2048, 32, 32, 3)),
    "series, 128 steps": ("series", (2048, 3, 128)),
    "table, 30 columns": ("table", (5000, 30)),
}


def training(modality: str, size: tuple[int, ...]) -> Iterator[float]:
    """Yield the seconds of the steps of the default method on noise."""
    noise: Any = np.random.default_rng(0).normal(size=size).astype(np.float32)
    if modality == "image":
        noise = (255 * norm.cdf(noise)).astype(np.uint8)
    recipe = Recipe.default("masked" if modality == "table" else "simclr", modality)
    prepared = prepare(recipe, isotropy.read(noise, modality=modality))
    with fitting_threads(prepared.device, None):
        for step in isotropy.fit(prepared.method, prepared.dataset, prepared.views, **prepared.arguments()):
            yield step.seconds


@contextmanager
def company(companions: int) -> Iterator[None]:
    """Let so many processes spin."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(companions)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def main() -> int:
    arguments = measure.start(measure.parser("company", __doc__.splitlines()[0]))
    threads, rows = os.cpu_count() or 1, []
    for case, (modality, size) in CASES.items():
        seconds = {}
        for companions in COMPANIONS:
            with company(companions):
                seconds[companions] = median([*islice(training(modality, size), STEPS)][2:])

        for companions in COMPANIONS[1:]:
            share = threads / (threads + companions)
            name = f"{case}, {companions} companions: rate / fair share"
            rows.append(measure.row(name, [seconds[0] / share], [seconds[companions]], threshold=0.5))
    return measure.finish("company", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
