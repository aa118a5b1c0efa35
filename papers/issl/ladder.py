"""The ladder of table 1 and peers at equal steps, on images: recipes, runs, and gains over seeds and test rows."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
from pages import OPEN, reproduced
from rows import Difference, Row, Rows, paired, select
from scipy.stats import t
from scores import beside_untrained, features
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from train import plain_recipe, train_once

from isotropy.encoders import Encoder
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe

FAMILIES = {"contrastive": ("simclr", "cissl"), "distillation": ("dino", "dissl")}
RUNGS = ("base", "head", "dimension", "length", "coarser")
BEFORE = {**dict(zip(RUNGS[1:], RUNGS)), "mlp": "head"}
PUBLISHED = {
    "contrastive": {"head": 0.009, "dimension": 0.018, "length": 0.011, "coarser": 0.023},
    "distillation": {"head": 0.020, "dimension": 0.024, "length": 0.013, "coarser": 0.014},
}
WIDTH, WIDE, PROBE = 64, 256, (256, 256)
VIEWS = {"views.flip": 0.5, "views.scale": [0.2, 1.0], "views.jitter": [0.4, 0.4, 0.4, 0.1]}
COARSER = {
    "views.scale": [0.1, 1.0], "views.jitter": [0.8, 0.8, 0.8, 0.2], "views.blur": 0.5, "views.sigma": (0.1, 1.0)
}  # fmt: skip


def rung_recipe(family: str, rung: str, seed: int, wide: type[Encoder]) -> Recipe:
    """Return the recipe of a rung: that of the one before with one thing changed; `wide` is the encoder of `WIDE`."""
    method = FAMILIES[family][rung != "base"]
    place = RUNGS.index(rung) if rung in RUNGS else 1
    settings: dict[str, Any] = {"encoder": wide} if place > 1 else {"encoder.width": WIDTH}
    settings |= VIEWS | {"encoder.stem": 8, "train.batch_size": 128, "train.seed": seed}
    settings |= {"train.epochs": 15.0 if place >= RUNGS.index("length") else 6.0}
    settings |= {"method.projector": [1024, 128], "method.temperature": 0.2} if method == "simclr" else {}
    settings |= {"method.student_hidden": list(PROBE)} if rung == "mlp" else {}
    return plain_recipe(method, "image").changed(settings | (COARSER if rung == "coarser" else {}))


def _fixed_mlp(prepared: Prepared) -> float:
    """Return the accuracy of an MLP probe of fixed settings."""
    x, y, x_test, y_test = features(prepared)
    scaler = StandardScaler().fit(x)
    model = MLPClassifier(PROBE, alpha=1e-3, max_iter=60, n_iter_no_change=60, random_state=0)
    return float(model.fit(scaler.transform(x), y).score(scaler.transform(x_test), y_test))


def on_fashion(recipe: Recipe, rung: str, folder: Path | None, quick: bool) -> Row:
    """Train a rung on Fashion-MNIST and return its scores."""
    made = train_once(recipe, sets.fashion(folder), quick=quick)
    more = {"mlp": _fixed_mlp(made.prepared)} if rung in ("head", "mlp") else {}
    return made.row | beside_untrained(made.prepared) | more


def long_recipe(family: str, rung: str, seed: int, wide: type[Encoder]) -> Recipe:
    """Return a rung's recipe at greater length."""
    epochs = 30.0 if RUNGS.index(rung if rung in RUNGS else "head") >= RUNGS.index("length") else 10.0
    return rung_recipe(family, rung, seed, wide).changed({"train.epochs": epochs})


def on_cifar(recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    """Train on 5000 images of CIFAR-10; the row says which of the 10,000 test images a linear probe gets right."""
    made = train_once(recipe, sets.cifar10(folder, 5000, 10_000), quick=quick)
    found = beside_untrained(made.prepared)
    return made.row | found | {"rows": packed(found["right linear"])}


def packed(right: Any) -> str:
    """Return which rows were right as text: 3% of the bytes of a list."""
    return b64encode(np.packbits(np.asarray(right)[:, 0] > 0).tobytes()).decode()


def unpacked(text: str) -> Any:
    """Return what `packed` wrote, as 0 and 1, filled up to whole bytes with 0."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8)).astype(float)


# Peers at equal steps, with several crops: two large views and four small ones.
CROPS: dict[str, Any] = {"views.crops": [{"count": 4, "size": 18, "scale": [0.08, 0.5]}]}
BUDGET_PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "simclr": ("simclr", {"method.projector": [1024, 128], "method.temperature": 0.2}),
    "cissl": ("cissl", {}),
    "dino": ("dino", {}),
    "dissl": ("dissl", {}),
    "swav": ("swav", {}),
    "swav, crops": ("swav", CROPS),
    "dissl, crops": ("dissl", CROPS),
}


def peer_recipe(variant: str, seed: int) -> Recipe:
    """Return the recipe of one of the peers at equal steps."""
    method, more = BUDGET_PEERS[variant]
    settings = VIEWS | {"encoder.stem": 8, "encoder.width": WIDTH, "train.batch_size": 128, "train.seed": seed}
    return plain_recipe(method, "image").changed(settings | {"train.epochs": 20.0} | more)


def paired_rows(rows: Rows, one: str, other: str, data: str) -> Difference | None:
    """Return the mean difference over common seeds and test rows, with an interval for new seeds and new rows.

    Both are drawn: the variance is that of seeds over their number, plus that of rows over theirs, less what each holds
    of the other's noise (a two-way layout with one value a cell); t with as many degrees of freedom as seeds less one.
    """
    first, second = ({r["seed"]: unpacked(r["rows"]) for r in select(rows, variant=v, data=data)} for v in (one, other))
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    gaps = np.stack([first[seed] - second[seed] for seed in seeds])
    center, (count, size) = float(gaps.mean()), gaps.shape
    if count < 2:
        return Difference(center, -np.inf, np.inf, 1)
    by_row, by_run = gaps.mean(axis=0), gaps.mean(axis=1)
    left = gaps - by_row - by_run[:, None] + center
    noise = float((left**2).sum() / ((count - 1) * (size - 1))) / (count * size)
    variance = max(by_run.var(ddof=1) / count, noise) + max(by_row.var(ddof=1) / size, noise) - noise
    half = float(t.ppf(0.975, count - 1) * variance**0.5)
    return Difference(center, center - half, center + half, count)


def longer_gains(family: str, rung: str, rows: Rows) -> tuple[str, str] | None:
    """Judge a rung beside the one before by seeds and test rows."""
    return _told(paired_rows(rows, f"{family}, {rung}", f"{family}, {BEFORE[rung]}", "cifar10"), 5)


def within_budget(one: str, other: str, rows: Rows) -> tuple[str, str] | None:
    """Judge one of the peers beside another by seeds and test rows."""
    return _told(paired_rows(rows, one, other, "cifar10"), 3)


def _told(gain: Difference | None, seeds: int) -> tuple[str, str] | None:
    """Judge a gain by its interval, which says nothing where it holds 0 and is wider than a point either way."""
    if gain is None:
        return None
    if gain.pairs < seeds:
        return str(gain), OPEN
    undecided = gain.low <= 0 <= gain.high and gain.high - gain.mean > 0.01
    return str(gain), "undecided: wider than a point either way" if undecided else reproduced(gain.low > 0)


def rung_gains(family: str, rung: str, rows: Rows) -> tuple[str, str] | None:
    """Judge a rung of the ladder beside the one before."""
    kind = "mlp" if rung == "mlp" else "linear"
    gain = paired(rows, f"{family}, {rung}", f"{family}, {BEFORE[rung]}", kind)
    if gain is None:
        return None
    published = PUBLISHED[family].get(rung)
    said = f"{gain}" + (f" (published, on TinyImageNet: +{published:.3f})" if published else "")
    if gain.pairs < 3:
        return said, OPEN
    return said, reproduced(gain.low > 0) + (" (the interval contains 0)" if gain.low <= 0 <= gain.high else "")
