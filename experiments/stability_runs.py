"""The data sets, the variants and one training of `stability.py`; the variants are settings or subclasses of methods.

Labels are for the k-NN probe alone.
"""

import copy
import io
from functools import cache
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from matrix_data import load
from PIL import Image
from torch import Tensor, nn

from isotropy.data import Data, read
from isotropy.diagnostics import assignments, entropy_rank, predictor_gap, stability
from isotropy.evaluation import knn_probe
from isotropy.evaluation.splits import stratified
from isotropy.methods import BYOL, METHODS, Center, CenterSubtraction, SimSiam
from isotropy.objectives import center, cosine_distance
from isotropy.representation.embedding import embed_rows
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

TRAIN, TEST = 3000, 800  # rows of the subsets, stratified
KEPT = 1500  # training rows that the k-NN probe asks
WATCHED = 512
SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)  # of training, where a checkpoint is looked at
MOMENTA = (0.0, 0.9, 0.99, 0.996, 0.999, 1.0)
LAMBDAS = (0.0, 0.1, 0.5, 0.9, 2.0)
SIX = ("simclr", "byol", "swav", "simsiam", "barlow_twins", "dino")
HEADS: dict[str, dict[str, Any]] = {
    "byol": {"predictor_hidden": 256},
    "swav": {"prototypes": 64},
    "simsiam": {"predictor_hidden": 64},
    "dino": {"prototypes": 128},
}
TRAINING = {"train.batch_size": 128, "train.precision": "float32", "train.keep_last": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "cifar": {
        "encoder.stem": 8,
        "encoder.width": 64,
        "views.scale": [0.3, 1.0],
        "train.epochs": 5.0,
    },
    "har": {
        "encoder": "dilated_resnet",
        "encoder.hidden": 16,
        "encoder.depth": 3,
        "encoder.width": 64,
        "train.epochs": 5.0,
    },
    "dry_bean": {
        "encoder.width": 64,
        "encoder.hidden": 128,
        "encoder.depth": 3,
        "views.corrupt": [0.0, 0.3],
        "train.epochs": 16.0,
    },
}


class WithoutPredictor(SimSiam):
    """SimSiam that compares projections, its last batch norm kept."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Identity()


class WithoutRemoval(CenterSubtraction):
    """CenterSubtraction at lambda = 0: chase the other view's projection itself."""

    def loss(self, z: list[Tensor], **_: Tensor) -> dict[str, Tensor]:
        """Return the mean of minus the cosine with the other view, which counts as a constant."""
        return {"agreement": (cosine_distance(z[0], z[1]) + cosine_distance(z[1], z[0])) / 4 - 1}


class Steady(BYOL):
    """BYOL whose momentum stays as it is."""

    def update(self, **_: object) -> None:
        """Move the teacher towards the student."""
        self.teacher_encoder.update(self.encoder, self.momentum)
        self.teacher_projector.update(self.projector, self.momentum)


class AnyWeight(Center):
    """Center with a weight of the centre that it would refuse."""

    weight: float

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return -a and the weight times c2."""
        terms = center(*z, lambd=0.5)
        return {"alignment": terms["alignment"], "centre": 2 * self.weight * terms["centre"]}


def weighted(weight: float) -> type[AnyWeight]:
    return type("Weighted", (AnyWeight,), {"weight": weight})


# name -> (the method whose recipe it takes, its settings, the class in its place)
VARIANTS: dict[str, tuple[str, dict[str, Any], Any]] = {name: (name, {}, None) for name in SIX}
VARIANTS |= {
    "no predictor": ("simsiam", {}, WithoutPredictor),
    "nothing removed": ("center_subtraction", {}, WithoutRemoval),
    "T1 penalty": ("center", {"method.lambd": 0.5}, None),
    "T2 subtraction": ("center_subtraction", {"method.lambd": 0.5}, None),
    "no off-diagonal": ("barlow_twins", {"method.lambda_": 0.0}, None),
    "fixed prototypes": ("swav", {"method.frozen_passes": 10_000}, None),
    **{f"momentum {m:g}": ("byol", {"method.momentum": m}, Steady) for m in MOMENTA},
    **{f"lambda {w:g}": ("center", {}, weighted(w)) for w in LAMBDAS},
}


@cache
def subset(name: str, folder: Path) -> Data:
    """Return a subset of a data set, the same for all seeds, with its parts."""
    if name == "cifar":
        with np.load(folder / "cifar10_jpeg.npz") as file:
            parts = [_images(file, part, most) for part, most in (("train", TRAIN), ("test", TEST))]
        pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts))
        return read(pixels, modality="image", label=labels, split=np.repeat(["train", "test"], [TRAIN, TEST]))
    data = load(name, folder)
    if data.split is None:
        test = stratified(data.labels, TEST)
        rest = np.setdiff1d(np.arange(len(data.labels)), test)
        split = np.full(len(data.labels), "train")
        split[test] = "test"
        train = rest[stratified(data.labels[rest], TRAIN)]
        data = Data(data.values, data.modality, data.labels, split, data.description)
    else:
        train, test = (
            part[stratified(data.labels[part], most)]
            for part, most in ((data.part("train"), TRAIN), (data.part("test"), TEST))
        )
    if name == "har":  # half the sampling rate: the mean of two readings
        pairs = np.asarray(data.values, dtype=np.float32)
        pairs = pairs.reshape(*pairs.shape[:2], -1, 2).mean(axis=3)
        data = Data(pairs, data.modality, data.labels, data.split, data.description)
    return data.take(np.concatenate([train, test]))


def _images(file: Any, part: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a stratified part of the images, halved to 16 x 16, and their classes."""
    labels = file[f"y_{part}"]
    rows = stratified(labels, most)
    raw, offsets = file[f"jpeg_{part}"].tobytes(), file[f"offsets_{part}"]
    whole = np.stack([np.asarray(Image.open(io.BytesIO(raw[offsets[i] : offsets[i + 1]]))) for i in rows])
    small = whole.reshape(most, 16, 2, 16, 2, 3).mean(axis=(2, 4)).round().astype(np.uint8)
    return small, labels[rows]


def run(data: str, variant: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train once and return the checkpoints: what the centre was, and what the encoder was worth."""
    name, more, planted = VARIANTS[variant]
    made_of = subset(data, folder)
    heads = {f"method.{k}": v for k, v in HEADS.get(name, {}).items()} | {"method.projector": [256, 128]}
    recipe = Recipe.default(name, made_of.modality)
    recipe = recipe.changed({**SETTINGS[data], **heads, **more, **TRAINING, "train.seed": seed})
    with patch.dict(METHODS, {name: planted} if planted else {}):
        made = prepare(recipe, made_of)
    labels = made.data.labels
    spent, losses, seen = 0.0, [], [{"done": 0.0, **view(made, labels)}]
    begin = process_time()
    for step in fit(made.method, made.dataset, made.views, optim=recipe.optim, **recipe.train.arguments()):
        losses.append(step.loss)
        if step.number in {max(1, round(share * step.steps)) for share in SHARES}:
            spent += process_time() - begin
            seen.append({"done": round(step.number / step.steps, 3), "loss": _rounded(step.loss), **view(made, labels)})
            begin = process_time()
    trajectory = {key: [each.get(key) for each in seen] for key in seen[-1]}
    facts = {"steps": len(losses), "batch_size": recipe.train.batch_size, "processor_seconds": round(spent, 1)}
    return {"data": data, "variant": variant, "seed": seed, **facts, **trajectory}


@torch.no_grad()
def view(made: Any, labels: Any) -> dict[str, float | None]:
    """Return the numbers of a checkpoint, on two new looks at 512 training rows and with the batch's own statistics.

    "z_..." is of the vectors that the loss compares (`monitored`; Barlow Twins' standardised, as its loss sees them),
    "h_..." of the encoder's own.
    """
    method = copy.deepcopy(made.method).train()
    places = torch.linspace(0, len(made.dataset) - 1, WATCHED).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        views = made.views(made.dataset, places, seed=12345, pass_=0)
        outputs = method(views)
        h = views.through(method.encoder)
    seen = method.monitored(**outputs)
    z = seen["views"]
    if made.recipe.method == "barlow_twins":
        z = [(x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in z]
    found: dict[str, float] = {}
    for kind, rows in (("z", z), ("h", h)):
        numbers = stability([x.float() for x in rows])
        found |= {f"{kind}_{k}": numbers[k] for k in ("centre", "alignment", "spread")}
        found[f"{kind}_rank"] = entropy_rank(rows[0])
        found[f"{kind}_rank_uncentred"] = entropy_rank(nn.functional.normalize(rows[0]), centred=False)
    if "prediction" in seen:
        found["eta"] = predictor_gap(seen["prediction"][0], seen["target"][0])["eta"]
    if "assignments" in seen:
        codes = assignments(seen["assignments"][0])
        found |= {"used": codes["used"], "marginal": codes["marginal_entropy"]}
    train = made.train[:: len(made.train) // KEPT]
    parts = [embed_rows(made.method.encoder, made.preprocess.to_input, made.rows[part]) for part in (train, made.test)]
    found["knn"] = knn_probe(parts[0], labels[train], parts[1], labels[made.test]).score
    return {k: _rounded(v) for k, v in found.items()}


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
