"""`SelfSupervisedEncoder.fit` beside the plain loop on the same prepared data: 200 steps of SimCLR.

    python benchmarks/estimator.py [--out benchmarks/results/estimator.json]

The plain side makes the same recipe's method and views from rows that are prepared already, and runs
`isotropy.training.fit`. What the estimator does beyond that: it checks and prepares the rows, reads every step's loss
for `history_`, and keeps a copy of the encoder that embeds every row to the same bits.
"""

import copy
import sys
from collections.abc import Callable
from functools import partial

import measure
import numpy as np

from isotropy import SelfSupervisedEncoder
from isotropy.data import Data
from isotropy.runs.prepare import prepare
from isotropy.training import fit

BATCH, STEPS, PAIRS = 32, 200, 5
# Small batches of small rows, so that what is done once and what is done in every step weigh heavily; 10 passes.
SHAPES = {"table": (20 * BATCH, 20), "series": (20 * BATCH, 3, 32)}


def estimator(values: np.ndarray, modality: str) -> SelfSupervisedEncoder:
    """Return an estimator that takes 200 steps on the values."""
    epochs = STEPS * BATCH / len(values)
    return SelfSupervisedEncoder("simclr", modality=modality, epochs=epochs, batch_size=BATCH, random_state=0)


def plain_loop(values: np.ndarray, modality: str) -> Callable[[], None]:
    """Return the loop alone, on data and a method that are prepared once."""
    recipe = estimator(values, modality).fit(values[:BATCH]).recipe_
    prepared = prepare(recipe, Data(values, modality))

    def run() -> None:
        method = copy.deepcopy(prepared.method)
        for step in fit(method, prepared.dataset, prepared.views, **prepared.arguments()):
            last = step
        assert last.number == STEPS, "both sides take the same steps"

    return run


def main() -> int:
    arguments = measure.start(measure.parser("estimator", __doc__.splitlines()[0]))
    rows = []
    for modality, shape in SHAPES.items():
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        loop, made = plain_loop(values, modality), estimator(values, modality)
        times = measure.in_turns({"estimator": partial(made.fit, values), "loop": loop}, PAIRS)
        name = f"{modality}, {STEPS} steps: estimator / plain loop"
        rows.append(measure.row(name, times["estimator"], times["loop"], 1.05, at_most=True))
    return measure.finish("estimator", rows, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
