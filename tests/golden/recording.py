"""Twenty losses of every method on every modality it takes, in float64, through `Recipe`: what a refactor must keep.

    python -m golden.recording             the traces of this tree, as JSON
    python -m golden.recording --write     keep them as tests/golden/traces.json (a change of numerics, to be said)

Bits are the same on one machine with one thread; elsewhere another order of sums changes the last digits.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from isotropy.data import PREPROCESS, ArrayDataset
from isotropy.methods import METHODS
from isotropy.runs.building import build
from isotropy.runs.recipe import Recipe
from isotropy.training import fit
from isotropy.views.multiview import MultiView, ViewMaker

KEPT = Path(__file__).with_name("traces.json")
ROWS, BATCH, STEPS = 72, 12, 20
# Small networks; a setting that a method does not have is left out.
SMALL: dict[str, dict[str, Any]] = {
    "table": {"encoder": "table_mlp", "encoder.hidden": 16, "encoder.depth": 1, "encoder.width": 12},
    "series": {"encoder": "dilated_resnet", "encoder.hidden": 6, "encoder.depth": 2, "encoder.width": 12},
    "image": {"encoder": "small_resnet", "encoder.stem": 4, "encoder.width": 12},
}
METHOD = {
    "projector": [16, 8],
    "predictor_hidden": 8,
    "num_projectors": 3,
    "num_candidates": 6,
    "target_width": 8,
    "predictor_passes": 1,
    "queue_size": 24,
    "num_segments": 2,
    "projector_width": 4,
    "sub_batch_size": 8,
    "num_slices": 16,
}
# Kept as they are by default.
LARGE = {("vicreg", "projector")}
# Views in the feature space of an equivariant encoder, and the same moves of the input.
STRUCTURED = {
    "simclr/structured": ("simclr", "image", {"encoder": "c4_cnn", "encoder.width": 4, "views.name": "structured"}),
    "byol/moved": ("byol", "image", {"encoder": "c4_cnn", "encoder.width": 4, "views.name": "moved"}),
}


class Exact:
    """A source whose rows reach the networks in float64."""

    def __init__(self, dataset: ArrayDataset) -> None:
        self.dataset, self.modality = dataset, dataset.modality

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, index: Tensor) -> Tensor:
        return self.dataset.batch(index)

    def to_input(self, rows: Tensor) -> Tensor:
        return self.dataset.to_input(rows).double()


class ExactViews:
    """The views of a maker in float64."""

    def __init__(self, make: ViewMaker) -> None:
        self.make, self.count = make, make.count

    def __call__(self, dataset: Any, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        views = self.make(dataset, index, seed=seed, pass_=pass_)
        if type(views) is not MultiView:
            return views
        return MultiView(index, lambda: [view.double() for view in views.tensors])


def values(modality: str) -> Any:
    """Return raw rows with structure, a few of their numbers missing where the modality allows it."""
    rng = np.random.default_rng(11)
    hidden = rng.normal(size=(ROWS, 3))
    if modality == "table":
        frame = pd.DataFrame(np.tanh(hidden @ rng.normal(size=(3, 5))), columns=list("abcde"))
        frame.iloc[::9, 1] = np.nan
        return frame.assign(kind=np.array(["red", "green", "blue"])[(hidden[:, 0] > 0) + (hidden[:, 1] > 0) * 1])
    if modality == "series":
        phase = 6.28 * rng.random((ROWS, 2, 1))
        return np.sin((0.2 + rng.random((ROWS, 2, 1))) * np.arange(24) + phase) + 0.2 * rng.normal(size=(ROWS, 2, 24))
    low = rng.integers(256, size=(ROWS, 4, 4, 3))
    pixels = (np.kron(low, np.ones((1, 4, 4, 1))) * 0.8 + 25 * rng.random((ROWS, 16, 16, 3))).astype(np.uint8)
    return pixels.transpose(0, 3, 1, 2)


def cases() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return name -> (method, modality, settings) of every trace."""
    plain = {f"{name}/{m}": (name, m, {}) for name, kind in METHODS.items() for m in SMALL if kind.takes(m)}
    return plain | STRUCTURED


def trace(method: str, modality: str, settings: dict[str, Any]) -> list[float]:
    """Return the losses of the first steps of a short training."""

    torch.set_num_threads(1)
    named = inspect.signature(METHODS[method]).parameters
    recipe = Recipe.default(method, modality).changed(SMALL[modality])
    small = {key: value for key, value in METHOD.items() if key in named and (method, key) not in LARGE}
    recipe = recipe.changed(
        {f"method.{key}": _fitting(named[key].default, value) for key, value in small.items()}
        | {"train.batch_size": BATCH, "train.seed": 5, **settings}
    )
    raw = values(modality)
    preprocess = PREPROCESS[modality].learn(raw, None)
    dataset = ArrayDataset(preprocess.transform(raw), preprocess)
    built, make = build(recipe, preprocess, dataset)
    arguments = recipe.train.arguments() | {"epochs": 4, "precision": "float32"}
    built.double()
    run: Iterator[Any] = fit(built, Exact(dataset), ExactViews(make), optim=recipe.optim, **arguments)
    return [step.loss for step in islice(run, STEPS)]


def _fitting(default: Any, value: Any) -> Any:
    """Return `value` as the option is written: a list where its default is one."""
    if isinstance(default, tuple):
        return value if isinstance(value, list) else [value] * len(default)
    return value[0] if isinstance(value, list) else value


def record() -> dict[str, list[float]]:
    """Return all traces."""
    return {name: trace(*case) for name, case in cases().items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    text = json.dumps(record(), indent=0)
    if parser.parse_args().write:
        KEPT.write_text(text + "\n")
    else:
        sys.stdout.write(text + "\n")
