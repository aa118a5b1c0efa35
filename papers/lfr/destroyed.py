"""Labels that one of SimCLR's views destroys, which LFR, without views, must keep."""

from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
from pages import OPEN, reproduced
from rows import Row, Rows, paired
from scores import baseline, measured, probe

from isotropy.data import Data, read
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

WITH, WITHOUT, LFR = "simclr with the view", "simclr without the view", "lfr"
LEVELS, SHOES, TRAIN, TEST = (0.7, 0.84, 1.0, 1.19, 1.41), (5, 7, 9), 4000, 2000


def _mirrored(data: Data) -> Data:
    flipped = np.random.default_rng(0).integers(2, size=len(data.values))
    pixels = np.where(flipped[:, None, None], data.values[..., ::-1].squeeze(), data.values.squeeze())
    return read(pixels, modality="image", label=flipped, split=data.split)


def _shoes(folder: Path | None) -> Data:
    data = sets.fashion(folder, 8000, 5000)
    return _mirrored(data.take(np.flatnonzero(np.isin(np.asarray(data.labels), SHOES))))


def _amplitude(folder: Path | None) -> Data:
    """Return windows of one channel at five amplitudes, labelled by the amplitude; the parts share no recording."""
    content, draw = np.load(sets.path(folder, "epilepsy.npz")), np.random.default_rng(0)
    held_out = content["is_test_recording"].astype(bool)
    pairs = ((False, TRAIN), (True, TEST))
    index = np.concatenate([draw.permutation(np.flatnonzero(held_out == part))[:count] for part, count in pairs])
    windows = content["X"][index].astype(np.float32)[:, None]
    shapes = (windows - windows.mean(2, keepdims=True)) / windows.std(2, keepdims=True)
    level = draw.integers(len(LEVELS), size=len(index))
    values = shapes * np.asarray(LEVELS, dtype=np.float32)[level, None, None]
    return read(values, label=level, split=np.where(held_out[index], "test", "train"), modality="series")


SMALL = {"encoder.stem": 8, "encoder.width": 64, "train.batch_size": 128}
CROPS = {"views.scale": [0.5, 1.0], "views.jitter": [0.4, 0.4, 0.4, 0.1]}
# Rows, modality, CPU seconds, what all arms share, SimCLR's views, and the view that destroys the label.
TASKS: dict[str, tuple[Any, str, float, dict[str, Any], dict[str, Any], str]] = {
    "shoes": (_shoes, "image", 8.0, SMALL, CROPS, "views.flip"),
    "digits": (lambda _: _mirrored(sets.digits()), "image", 8.0, SMALL, CROPS, "views.flip"),
    "amplitude": (_amplitude, "series", 8.0, {"encoder": "series_cnn"}, {"views.jitter": 0.05}, "views.scale"),
    "amplitude, longer": (_amplitude, "series", 32.0, {"encoder": "series_cnn"}, {"views.jitter": 0.05}, "views.scale"),
}


def arm(recipe: Recipe, task: str, seconds: float, folder: Path | None, quick: bool) -> Row:
    """Train one arm of a task for its budget and return the scores."""
    return measured(recipe, TASKS[task][0](folder), seconds, quick=quick)


def raw_values(task: str, folder: Path | None, quick: bool) -> Row:
    """Return the scores of a task's values as they are."""
    data = TASKS[task][0](folder)
    return probe(baseline(prepare(Recipe.default("simclr", data.modality), data), "raw"))


def keeps_the_label(seeds: int, rows: Rows) -> tuple[str, str] | None:
    """Judge whether SimCLR loses the label of a task and LFR keeps it, once it has so many seeds."""
    found = {
        "SimCLR with the view minus untrained": paired(rows, WITH, WITH, than="untrained_linear"),
        "LFR minus untrained": paired(rows, LFR, LFR, than="untrained_linear"),
        "LFR minus SimCLR with the view": paired(rows, LFR, WITH),
        "SimCLR without minus with the view": paired(rows, WITHOUT, WITH),
        "LFR minus SimCLR without the view": paired(rows, LFR, WITHOUT),
    }
    there = [each for each in found.values() if each is not None]
    if len(there) < len(found):
        return None
    loses, keeps, above, blame, _ = there
    holds = loses.high < 0 <= keeps.high and above.low > 0 and blame.low > 0
    verdict = reproduced(holds) if min(each.pairs for each in there) >= seeds else OPEN
    return ", ".join(f"{name} {each}" for name, each in found.items()), verdict
