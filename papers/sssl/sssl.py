"""Views in feature space against the same transformations of the input, on digits and real data; the bound."""

import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from figures import Dots
from runner import Claim, Difference, Paper, Row, Rows, Run, Table, by_seed, reproduced, select

from isotropy.data import Data
from isotropy.encoders import C4CNN, DilationCNN, ScaleCNN
from isotropy.encoders.equivariant.equivariant import Equivariant
from isotropy.encoders.equivariant.space import Rotations, Scales, Translations, act
from isotropy.evaluation import linear_probe
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.views.equivariant import Offsets

TRAIN, ROWS = 1300, 10_000


class _CalledMap(Equivariant):
    """A network without the structure: its output is cut into pieces that are called positions of a base space."""

    modality, width, fibre_width, read = "image", 32, 32, 1

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


# Data: upright or centred training rows, and test rows that are turned or shifted


def _turned(images: Any, seed: int) -> Any:
    turns = np.random.default_rng(seed).integers(4, size=len(images))
    return np.stack([act(torch.from_numpy(image), int(k)).numpy() for image, k in zip(images, turns)])


def _rolled(rows: Any, most: int, axes: tuple[int, ...], seed: int) -> Any:
    """Return the rows shifted round their ends: by up to 3 either way, or by anything up to their length."""
    low, high = (-3, 4) if most == 3 else (0, most)
    shifts = np.random.default_rng(seed).integers(low, high, size=(len(rows), len(axes)))
    return np.stack([np.roll(row, tuple(map(int, shift)), axes) for row, shift in zip(rows, shifts)])


def _resized(images: Any, seed: int) -> Any:
    """Return the images shrunk by 2, as they are, or stretched by 2, about their middle."""
    base, x = Scales(3, axes=2), torch.from_numpy(images).float()
    levels = torch.from_numpy(np.random.default_rng(seed).integers(3, size=(len(images), 1)))
    shown = x if x.dim() == 4 else x.unsqueeze(1)
    moved = torch.cat([base.transformed(part, level, 1) for part, level in zip(shown.split(512), levels.split(512))])
    return moved.view_as(x).round().clamp(0, 255).byte().numpy()


def _shifted(images: Any, seed: int) -> Any:
    """Return the images shifted round their ends by whole positions of the feature map: of 4 pixels."""
    shifts = 4 * np.random.default_rng(seed).integers(images.shape[-1] // 4, size=(len(images), 2))
    return np.stack([np.roll(image, tuple(map(int, shift)), (-2, -1)) for image, shift in zip(images, shifts)])


@cache
def _images(name: str, folder: Path | None) -> tuple[Any, Any, Any, Any]:
    """Return training and test images of Fashion-MNIST or CIFAR-10 with their labels."""
    if name == "cifar10":
        file = sets.path(folder, "cifar10_jpeg.npz")
        held, x, x_test = np.load(file), sets.jpegs(file, "train", ROWS), sets.jpegs(file, "test", 10_000)
    else:
        held = np.load(sets.path(folder, "fashion_mnist.npz"))
        x, x_test = held["X_train"][:ROWS], held["X_test"]
    return x, held["y_train"][:ROWS], x_test, held["y_test"]


def _rows(name: str, folder: Path | None, seed: int) -> Data:
    if name in ("rotation", "translation"):
        x, y = sets.digit_pixels(), load_digits().target
        order = np.random.default_rng(seed).permutation(len(y))
        train, test = order[:TRAIN], order[TRAIN:]
        if name == "rotation":
            return sets.parts(x[train], y[train], _turned(x[test], 100 + seed), y[test])
        x = _rolled(np.pad(x, ((0, 0), (2, 2), (2, 2))), 3, (0, 1), 200 + seed)
        return sets.parts(x[train], y[train], x[test], y[test])
    if name == "har":
        held = np.load(sets.path(folder, "uci_har.npz"))
        moved = _rolled(held["X_test"], 128, (1,), seed)
        return sets.parts(held["X_train"], held["y_train"], moved, held["y_test"], modality="series")
    kind, _, structure = name.partition(", ")
    x, y, x_test, y_test = _images(kind, folder)
    return sets.parts(x, y, STRUCTURES[structure or "turns"][1](x_test, seed), y_test)


# Training and scores


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
    y, y_test = (prepared.data.labels[part] for part in (prepared.train, prepared.test))
    return {
        name: round(linear_probe(x, y, x_test, y_test, metric="accuracy").score, 4)
        for name, (x, x_test) in found.items()
    }


def _trained(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train with the recipe's views, or with none, and return the scores."""
    rows = _rows(name, folder, recipe.train.seed)
    if "name" not in recipe.views:
        return {"epochs": 0, "cpu_seconds": 0.0} | _scores(prepare(recipe, rows))
    made = runner.train_once(recipe, rows, quick=quick)
    return made.row | _scores(made.prepared)


@torch.no_grad()
def _bound(name: str, seed: int, quick: bool) -> Row:
    """Return both losses, their difference, and twice the mean distance of the unit vectors."""
    x = torch.from_numpy(load_digits().images[:512]).float()
    x = (x - x.mean()) / x.std()
    if name.startswith("speeds"):
        x = F.interpolate(x, size=128, mode="linear", align_corners=False)
    else:
        x = F.interpolate(x.unsqueeze(1), size=(32, 32), mode="bilinear", align_corners=False)
    torch.manual_seed(seed)
    encoder: Any = BOUNDS[name]().train()
    for rows in x.split(len(x) // 20):
        encoder.fibres(rows)
    encoder.eval()
    base, origin = encoder.base, encoder.base.origin(1).expand(len(x), -1)
    offsets, maps = Offsets(base)(torch.arange(len(x)), seed=seed, pass_=0), encoder.fibres(x)
    read = [F.normalize(base.crop(maps, offset, 1), dim=1) for offset in offsets]
    moved = [F.normalize(base.crop(encoder.fibres(base.transformed(x, o, 1)), origin, 1), dim=1) for o in offsets]
    structured, of_input = (-float((a * b).sum(dim=1).mean()) for a, b in (read, moved))
    return {
        "loss_structured": round(structured, 5),
        "loss_moved": round(of_input, 5),
        "difference": round(abs(structured - of_input), 7),
        "bound": round(sum(float((a - b).norm(dim=1).mean()) for a, b in zip(read, moved)), 7),
        "equivariance_error": float(f"{encoder.equivariance_error:.2g}"),
    }


BOUNDS: dict[str, Callable[[], nn.Module]] = {
    "quarter turns (exact)": lambda: C4CNN(channels=1, size=(32, 32)),
    "sizes, 3 levels": lambda: ScaleCNN(channels=1, size=(32, 32)),
    "speeds, 3 levels": lambda: DilationCNN(channels=8, length=128),
}
# Structure -> its network, and how test images are moved.
STRUCTURES: dict[str, tuple[str, Callable[[Any, int], Any]]] = {
    "turns": ("c4_cnn", _turned),
    "shifts": ("cyclic_cnn", _shifted),
    "sizes": ("scale_cnn", _resized),
}
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
COMMON = {"method.temperature": 0.2, "train.batch_size": 256, "optim.lr": 1e-3}
ON_DIGITS = COMMON | {
    "method.projector": [64, 32], "optim.name": "adam", "optim.weight_decay": 0.0, "optim.warmup": 0.0,
    "train.epochs": 30.0, "train.precision": "float32",
}  # fmt: skip


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""

    def trained(study: str, data: str, variant: str, modality: str, settings: dict[str, Any]) -> Run:
        recipe = Recipe.default("simclr", modality).changed(settings | {"train.seed": seed})
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
            distance = {"views.distance": 4} if name == "har" else {}
            yield trained("real data", name, views, modality, base | {"views.name": views} | distance)
    for name in ("fashion", "cifar10"):
        for structure, (network, _) in STRUCTURES.items():
            base = COMMON | {"method.projector": [256, 64], "encoder": network} | LONGER
            for views in ("frozen", "structured", "moved"):
                settings = base | ({} if views == "frozen" else {"views.name": views})
                yield trained("structures", f"{name}, {structure}", views, "image", settings)
    base = COMMON | {"method.projector": [256, 64], "encoder": "cyclic_cnn", "views.name": "structured"} | LONGER
    for distance, size in CURVES:
        settings = base | {"views.distance": distance, "encoder.read": size}
        yield trained("curves", "fashion, shifts", f"distance {distance}, base size {size}", "image", settings)
    for name in BOUNDS:
        yield Run("bound", "digits", name, seed, partial(_bound, name, seed), name)


# Criteria


def _points(rows: Rows, one: str, other: str, **values: Any) -> tuple[Difference | None, str]:
    """Return the paired difference at the origin in points, and as text."""
    found = runner.paired(rows, one, other, "origin", **values)
    if found is None:
        return None, "not run"
    mean, low, high = (100 * x for x in (found.mean, found.low, found.high))
    return Difference(mean, low, high, found.pairs), f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


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
        return text, "open: seeds are missing"
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
        return said, "open: seeds are missing"
    return said, reproduced(max(means, key=means.__getitem__) not in (min(means), max(means)))


def _below_the_bound(rows: Rows) -> tuple[str, str]:
    inexact = [row for row in rows if not row["variant"].startswith("quarter")]
    ends = [f"{min(r[n] for r in inexact):.3f} to {max(r[n] for r in inexact):.3f}" for n in ("difference", "bound")]
    holds = all(row["difference"] <= row["bound"] + 1e-6 for row in rows)
    return f"{ends[0]} against {ends[1]}; 0 for turns", "holds" if holds else "does not hold"


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
            partial(_within_a_point, structure)) for structure in STRUCTURES),
    Claim("an inner distance of the views is best", "figure (not seen)", "curves", _best_inside),
    Claim("the losses differ by at most twice the equivariance error", "corollary", "bound", _below_the_bound),
]  # fmt: skip
SCORES = {"at the origin": "origin", "mean over the base": "mean"}
TABLES = [
    Table("Turned digits", "rotation",
          SCORES | {"invariance of the head": "invariance", "CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Shifted digits", "translation", SCORES | {"CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Real data", "real data", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("Structures", "structures", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("Distance and base size", "curves", SCORES, ("variant",)),
    Table("The bound", "bound",
          {"difference": "difference", "bound": "bound", "error at construction": "equivariance_error"},
          ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return both kinds of views with and without the structure, and over the distance of the views."""
    turned, shifted = select(rows, study="rotation"), select(rows, study="translation")
    kinds = {f"{net}, {kind}": f"{said}, {kind}" for net, said in NETWORKS.items() for kind in KINDS}
    torus = {f"torus, {kind}, distance {n}": f"{kind}, distance {n}" for n in range(4) for kind in KINDS[:2]}
    strong = ["equivariant, structured", *(f"structured, distance {n}" for n in range(4))]
    return [
        runner.dots("digits, quarter turns", "accuracy", turned, "mean", kinds, strong),
        runner.dots("digits on a torus, shifts", "accuracy", shifted, "mean", torus, strong),
    ]


NETWORKS, KINDS = {"C4": "equivariant", "plain": "plain"}, ("structured", "moved", "frozen")
PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
