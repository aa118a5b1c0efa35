"""What is trained: methods with their mechanism changed, on three data sets, and what a checkpoint measures."""

import copy
from pathlib import Path
from typing import Any

import torch
from measures import entropy_rank
from progress import Checkpoints
from rows import Row
from scores import features
from torch import Tensor, nn
from train import plain_recipe, train_once

from isotropy.diagnostics import stability
from isotropy.evaluation import knn_probe
from isotropy.objectives import center, cosine_distance
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe

KEPT, MEASURED = 1500, 512  # training rows of the k-NN probe, and of the other numbers
DONE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
MOMENTA = (0.0, 0.9, 0.99, 0.996, 0.999, 1.0)
WEIGHTS, INSIDE = (0.0, 0.1, 0.5, 0.9, 2.0, 5.0), (0.1, 0.5, 0.9)  # lambdas, and those inside (0, 1)
SIX = ("simclr", "byol", "swav", "simsiam", "barlow_twins", "dino")
REMOVALS = ("nothing removed", "T1 penalty", "T2 subtraction")
HEADS: dict[str, dict[str, Any]] = {
    "byol": {"method.predictor_hidden": 256},
    "swav": {"method.num_prototypes": 64},
    "simsiam": {"method.predictor_hidden": 64},
    "dino": {"method.num_prototypes": 128},
}
COMMON = {
    "method.projector": [256, 128], "train.batch_size": 128, "train.precision": "float32", "train.keep_last": False,
}  # fmt: skip
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "dry_bean": ("table", {"encoder": "table_mlp", "encoder.width": 64, "encoder.hidden": 128, "encoder.depth": 3,
                           "views.corrupt": [0.0, 0.3], "train.epochs": 16.0}),
    "cifar": ("image", {"encoder.stem": 8, "encoder.width": 64, "views.scale": [0.3, 1.0], "train.epochs": 5.0}),
    "har": ("series", {"encoder": "dilated_resnet", "encoder.hidden": 16, "encoder.depth": 3,
                       "encoder.width": 64, "train.epochs": 5.0}),
}  # fmt: skip


def _without_predictor(method: Any) -> None:
    """Compare projections; their last batch norm is kept."""
    method.predictor = nn.Sequential()


def _without_removal(method: Any) -> None:
    """Chase the other view's projection itself (lambda = 0), which counts as a constant."""

    def loss(z: list[Tensor], **_: Tensor) -> dict[str, Tensor]:
        return {"agreement": (cosine_distance(z[0], z[1]) + cosine_distance(z[1], z[0])) / 4 - 1}

    method.loss = loss


def _steady(method: Any) -> None:
    """Keep the momentum as it is."""

    def update(**_: object) -> None:
        method.teacher_encoder.update(method.encoder, method.momentum)
        method.teacher_projector.update(method.projector, method.momentum)

    method.update = update


def _weighted(weight: float) -> Any:
    """Return what makes Center's loss -a + weight c2, for weights that it refuses too."""

    def change(method: Any) -> None:
        def loss(z: list[Tensor], **_: Tensor) -> dict[str, Tensor]:
            terms = center(*z, lambd=0.5)
            return terms | {"centre": 2 * weight * terms["centre"]}

        method.loss = loss

    return change


# Variant -> the method, its settings, and what is done to it before it trains.
VARIANTS: dict[str, tuple[str, dict[str, Any], Any]] = {name: (name, {}, None) for name in SIX} | {
    "no predictor": ("simsiam", {}, _without_predictor),
    "nothing removed": ("center_subtraction", {}, _without_removal),
    "T1 penalty": ("center", {"method.center_weight": 0.5}, None),
    "T2 subtraction": ("center_subtraction", {"method.center_fraction": 0.5}, None),
    "no off-diagonal": ("barlow_twins", {"method.off_diagonal_weight": 0.0}, None),
    "fixed prototypes": ("swav", {"method.frozen_passes": 10_000}, None),
    **{f"momentum {m:g}": ("byol", {"method.momentum": m}, _steady) for m in MOMENTA},
    **{f"lambda {weight:g}": ("center", {}, _weighted(weight)) for weight in WEIGHTS},
}
SHORT = [name for name in VARIANTS if not name.startswith("lambda")]
LONG = [*SIX, *REMOVALS, *(f"lambda {weight:g}" for weight in WEIGHTS)]
# All training rows; an encoder of a quarter of the work where the images are four times as large.
LONGER: dict[str, tuple[str, dict[str, Any]]] = {
    "dry_bean": ("table", DATA["dry_bean"][1] | {"train.epochs": 60.0}),
    "har": ("series", DATA["har"][1] | {"train.epochs": 30.0}),
    "cifar10": ("image", DATA["cifar"][1] | {"encoder.stem": 4, "train.epochs": 60.0}),
}


def recipe_of(data: str, variant: str, seed: int, sizes: dict[str, tuple[str, dict[str, Any]]] = DATA) -> Recipe:
    """Return the recipe of a variant on a data set at its length."""
    name, more, _ = VARIANTS[variant]
    modality, settings = sizes[data]
    settings = settings | COMMON | HEADS.get(name, {}) | more | {"train.seed": seed}
    return plain_recipe(name, modality).changed(settings)


def trajectory(recipe: Recipe, variant: str, load: Any, folder: Path | None, quick: bool) -> Row:
    """Train once and return the checkpoints: what the centre was, and what the encoder was worth."""
    seen = Checkpoints(DONE, _checkpoint)
    made = train_once(recipe, load(folder), quick=quick, change=VARIANTS[variant][2], watch=seen)
    return {name: made.row[name] for name in ("steps", "epochs", "cpu_seconds")} | seen.columns(".4f")


@torch.no_grad()
def _checkpoint(prepared: Prepared) -> Row:
    """Return the numbers of a checkpoint, on two new views of 512 training rows with the batch's own statistics.

    "z_..." is of the vectors that the loss compares (Barlow Twins' standardised), "h_..." of the encoder's own.
    """
    method = copy.deepcopy(prepared.method).train()
    places = torch.linspace(0, len(prepared.dataset) - 1, MEASURED).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        views = prepared.views(prepared.dataset, places, seed=12345, pass_=0)
        z: Any
        z, h = method.monitored(**method(views))["views"], views.through(method.encoder)
    if prepared.recipe.method == "barlow_twins":
        z = [(x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in z]
    found: Row = {}
    for kind, vectors in (("z", z), ("h", h)):
        numbers = stability([x.float() for x in vectors])
        found |= {f"{kind}_{name}": numbers[name] for name in ("centre", "alignment", "spread")}
        found[f"{kind}_rank"] = entropy_rank(vectors[0])
    some = prepared.train[:: max(1, len(prepared.train) // KEPT)]
    vectors = features(prepared, parts=(some, prepared.test))
    return found | {"knn": knn_probe(*vectors, metric="accuracy").score}
