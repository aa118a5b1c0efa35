"""What a record of diagnostics costs beside ten steps of SimCLR with ResNet-18 at 32 px, batches of 256.

    python benchmarks/diagnostics.py [--busy] [--out benchmarks/results/diagnostics.json]

- often: the record of every ten steps (centre, alignment, spread and rank of the views), over the time of ten steps.
- seldom: the same with rank and linear CKA of 256 watched rows, over the time of twenty steps:
  no training has such records more often, and one of 5000 steps has them every hundred.

The time of so many steps is that of one, times their number.
"""

import sys
from copy import deepcopy
from itertools import islice

import measure
import torch
from step import images, resnet18

from isotropy.data import ArrayDataset, ImagePreprocess
from isotropy.methods import SimCLR
from isotropy.runs.monitor import Monitor
from isotropy.training import fit
from isotropy.training.loop import Step
from isotropy.views import ImageViews

BATCH, WATCHED, MOST = 256, 256, 0.03


def main() -> int:
    """Time one step, one cheap record and one dear one, in turns."""
    arguments = measure.start(measure.parser("diagnostics", __doc__.splitlines()[0]))
    torch.manual_seed(0)
    rows = images(2 * BATCH)
    preprocess = ImagePreprocess.learn(rows.numpy())
    method = SimCLR(resnet18())
    watch = Monitor(method, rows[:WATCHED], preprocess, deepcopy(method.encoder))
    views = ImageViews(size=32, mean=preprocess.mean, std=preprocess.std)
    steps = fit(method, ArrayDataset(rows, preprocess), views, epochs=5000, batch_size=BATCH)
    taken: list[Step] = list(islice(steps, 1))

    def record(number: int) -> None:
        # Of a training of 10,000 steps: number 10 is cheap, number 200 is not.
        assert watch.at(Step(**{**vars(taken[0]), "number": number, "steps": 10_000})) is not None

    sides = {"step": lambda: next(steps), "often": lambda: record(10), "seldom": lambda: record(200)}
    seconds = measure.in_turns(sides, 5)
    ten, twenty = ([count * each for each in seconds["step"]] for count in (10, 20))
    found = [
        measure.row("a record of every ten steps / ten steps", seconds["often"], ten, MOST, at_most=True),
        measure.row("a record with rank and linear CKA / twenty steps", seconds["seldom"], twenty, MOST, at_most=True),
    ]
    return measure.finish("diagnostics", found, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
