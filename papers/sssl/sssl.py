"""Views in feature space against the same transformations of the input (Keller, Suau, Zappella, TMLR 2023, 2211.08282).

    python papers/sssl/sssl.py --data DIR

"rotation" and "translation": SimCLR on scikit-learn's digits for 30 epochs. Rotation: upright training digits, test
digits turned at random, a network that is equivariant to quarter turns. Translation: digits on a torus of 12 x 12
pixels shifted by up to 3, a network equivariant to cyclic shifts, over the distance of the views (in positions of 2
pixels) and the size of a view ("base size"). Beside each a network without the structure, whose output is merely
called a map. "structured" reads both views from one feature map, "moved" transforms the input; nothing else differs.
1300 training and 497 test digits. "origin" is a linear probe of one fibre, "mean" one of the mean over the base
space.

"real data": 10,000 images of Fashion-MNIST and of CIFAR-10 (6 epochs, test images turned) and HAR (20 epochs, views 4
positions apart, test windows shifted round their end).

"bound", the corollary: where both sides of the equivariance differ by at most e, |L_A - L_H| <= Lip(loss) * 2 e. The
loss is the negative cosine; networks as drawn, in eval mode after 20 batches in train mode, an exact group beside.

Criteria: the two kinds are equal where their mean difference is below 6 points; removing the structure hurts where it
costs more than 15 points (turns) or anything (shifts). Three seeds.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner import Claim, Difference, Row, Rows, Run, Table, block, by_seed, main, paired, reproduced

import data as sets
from isotropy.data import ArrayDataset, ImagePreprocess, SeriesPreprocess
from isotropy.encoders import C4CNN, CyclicCNN, CyclicSeriesCNN, DilationCNN, ScaleCNN
from isotropy.encoders.equivariant.space import BaseSpace, Rotations, Translations, act
from isotropy.evaluation import linear_probe
from isotropy.methods import SimCLR
from isotropy.training import Optim, fit
from isotropy.views import MovedViews, StructuredViews
from isotropy.views.equivariant import Offsets

Split = tuple[Tensor, Any, Tensor, Any]
TRAIN, ROWS, BATCH = 1300, 10_000, 256
VIEWS: dict[str, Any] = {"structured": StructuredViews, "moved": MovedViews}


class Tensors:
    """Rows that are input already, as a data set for `fit`."""

    modality = "image"

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Tensor:
        """Return the rows `index`."""
        return self.rows[index]

    def to_input(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows


class CalledMap(nn.Module):
    """A network without the structure: its output is cut into pieces that are called positions of a base space."""

    def __init__(self, network: nn.Module, base: BaseSpace, width: int) -> None:
        super().__init__()
        self.network, self.base, self.width, self.read = network, base, width, 1

    def fibres(self, x: Tensor) -> Tensor:
        """Return (B, width, *base.shape)."""
        maps: Tensor = self.network(x).unflatten(1, (self.width, *self.base.shape))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return what is at the origin."""
        return self.base.crop(self.fibres(x), self.base.origin(1).expand(len(x), -1), 1)


def plain_rotation() -> nn.Module:
    """Return an ordinary network with as many channels, called four turns of 32 fields."""
    layers: list[nn.Module] = []
    for before, after in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    layers.insert(3, nn.MaxPool2d(2))
    return CalledMap(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), Rotations(mirrors=False), 32)


def plain_translation() -> nn.Module:
    """Return two dense layers whose output is called a map of 32 channels at 6 x 6 positions."""
    layers = (nn.Flatten(), nn.Linear(144, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 32 * 36))
    return CalledMap(nn.Sequential(*layers), Translations((6, 6), stride=2), 32)


def c4() -> nn.Module:
    """Return a network that is equivariant to quarter turns."""
    return C4CNN(channels=1, size=(8, 8), width=32, read=1)


def cyclic(read: int = 1) -> nn.Module:
    """Return a network that is equivariant to cyclic shifts by 2 pixels: 32 channels at 6 x 6 positions."""
    return CyclicCNN(channels=1, size=(12, 12), width=32, halvings=1, read=read)


# Data


def digits(part: str, seed: int) -> Split:
    """Return upright and turned digits, or shifted digits on a torus, with their labels."""
    content = load_digits()
    order = np.random.default_rng(seed).permutation(len(content.target))
    train, test, y = order[:TRAIN], order[TRAIN:], content.target
    x = torch.from_numpy(content.images).float().unsqueeze(1)
    x = (x - x[train].mean()) / x[train].std()
    if part == "rotation":
        turns = np.random.default_rng(100 + seed).integers(4, size=len(test))
        return x[train], y[train], torch.stack([act(image, int(k)) for image, k in zip(x[test], turns)]), y[test]
    x = F.pad(x, (2, 2, 2, 2), value=float(x.min()))
    shifts = np.random.default_rng(200 + seed).integers(-3, 4, size=(len(x), 2))
    x = torch.stack([image.roll((int(a), int(b)), (1, 2)) for image, (a, b) in zip(x, shifts)])
    return x[train], y[train], x[test], y[test]


def real(name: str, folder: Path | None, seed: int) -> tuple[Any, Split]:
    """Return the preprocessing, and training rows with transformed test rows, stored."""
    if name == "har":
        content = np.load(sets.path(folder, "uci_har.npz"))
        shifts = np.random.default_rng(seed).integers(128, size=len(content["X_test"]))
        moved = np.stack([np.roll(window, int(s), axis=-1) for window, s in zip(content["X_test"], shifts)])
        x, x_test = torch.from_numpy(content["X_train"]).float(), torch.from_numpy(moved).float()
        y, y_test, kind = content["y_train"], content["y_test"], SeriesPreprocess
    else:
        if name == "cifar10":
            file = sets.path(folder, "cifar10_jpeg.npz")
            images, tests = sets.jpegs(file, "train", ROWS), sets.jpegs(file, "test", 10_000)
            content = np.load(file)
        else:
            content = np.load(sets.path(folder, "fashion_mnist.npz"))
            images, tests = content["X_train"][:ROWS, None], content["X_test"][:, None]
        y, y_test, kind = content["y_train"][:ROWS], content["y_test"], ImagePreprocess
        turns = np.random.default_rng(seed).integers(4, size=len(tests))
        x = torch.from_numpy(np.ascontiguousarray(images))
        x_test = torch.stack([act(image, int(k)) for image, k in zip(torch.from_numpy(tests), turns)])
    learnt: Any = kind.learn(x)
    return learnt, (learnt.transform(x), y, learnt.transform(x_test), y_test)


# Training and scores


@torch.no_grad()
def scores(encoder: Any, split: Split, to_input: Callable[[Tensor], Tensor]) -> Row:
    """Return the linear accuracy of what is at the origin and of the mean over the base space."""
    encoder.eval()
    x, y, x_test, y_test = split
    found: dict[str, list[Any]] = {"origin": [], "mean": []}
    for rows in (x, x_test):
        maps = torch.cat([encoder.fibres(to_input(some)) for some in rows.split(512)])
        found["origin"].append(encoder.base.crop(maps, encoder.base.origin(1).expand(len(maps), -1), 1).numpy())
        found["mean"].append(maps.flatten(2).mean(dim=2).numpy())
    return {name: round(linear_probe(a, y, b, y_test).score, 4) for name, (a, b) in found.items()}


@torch.no_grad()
def invariance(method: Any, x: Tensor) -> float:
    """Return the mean cosine between the projections of an image and of its turned copies, centred."""
    method.eval()
    base, origin = method.encoder.base, method.encoder.base.origin(1).expand(len(x), -1)
    z = torch.stack([method.projector(base.crop(method.encoder.fibres(act(x, k)), origin, 1)) for k in range(4)])
    unit = F.normalize(z - z.mean(dim=(0, 1)), dim=2)
    return round(float((unit[1:] * unit[:1]).sum(dim=2).mean()), 4)


def trained(method: SimCLR, rows: Any, views: str, optim: Optim, options: Row, **train: Any) -> Row:
    """Train with one kind of views, or with none; return loss and CPU seconds."""
    encoder: Any = method.encoder
    begin, loss = process_time(), None
    if views:
        maker = VIEWS[views](base=encoder.base, base_size=encoder.read or 1, **options)
        for step in fit(method, rows, maker, optim=optim, batch_size=BATCH, **train):
            loss = round(step.loss, 4)
    return {"cpu_seconds": round(process_time() - begin, 1), "loss": loss}


def on_digits(part: str, make: Any, views: str, lr: float, options: Row, seed: int, quick: bool) -> Row:
    """Train one network on digits and return its scores."""
    split = digits(part, seed)
    torch.manual_seed(seed)
    method = SimCLR(make(), projector=(64, 32), temperature=0.2)
    optim = Optim(name="adam", lr=lr, weight_decay=0.0, warmup=0.0)
    length = {"epochs": 1 if quick else 30, "seed": seed, "precision": "float32"}
    row = trained(method, Tensors(split[0]), views, optim, options, **length) | scores(
        method.encoder, split, lambda x: x
    )
    turned = isinstance(method.encoder.base, Rotations)
    return row | {"invariance": invariance(method, split[2]) if turned else None}


REAL: dict[str, tuple[Callable[[], nn.Module], float, Row]] = {
    "fashion": (lambda: C4CNN(channels=1, size=(28, 28)), 6, {}),
    "cifar10": (lambda: C4CNN(channels=3, size=(32, 32)), 6, {}),
    "har": (lambda: CyclicSeriesCNN(channels=9, length=128), 20, {"distance": 4}),
}


def on_real_data(name: str, views: str, folder: Path | None, seed: int, quick: bool) -> Row:
    """Train one network on real data and return its scores."""
    make, epochs, options = REAL[name]
    learnt, split = real(name, folder, seed)
    torch.manual_seed(seed)
    method = SimCLR(make(), projector=(256, 64), temperature=0.2)
    dataset = ArrayDataset(split[0], learnt)
    length = {"epochs": 0.05 if quick else epochs, "seed": seed}
    row = trained(method, dataset, views, Optim(name="adamw", lr=1e-3), options, **length)
    return {"epochs": length["epochs"] if views else 0} | row | scores(method.encoder, split, learnt.to_input)


@torch.no_grad()
def bound(name: str, seed: int, quick: bool) -> Row:
    """Return both losses, their difference, and twice the mean distance of the unit vectors."""
    x = torch.from_numpy(load_digits().images[:512]).float()
    x = (x - x.mean()) / x.std()
    if name.startswith("speeds"):
        x = F.interpolate(x, size=128, mode="linear", align_corners=False)
    else:
        x = F.interpolate(x.unsqueeze(1), size=(32, 32), mode="bilinear", align_corners=False)
    torch.manual_seed(seed)
    encoder: Any = BOUNDS[name]()
    encoder.train()
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


def digit_cases() -> Iterator[tuple[str, str, Any, str, float, Row]]:
    """Return study, variant, network, views, rate and options of the views."""
    for network, make in (("C4", c4), ("plain", plain_rotation)):
        for views in ("", "moved", "structured"):
            yield "rotation", f"{network}, {views or 'frozen'}", make, views, 2e-3, {}
    yield "translation", "torus, frozen", cyclic, "", 3e-3, {}
    for views in ("moved", "structured"):
        for distance in (0, 1, 2, 3):
            yield "translation", f"torus, {views}, distance {distance}", cyclic, views, 3e-3, {"distance": distance}
        for size in (2, 3):
            variant = f"torus, {views}, distance 1, base size {size}"
            yield "translation", variant, partial(cyclic, size), views, 3e-3, {"distance": 1}
    for views in ("", "moved", "structured"):
        variant = f"dense, {views}, distance 3" if views else "dense, frozen"
        yield "translation", variant, plain_translation, views, 3e-3, {"distance": 3} if views else {}


def runs(folder: Path | None, seeds: int) -> Iterator[Run]:
    """Return all runs."""
    for seed in range(seeds):
        for study, variant, make, views, lr, options in digit_cases():
            settings = f"{variant} {lr} {options} {TRAIN} {BATCH}"
            yield Run(
                study, "digits", variant, seed, partial(on_digits, study, make, views, lr, options, seed), settings
            )
        for name, (_, epochs, options) in REAL.items():
            for views in ("frozen", "structured", "moved"):
                make = partial(on_real_data, name, "" if views == "frozen" else views, folder, seed)
                yield Run("real data", name, views, seed, make, f"{name} {views} {epochs} {options} {ROWS} {BATCH}")
        for name in BOUNDS:
            yield Run("bound", "digits", name, seed, partial(bound, name, seed), name)


# Criteria


def points(rows: Rows, one: str, other: str, column: str = "origin", **values: Any) -> Difference | None:
    """Return the paired difference in points."""
    found = paired(*(by_seed(rows, column, variant=name, **values) for name in (one, other)))
    return found and Difference(100 * found.mean, 100 * found.low, 100 * found.high, found.pairs)


def said(gap: Difference | None) -> str:
    """Return a difference in points."""
    return f"{gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]" if gap else "not run"


def equal_where_equivariant(rows: Rows) -> tuple[str, str]:
    """Judge both kinds of views on the equivariant network."""
    pairs = {"turns": ("C4, structured", "C4, moved")}
    pairs |= {
        f"shifts, distance {d}": (f"torus, structured, distance {d}", f"torus, moved, distance {d}") for d in range(4)
    }
    gaps = {name: points(rows, *pair) for name, pair in pairs.items()}
    gaps = {name: gap for name, gap in gaps.items() if gap}
    text = "points: " + ", ".join(f"{name} {said(gap)}" for name, gap in gaps.items())
    return text, reproduced(all(gap is not None and abs(gap.mean) < 6 for gap in gaps.values()))


def fails_without(one: str, other: str, most: float, rows: Rows) -> tuple[str, str]:
    """Judge both kinds on the network without the structure."""
    gap = points(rows, one, other)
    return f"{said(gap)} points", reproduced(gap is not None and gap.mean < most)


def no_difference(rows: Rows) -> tuple[str, str]:
    """Say how the two differ on real data."""
    gaps = {name: points(rows, "structured", "moved", data=name) for name in REAL}
    text = "points: " + ", ".join(f"{name} {said(gap)}" for name, gap in gaps.items())
    clear = any(gap is None or gap.low > 0 or gap.high < 0 for gap in gaps.values())
    return text, "a difference" if clear else "no difference seen"


def below_the_bound(rows: Rows) -> tuple[str, str]:
    """Judge the corollary."""
    inexact = [row for row in rows if not row["variant"].startswith("quarter")]
    ends = [f"{min(r[n] for r in inexact):.3f} to {max(r[n] for r in inexact):.3f}" for n in ("difference", "bound")]
    holds = all(row["difference"] <= row["bound"] + 1e-6 for row in rows)
    return f"{ends[0]} against {ends[1]}; 0 for turns", "holds" if holds else "does not hold"


CLAIMS = [
    Claim("turns: views in feature space train as well as augmentations where the network is equivariant", "abstract",
          "rotation", equal_where_equivariant),
    Claim("shifts: the same", "abstract", "translation", equal_where_equivariant),
    Claim("turns: they fail where it is not", "abstract", "rotation",
          partial(fails_without, "plain, structured", "plain, moved", -15)),
    Claim("shifts: the same", "abstract", "translation",
          partial(fails_without, "dense, structured, distance 3", "dense, moved, distance 3", 0)),
    Claim("the two do not differ on real data", "table 1", "real data", no_difference),
    Claim("the losses differ by at most twice the equivariance error", "corollary", "bound", below_the_bound),
]  # fmt: skip
SCORES = {"at the origin": "origin", "mean over the base": "mean"}
TABLES = [
    Table("Turned digits", "rotation",
          SCORES | {"invariance of the head": "invariance", "CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Shifted digits", "translation", SCORES | {"CPU seconds": "cpu_seconds"}, ("variant",)),
    Table("Real data", "real data", SCORES | {"CPU seconds": "cpu_seconds"}),
    Table("The bound", "bound",
          {"difference": "difference", "bound": "bound", "error at construction": "equivariance_error"},
          ("variant",)),
]  # fmt: skip


def page(rows: Rows) -> str:
    """Return what stands in the README."""
    return block(rows, CLAIMS, TABLES)


if __name__ == "__main__":
    main(__file__, __doc__, runs, page)
