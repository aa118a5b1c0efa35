"""SwAV and DINO train on crops of several sizes, and on more than two views of tables and series."""

import numpy as np
import pytest
import torch

from isotropy.data import ArrayDataset, ImagePreprocess, SeriesPreprocess, TablePreprocess
from isotropy.runs.building import build
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

NUMBERS = np.random.default_rng(0)
DATA = {
    "image": (ImagePreprocess, NUMBERS.integers(0, 256, (24, 3, 16, 16), dtype=np.uint8)),
    "table": (TablePreprocess, NUMBERS.normal(size=(24, 5)).astype(np.float32)),
    "series": (SeriesPreprocess, NUMBERS.normal(size=(24, 2, 40)).astype(np.float32)),
}
VIEWS = {
    "image": {"views.crops": [{"count": 3, "size": 10, "scale": [0.1, 0.4]}], "encoder.stem": 4, "encoder.width": 8},
    "table": {"views.num_views": 4, "views.corrupt": 0.4, "encoder.width": 8},
    "series": {"views.num_views": 4},
}
SMALL = {
    "swav": {"projector": [8, 4], "num_prototypes": 6, "queue_size": 16},
    "dino": {"projector": [8, 4], "num_prototypes": 6},
}


@pytest.mark.parametrize("modality", sorted(DATA))
@pytest.mark.parametrize("name", sorted(SMALL))
def test_trains_on_many_views(name, modality):
    kind, rows = DATA[modality]
    settings = {f"method.{key}": value for key, value in SMALL[name].items()} | VIEWS[modality]
    recipe = Recipe.default(name, modality).changed(settings)
    preprocess = kind.learn(rows)
    dataset = ArrayDataset(preprocess.transform(rows), preprocess)
    method, views = build(recipe, preprocess, dataset)
    steps = list(fit(method, dataset, views, epochs=2, batch_size=8))
    assert len(steps) == 6 and all(np.isfinite(step.loss) for step in steps)
    outputs = steps[-1].outputs
    # Tables and series: four views of one size. The student sees all of them.
    many, targets = ("scores", "z") if name == "swav" else ("student", "teacher")
    assert len(outputs[many]) == views.count == (5 if modality == "image" else 4)
    assert len(outputs[targets]) == (2 if name == "swav" or modality == "image" else 4)
    assert torch.isfinite(method.encoder(dataset.to_input(dataset.batch(torch.arange(4))))).all()
