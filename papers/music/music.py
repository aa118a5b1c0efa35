"""MUSIC: no deep projector, no large batch, no large embedding; and better than its peers?"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
from figures import Dots
from pages import OPEN, Claim, Table, beside, reproduced
from progress import Checkpoints
from results import Run
from rows import Row, Rows, mean, paired, select
from runner import Paper
from scores import baseline, beside_untrained, embedded, features, probe
from train import train_once

from isotropy.data import Data, read
from isotropy.diagnostics.codes import bins_used, mutual_information
from isotropy.evaluation import linear_probe
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from music import shared, toys

VARIANTS: dict[str, dict[str, Any]] = {
    "untrained": {"train.epochs": 0.001, "optim.lr": 1e-12},
    "full": {},
    "no off-diagonal": {"method.off_diagonal_weight": 0.0},
    "no diagonal": {"method.diagonal_weight": 0.0},
    "no transform": {"method.transform_weight": 0.0},
    "transform alone": {"method.diagonal_weight": 0.0, "method.off_diagonal_weight": 0.0},
    "off-diagonal alone": {"method.diagonal_weight": 0.0, "method.transform_weight": 0.0},
    "projector without a hidden layer": {"method.projector": [128]},
    "projector with two hidden layers": {"method.projector": [256, 256, 128]},
    "batch 64": {"train.batch_size": 64},
    "batch 512": {"train.batch_size": 512},
    "embedding of 32 (4 segments)": {"method.projector": [256, 32], "method.num_segments": 4},
    "embedding of 512 (64 segments)": {"method.projector": [256, 512], "method.num_segments": 64},
}
BASE = {
    "encoder.stem": 8, "encoder.width": 64, **sets.DIGIT_VIEWS, "train.precision": "float32", "train.epochs": 60.0,
    "method.projector": [256, 128], "method.num_segments": 16, "optim.lr": 2e-3, "train.batch_size": 256,
}  # fmt: skip
PEERS = ("music", "barlow_twins", "vicreg")
EPOCHS = {"digits": 60.0, "fashion": 10.0}
JITTER = {"views.jitter": [0.4, 0.4, 0.4, 0.1]}
VIEWS = {"digits": sets.DIGIT_VIEWS | JITTER, "fashion": {"views.flip": 0.5, "views.scale": [0.2, 1.0]} | JITTER}


# Real length: 5000 images of CIFAR-10, ten classes of Tiny ImageNet at 32 px; heads and embeddings of MUSIC again.
LENGTH, QUARTERS = 60.0, (0.25, 0.5, 0.75, 1.0)
AGAIN: dict[str, dict[str, Any]] = {
    "music, no hidden layer": {"method.projector": [128]},
    "music, two hidden layers": {"method.projector": [256, 256, 128]},
    "music, D = 32": {"method.projector": [256, 32], "method.num_segments": 4},
    "music, D = 512": {"method.projector": [256, 512], "method.num_segments": 64},
}
IMAGES: dict[str, Callable[[Path | None], Data]] = {
    "cifar10": lambda folder: sets.cifar10(folder, 5000),
    "tiny_imagenet": sets.tiny_imagenet_ten,
}


def _linear(prepared: Prepared) -> Row:
    return {"linear": linear_probe(*features(prepared), metric="accuracy").score}


def _at_length(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train, and probe at every quarter."""
    curve = Checkpoints(QUARTERS, _linear)
    made = train_once(recipe, IMAGES[name](folder), quick=quick, watch=curve)
    return made.row | beside_untrained(made.prepared) | {"curve": curve.columns(".4f").get("linear")}


def _terms(recipe: Recipe, quick: bool) -> Row:
    """Train MUSIC on digits and measure its codes."""
    data = read(sets.digit_pixels(), label=load_digits().target, modality="image")
    made = train_once(recipe, data, quick=quick)
    method: Any = made.prepared.method
    whole = torch.nn.Sequential(method.encoder, method.projector)
    logits = torch.from_numpy(embedded(made.prepared, made.prepared.test, whole))
    segments, units = method.projector.num_segments, method.projector.units
    codes = method.projector.codes(logits).numpy()
    pairs = mutual_information(codes, units)[np.triu_indices(segments, 1)]
    return made.row | probe(features(made.prepared)) | {
        "units": round(float(bins_used(codes).mean() / units), 4),
        "confidence": round(float(logits.view(len(codes), segments, units).softmax(2).amax(2).mean()), 4),
        "information": round(float(np.nanmean(pairs)), 4) if np.isfinite(pairs).any() else None,
    }  # fmt: skip


def _rows_of(name: str, folder: Path | None) -> Any:
    return sets.digits() if name == "digits" else sets.fashion(folder)


def _peer(recipe: Recipe, folder: Path | None, name: str, quick: bool) -> Row:
    made = train_once(recipe, _rows_of(name, folder), quick=quick)
    return made.row | probe(features(made.prepared))


def _baseline(recipe: Recipe, folder: Path | None, name: str, which: str, quick: bool) -> Row:
    return probe(baseline(prepare(recipe, _rows_of(name, folder)), which))


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""
    for variant, changes in VARIANTS.items():
        recipe = Recipe.default("music", "image").changed(BASE | {"train.seed": seed} | changes)
        yield Run("terms", "digits", variant, seed, partial(_terms, recipe), recipe.to_toml())
    for name in EPOCHS:
        settings: dict[str, Any] = {
            "encoder.stem": 8,
            "encoder.width": 64,
            "train.batch_size": 256,
            "train.seed": seed,
        } | VIEWS[name]
        for size, longer in ((32, 1), (256, 1), *([(32, 3)] if seed == 0 else [])):
            for method in PEERS:
                settings |= {"method.projector": [256, size], "train.epochs": EPOCHS[name] * longer}
                segments = {"method.num_segments": size // 8} if method == "music" else {}
                recipe = Recipe.default(method, "image").changed(settings | segments)
                variant = f"{method}, D = {size}" + (f", x{longer}" if longer > 1 else "")
                yield Run("peers", name, variant, seed, partial(_peer, recipe, folder, name), recipe.to_toml())
        for which in ("untrained", *(("raw", "PCA") if seed == 0 else ())):
            yield Run("peers", name, which, seed, partial(_baseline, recipe, folder, name, which), recipe.to_toml())

    for name in IMAGES:
        settings = {"encoder.stem": 8, "encoder.width": 64, "train.batch_size": 256, "train.epochs": LENGTH}
        settings |= {"train.seed": seed, "method.projector": [256, 128]}
        for variant in (*PEERS, *(AGAIN if name == "cifar10" and seed < 3 else ())):
            method = "music" if variant in AGAIN else variant
            recipe = Recipe.default(method, "image").changed(settings | AGAIN.get(variant, {}))
            yield Run("longer", name, variant, seed, partial(_at_length, recipe, name, folder), recipe.to_toml())

    for objective in toys.LOSSES:
        for width in (toys.NARROW, toys.WIDE):
            made = partial(toys.toy, objective, width, seed)
            yield Run("toy", "groups and kinds", f"{objective}, D = {width}", seed, made, f"{toys.SETTINGS} {width}")
    for name in shared.SETS:
        settled = f"{shared.recipe_of(name, seed).to_toml()}{shared.SECONDS} {shared.ROWS} {shared.RIDGE} shuffled"
        yield Run("views", name, "music", seed, partial(shared.shared, name, folder, seed), settled)
        if seed == 0:
            yield Run("views", name, shared.RAW, 0, partial(shared.raw, name, folder), "raw")


def _needs_no(small: str, large: str, rows: Rows) -> tuple[str, str]:
    """Judge a setting that is said to be large enough."""
    base, one, other = (mean(rows, "linear", variant=name) for name in ("full", small, large))
    said = f"probe {base:.3f}; {small}: {one:.3f}; {large}: {other:.3f}"
    return said, reproduced(one > max(base, other) - 0.02)


def _units(variant: str, bound: float, least: bool, rows: Rows) -> tuple[str, str]:
    used = mean(rows, "units", variant=variant)
    return f"{used:.2f}", reproduced(used >= bound if least else used <= bound)


def _uniform(rows: Rows) -> tuple[str, str]:
    confidence, score = (mean(rows, name, variant="off-diagonal alone") for name in ("confidence", "linear"))
    full = mean(rows, "linear", variant="full")
    said = f"mean largest probability {confidence:.3f} (uniform: .125), probe {score:.3f} (full: {full:.3f})"
    return said, reproduced(confidence < 0.2 and score < full - 0.1)


def _better(rows: Rows) -> tuple[str, str]:
    """Judge MUSIC beside its peers."""
    said, won, complete = [], 0, 0
    for name in EPOCHS:
        for size in (32, 256):
            gaps = [paired(rows, f"music, D = {size}", f"{other}, D = {size}", data=name) for other in PEERS[1:]]
            said.append(f"{name}, D = {size}: {gaps[0]} to Barlow Twins, {gaps[1]} to VICReg")
            complete += all(each is not None and each.pairs >= 3 for each in gaps)
            won += all(each is not None and each.low > 0 for each in gaps)
    verdict = reproduced(won >= 3) if complete == 4 else OPEN
    return f"above both in {won} of {complete} complete cells. " + "; ".join(said), verdict


def _better_longer(name: str, rows: Rows) -> tuple[str, str] | None:
    """Judge MUSIC beside its peers at the length where all are flat: the last quarter moves by less than a point."""
    rows = _with_late(rows)
    gaps = {other: paired(rows, "music", other, data=name) for other in PEERS[1:]}
    found = beside(gaps, seeds=5)
    if found is None:
        return None
    late = {m: mean(rows, "late", data=name, variant=m) for m in PEERS if select(rows, data=name, variant=m)}
    said = f"{found[0]}; the last quarter " + ", ".join(f"{method} {value:+.3f}" for method, value in late.items())
    flat = max(map(abs, late.values())) < 0.01
    return said, found[1] + ("" if flat or found[1] == OPEN else ", not flat")


def _again(small: str, rows: Rows) -> tuple[str, str] | None:
    """Judge a small head or embedding: at most 2 points below the best other setting, by the interval's end."""
    others = [other for other in ("music", *AGAIN) if other != small]
    return beside({other: paired(rows, small, other, data="cifar10") for other in others}, least=-0.02)


def _with_late(rows: Rows) -> Rows:
    """Return the rows with what the last quarter of a training added."""
    return [row | {"late": row["curve"][-1] - row["curve"][-2]} if row.get("curve") else row for row in rows]


def _small_embedding(rows: Rows) -> tuple[str, str] | None:
    losses = {name: paired(rows, "music, D = 32", "music, D = 256", data=name) for name in EPOCHS}
    if not all(loss and loss.pairs >= 3 for loss in losses.values()):
        return None
    said = "; ".join(f"{name}: D = 32 minus D = 256 {loss}" for name, loss in losses.items())
    return said, reproduced(all(loss is not None and loss.mean >= -0.01 for loss in losses.values()))


def _same_order(name: str, rows: Rows) -> tuple[str, str]:
    """Judge whether a run three times as long ranks the three alike (seed 0)."""
    orders, said = [], []
    for end in ("", ", x3"):
        found = {m: mean(select(rows, seed=0), "linear", data=name, variant=f"{m}, D = 32{end}") for m in PEERS}
        orders.append(sorted(found, key=lambda m: -found[m]))
        said.append(", ".join(f"{m} {found[m]:.3f}" for m in orders[-1]))
    return f"{said[0]}; longer: {said[1]}", "holds" if orders[0] == orders[1] else "changes"


CLAIMS = [
    Claim("all three terms: at least .9 of a segment's units are used", "section 3", "terms",
          partial(_units, "full", 0.9, True)),
    Claim("the transform term alone: at most .4", "section 3", "terms", partial(_units, "transform alone", 0.4, False)),
    Claim("the off-diagonal term alone: all units equally likely, little is learnt", "section 3", "terms", _uniform),
    Claim("no deep projector is needed", "abstract", "terms",
          partial(_needs_no, "projector without a hidden layer", "projector with two hidden layers")),
    Claim("no large batch is needed", "abstract", "terms", partial(_needs_no, "batch 64", "batch 512")),
    Claim("no large embedding is needed", "abstract", "terms",
          partial(_needs_no, "embedding of 32 (4 segments)", "embedding of 512 (64 segments)")),
    Claim("the same, beside its peers", "abstract", "peers", _small_embedding),
    Claim("better than Barlow Twins and VICReg at equal budget and embedding size", "abstract", "peers", _better),
    *(Claim(f"the order on {name} is the same at three times the length", "ours", "peers", partial(_same_order, name))
      for name in EPOCHS),
    *(Claim(f"{name}, longer: better than both at equal steps", "abstract", "longer", partial(_better_longer, name))
      for name in IMAGES),
    Claim("longer: no hidden layer is needed", "abstract", "longer", partial(_again, "music, no hidden layer")),
    Claim("longer: no large embedding is needed", "abstract", "longer", partial(_again, "music, D = 32")),
    *toys.CLAIMS,
    *shared.CLAIMS,
]  # fmt: skip
TABLES = [
    Table("Terms, heads, batches and embeddings on digits", "terms", {
        "linear probe": "linear", "units used": "units", "largest probability": "confidence",
        "information of pairs": "information"}, ("variant",)),
    Table("Beside its peers", "peers", {"CPU seconds": "cpu_seconds", "linear": "linear", "k-NN": "knn"}),
    Table("Longer", "longer", {"CPU seconds": "cpu_seconds", "linear": "linear", "untrained": "untrained_linear",
          "k-NN": "knn", "the last quarter": "late"}),
    toys.TABLE,
    shared.TABLE,
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return MUSIC beside its peers at every length and embedding size that has rows."""
    made = []
    lengths = [("longer", name, LENGTH) for name in IMAGES] + [
        ("peers", name, epochs) for name, epochs in EPOCHS.items()
    ]
    for study, data, epochs in lengths:
        chosen = select(rows, study=study, data=data)
        names = dict.fromkeys(row["variant"] for row in chosen if row["variant"].startswith(PEERS + ("untrained",)))
        strong = [name for name in names if name.startswith("music")]
        shown = {name: name for name in names}
        title = f"{data}, {epochs:g} epochs"
        made.append(Dots.of(title, "accuracy of a linear probe", chosen, "linear", shown, strong))
    return made + toys.panel(rows)


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, prepare=_with_late, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
