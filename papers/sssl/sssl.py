"""Views in feature space against the same transformations of the input, on digits and real data; the bound."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import Dots
from pages import OPEN, Claim, Table, reproduced
from results import Run
from rows import Difference, Row, Rows, by_seed, paired, select
from runner import Paper
from train import plain_recipe, train_once

from isotropy.encoders.equivariant.equivariant import Equivariant
from isotropy.encoders.equivariant.space import Rotations, Translations
from isotropy.evaluation import linear_probe
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from sssl import bound, moved

# Networks without the structure. A recipe, and so the digest of its rows, names them by this script.


class _CalledMap(Equivariant):
    """A network without the structure: its output is cut into pieces that are called positions of a base space."""

    modality, width, fibre_width, read = "image", 32, 32, 1

    network: nn.Module

    def fibres(self, x: Tensor) -> Tensor:
        maps: Tensor = self.network(x).unflatten(1, (self.width, *self.base.shape))
        return maps


class _PlainTurns(_CalledMap):
    """An ordinary network with as many channels, called four turns of 32 fields."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        layers.insert(3, nn.MaxPool2d(2))
        self.network, self.base = (
            nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            Rotations(mirrors=False),
        )


class _PlainShifts(_CalledMap):
    """Two dense layers whose output is called a map of 32 channels at 6 x 6 positions."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Flatten(), nn.Linear(144, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 32 * 36))
        self.network, self.base = nn.Sequential(*layers), Translations((6, 6), stride=2)


@torch.no_grad()
def _scores(prepared: Prepared) -> Row:
    """Return the linear accuracy of what is at the origin and of the mean over the base space."""
    encoder: Any = prepared.method.encoder.eval()
    found: dict[str, list[Any]] = {"origin": [], "mean": []}
    for part in (prepared.train, prepared.test):
        rows: Any = prepared.rows[torch.from_numpy(part)]
        maps = torch.cat([encoder.fibres(prepared.preprocess.to_input(some)) for some in rows.split(512)])
        found["origin"].append(encoder.base.crop(maps, encoder.base.origin(1).expand(len(maps), -1), 1).numpy())
        found["mean"].append(maps.flatten(2).mean(dim=2).numpy())
    y, y_test = (np.asarray(prepared.data.labels)[part] for part in (prepared.train, prepared.test))
    return {
        name: round(linear_probe(x, y, x_test, y_test, metric="accuracy").score, 4)
        for name, (x, x_test) in found.items()
    }


def _trained(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train with the recipe's views, or with none, and return the scores."""
    rows = moved.moved_rows(name, folder, recipe.train.seed)
    if "name" not in recipe.views:
        return {"epochs": 0, "cpu_seconds": 0.0} | _scores(prepare(recipe, rows))
    made = train_once(recipe, rows, quick=quick)
    return made.row | _scores(made.prepared)


# Distance of the views in positions, and their base size: on Fashion-MNIST under shifts.
CURVES = ((1, 1), (2, 1), (3, 1), (2, 2), (2, 3))
LONGER: dict[str, Any] = {"encoder.width": 32, "encoder.read": 1, "train.epochs": 10.0}
# Study, network, its settings, the rate, and the distances of the views (with a base size beside, or None).
TORUS = {"encoder": "cyclic_cnn", "encoder.width": 32, "encoder.halvings": 1}
DIGITS: list[tuple[str, str, dict[str, Any], float, tuple[Any, ...]]] = [
    ("rotation", "C4", {"encoder": "c4_cnn", "encoder.width": 32, "encoder.read": 1}, 2e-3, (None,)),
    ("rotation", "plain", {"encoder": _PlainTurns}, 2e-3, (None,)),
    ("translation", "torus", TORUS, 3e-3, ((0, 1), (1, 1), (2, 1), (3, 1), (1, 2), (1, 3))),
    ("translation", "dense", {"encoder": _PlainShifts}, 3e-3, ((3, 1),)),
]
REAL: dict[str, tuple[str, dict[str, Any]]] = {
    "fashion": ("image", {"encoder": "c4_cnn", "train.epochs": 6.0}),
    "cifar10": ("image", {"encoder": "c4_cnn", "train.epochs": 6.0}),
    "har": ("series", {"encoder": "cyclic_series_cnn", "train.epochs": 20.0}),
}
COMMON: dict[str, Any] = {"method.temperature": 0.2, "train.batch_size": 256, "optim.lr": 1e-3}
ON_DIGITS = COMMON | {
    "method.projector": [64, 32], "optim.name": "adam", "optim.weight_decay": 0.0, "optim.warmup": 0.0,
    "train.epochs": 30.0, "train.precision": "float32",
}  # fmt: skip


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""

    def trained(study: str, data: str, variant: str, modality: str, settings: dict[str, Any], first: int = 0) -> Run:
        recipe = plain_recipe("simclr", modality).changed(settings | {"train.seed": first + seed})
        make = partial(_trained, recipe, study if data == "digits" else data, folder)
        return Run(study, data, variant, seed, make, recipe.to_toml())

    for study, network, encoder, rate, distances in DIGITS:
        base = ON_DIGITS | encoder | {"optim.lr": rate}
        yield trained(study, "digits", f"{network}, frozen", "image", base)
        for views in ("moved", "structured"):
            for far in distances:
                variant, settings = f"{network}, {views}", base | {"views.name": views}
                if far is not None:
                    variant += f", distance {far[0]}" + (f", base size {far[1]}" if far[1] > 1 else "")
                    settings |= {"views.distance": far[0]} | ({"encoder.read": far[1]} if network == "torus" else {})
                yield trained(study, "digits", variant, "image", settings)
    for name, (modality, encoder) in REAL.items():
        base = COMMON | {"method.projector": [256, 64]} | encoder
        yield trained("real data", name, "frozen", modality, base)
        for views in ("structured", "moved"):
            far = {"views.distance": 4} if name == "har" else {}
            yield trained("real data", name, views, modality, base | {"views.name": views} | far)
    for name in ("fashion", "cifar10"):
        for structure, (network, _) in moved.STRUCTURES.items():
            base = COMMON | {"method.projector": [256, 64], "encoder": network} | LONGER
            for views in ("frozen", "structured", "moved"):
                settings = base | ({} if views == "frozen" else {"views.name": views})
                yield trained("structures", f"{name}, {structure}", views, "image", settings)
                if structure == "shifts" and views != "frozen":
                    yield trained("second look", f"{name}, {structure}", views, "image", settings, first=3)
    base = COMMON | {"method.projector": [256, 64], "encoder": "cyclic_cnn", "views.name": "structured"} | LONGER
    for distance, size in CURVES:
        settings = base | {"views.distance": distance, "encoder.read": size}
        yield trained("curves", "fashion, shifts", f"distance {distance}, base size {size}", "image", settings)
    for name in bound.BOUNDS:
        yield Run("bound", "digits", name, seed, partial(bound.losses, name, seed), name)


def _points(rows: Rows, one: str, other: str, **values: Any) -> tuple[Difference | None, str]:
    """Return the paired difference at the origin in points, and as text."""
    found = paired(rows, one, other, "origin", **values)
    if found is None:
        return None, "not run"
    mean, low, high = (100 * x for x in (found.mean, found.low, found.high))
    said = f"{mean:+.1f} " + ("(one seed)" if found.pairs < 2 else f"[{low:+.1f}, {high:+.1f}]")
    return Difference(mean, low, high, found.pairs), said


def _equal_where_equivariant(rows: Rows) -> tuple[str, str]:
    pairs = {"turns": ("C4, structured", "C4, moved")}
    pairs |= {
        f"shifts, distance {d}": (f"torus, structured, distance {d}", f"torus, moved, distance {d}") for d in range(4)
    }
    gaps = {name: _points(rows, *pair) for name, pair in pairs.items()}
    found = {name: (gap, said) for name, (gap, said) in gaps.items() if gap}
    text = "points: " + ", ".join(f"{name} {said}" for name, (_, said) in found.items())
    return text, reproduced(all(abs(gap.mean) < 6 for gap, _ in found.values()))


def _fails_without(one: str, other: str, most: float, rows: Rows) -> tuple[str, str]:
    """Judge both kinds of views on the network without the structure."""
    gap, said = _points(rows, one, other)
    return f"{said} points", reproduced(gap is not None and gap.mean < most)


def _no_difference(rows: Rows) -> tuple[str, str]:
    gaps = {name: _points(rows, "structured", "moved", data=name) for name in REAL}
    text = "points: " + ", ".join(f"{name} {said}" for name, (_, said) in gaps.items())
    clear = any(gap is None or gap.low > 0 or gap.high < 0 for gap, _ in gaps.values())
    return text, "a difference" if clear else "no difference seen"


def _within_a_point(structure: str, rows: Rows) -> tuple[str, str] | None:
    """Judge whether the interval of the difference lies within 1.5 points of 0 on both sets (the paper: equal)."""
    names = [name for name in ("fashion", "cifar10") if select(rows, data=f"{name}, {structure}")]
    gaps = {name: _points(rows, "structured", "moved", data=f"{name}, {structure}") for name in names}
    found = {name: (gap, said) for name, (gap, said) in gaps.items() if gap}
    if not found:
        return None
    text = "points: " + ", ".join(f"{name} {said}" for name, (_, said) in found.items())
    if len(found) < 2 or any(gap.pairs < 3 for gap, _ in found.values()):
        return text, OPEN
    if all(gap.low > -1.5 and gap.high < 1.5 for gap, _ in found.values()):
        return text, "reproduced"
    different = any(gap.low > 0 or gap.high < 0 for gap, _ in found.values())
    return text, "not reproduced" if different else "undecided: an interval is wider than 1.5 points"


def _best_inside(rows: Rows) -> tuple[str, str] | None:
    """Judge whether the best distance is neither the least nor the largest, by the means over three seeds."""
    scores = {d: by_seed(rows, "origin", variant=f"distance {d}, base size 1") for d, size in CURVES if size == 1}
    if not all(scores.values()):
        return None
    means = {distance: float(np.mean(list(found.values()))) for distance, found in scores.items()}
    said = ", ".join(f"{value:.3f} at {distance}" for distance, value in means.items())
    if min(map(len, scores.values())) < 3:
        return said, OPEN
    return said, reproduced(max(means, key=means.__getitem__) not in (min(means), max(means)))


CLAIMS = [
    Claim("turns: views in feature space train as well as augmentations where the network is equivariant", "abstract",
          "rotation", _equal_where_equivariant),
    Claim("shifts: the same", "abstract", "translation", _equal_where_equivariant),
    Claim("turns: they fail where it is not", "abstract", "rotation",
          partial(_fails_without, "plain, structured", "plain, moved", -15)),
    Claim("shifts: the same", "abstract", "translation",
          partial(_fails_without, "dense, structured, distance 3", "dense, moved, distance 3", 0)),
    Claim("the two do not differ on real data", "table 1", "real data", _no_difference),
    *(Claim(f"{structure}: the two are equal within 1.5 points", "table 1", "structures",
            partial(_within_a_point, structure)) for structure in moved.STRUCTURES),
    Claim("shifts: the two are equal within 1.5 points, five further seeds", "table 1", "second look",
          partial(_within_a_point, "shifts")),
    Claim("an inner distance of the views is best", "figure (not seen)", "curves", _best_inside),
    Claim("the losses differ by at most twice the equivariance error", "corollary", "bound", bound.below_the_bound),
]  # fmt: skip
SCORES = {"at the origin": "origin", "mean over the base": "mean"}
TABLES = [
    Table("Turned digits", "rotation",
          SCORES | {"invariance of the head": "invariance", "CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Shifted digits", "translation", SCORES | {"CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Real data", "real data", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("Structures", "structures", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("Shifts, further seeds", "second look", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("Distance and base size", "curves", SCORES, ("variant",)),
    Table("The bound", "bound",
          {"difference": "difference", "bound": "bound", "error at construction": "equivariance_error"},
          ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return both kinds of views with and without the structure, over their distance, and on images."""
    turned, shifted = select(rows, study="rotation"), select(rows, study="translation")
    kinds = {f"{net}, {kind}": f"{said}, {name}" for net, said in NETWORKS.items() for kind, name in KINDS.items()}
    torus = {f"torus, {kind}, distance {n}": f"{kind}, distance {n}" for n in range(4) for kind in MOVING}
    torus |= {f"dense, {kind}, distance 3": f"plain, {kind}, distance 3" for kind in MOVING}
    images = [
        (f"{data}, {kind}", sorted(by_seed(rows, "origin", study="structures", data=data, variant=kind).values()))
        for data in ("fashion, turns", "fashion, shifts", "cifar10, turns", "cifar10, shifts")
        for kind in MOVING
    ]
    strong = [
        name for name in (*kinds.values(), *torus.values(), *(name for name, _ in images)) if "structured" in name
    ]
    at_origin, over_base = "accuracy, one place", "accuracy, mean of places"
    return [
        Dots.of("digits, quarter turns", at_origin, turned, "origin", kinds, strong),
        Dots.of("digits, quarter turns", over_base, turned, "mean", kinds, strong),
        Dots.of("digits on a torus, shifts", at_origin, shifted, "origin", torus, strong),
        Dots("10,000 images, 10 epochs", at_origin, images, strong=strong),
    ]


NETWORKS, MOVING = {"C4": "equivariant", "plain": "plain"}, ("structured", "moved")
KINDS = {"structured": "structured", "moved": "moved", "frozen": "untrained"}
PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
