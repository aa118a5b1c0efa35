"""CISSL, DISSL and the theory of ideal representations: toys of the theorems, and the ladder of table 1."""

import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from functools import partial
from math import comb, log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.stats import t
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from figures import Dots
from measures import effective_dimension, invariance_ratio, unseen_mass, worst_invariant_task
from runner import Claim, Difference, Paper, Row, Rows, Run, Table, by_seed, mean, reproduced, select

from isotropy import rng
from isotropy.diagnostics import effective_rank
from isotropy.encoders import SmallResNet, wrap
from isotropy.evaluation import linear_probe, mlp_probe
from isotropy.methods import BYOL, CISSL, DISSL, Method, SimCLR
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.training import Optim, fit
from isotropy.views.multiview import MultiView

INPUTS, HIDDEN, HEAD, K, LABELS = 8, 128, 32, 10, (5, 10, 20, 40)
DISSL_HEADS: dict[str, Any] = {"num_categories": 64, "bottleneck_width": HEAD, "teacher_hidden": (HIDDEN,)}
MAKERS: dict[str, Callable[[nn.Module], Method]] = {
    "simclr": lambda f: SimCLR(f, projector=(HIDDEN, HEAD), temperature=0.2),
    "cissl": lambda f: CISSL(f, projector=(HIDDEN, HEAD), temperature=0.2),
    "dissl": lambda f: DISSL(f, **DISSL_HEADS),
    "byol": lambda f: BYOL(f, projector=(HIDDEN, HEAD), predictor_hidden=HIDDEN),
}
OPTIM = Optim(name="adam", lr=2e-3, weight_decay=0.0, warmup=0.0)


class _Flips:
    """Rows that are the centres of K orbits, 64 of each, and their views: the sign flipped at random, and noise."""

    modality, count = "table", 2

    def __init__(self, orbits: int, seed: int) -> None:
        directions = torch.randn(orbits, INPUTS, generator=torch.Generator().manual_seed(1000 + seed))
        self.centres = 2 * nn.functional.normalize(directions, dim=1)
        self.labels = torch.arange(64 * orbits) % orbits

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, index: Tensor) -> Tensor:
        return self.centres[self.labels[index]]

    def to_input(self, rows: Tensor) -> Tensor:
        return rows

    def __call__(self, dataset: Any, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        return MultiView(index, lambda: [self.view(index, rng.keys(seed, pass_, number, index)) for number in (0, 1)])

    def view(self, index: Tensor, keys: Any) -> Tensor:
        noise = rng.normals(rng.halves(keys, INPUTS + 1)).float()
        return noise[:, :1].sign() * self.batch(index) + 0.1 * noise[:, 1:]


class _Turns(_Flips):
    """Ten digits, one of each kind, in one of four quarter turns, and noise."""

    def __init__(self, orbits: int, seed: int) -> None:
        super().__init__(orbits, seed)
        images, kinds = load_digits(return_X_y=True)
        draw = np.random.default_rng(seed)
        chosen = [draw.permutation(np.flatnonzero(kinds == kind))[: orbits // 10] for kind in range(10)]
        pixels = torch.from_numpy(images[np.concatenate(chosen)]).float() / 16
        self.centres = 2 * nn.functional.normalize(pixels - pixels.mean(), dim=1)

    def view(self, index: Tensor, keys: Any) -> Tensor:
        noise = rng.normals(rng.halves(keys, 64, start=1)).float()
        images = self.batch(index).view(-1, 8, 8)
        turned = torch.stack([torch.rot90(images, quarter, (1, 2)) for quarter in range(4)])
        return turned[rng.integers(rng.bits(keys, 1)[:, 0], 4), torch.arange(len(index))].flatten(1) + 0.1 * noise


class _Skip(nn.Module):
    """A linear map plus one hidden layer."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.bent = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.bent(x)


def _toy(make: Any, rows: _Flips, width: int, steps: int, batch: int, seed: int, quick: bool) -> Any:
    """Return the method after its steps (the encoder alone without one), in eval mode.

    By `fit`: the views of a toy are its own, and `isotropy.train` takes views by name.
    """
    torch.manual_seed(seed)
    encoder = wrap(_Skip(rows.centres.shape[1], width), width=width)
    if make is None:
        return encoder.eval()
    method, epochs = make(encoder), (2 if quick else steps) / (len(rows) // batch)
    for _ in fit(method, rows, rows, optim=OPTIM, epochs=epochs, batch_size=batch, seed=seed, precision="float32"):
        pass
    return method.eval()


@torch.no_grad()
def _new_views(module: nn.Module, rows: _Flips) -> list[Tensor]:
    return rows(rows, torch.arange(len(rows)), seed=99, pass_=0).through(module)


def _halves(one: Tensor, rows: _Flips) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    half, y = len(rows) // 2, rows.labels
    return one[:half], y[:half], one[half:], y[half:]


def _heads(name: str, width: int, seed: int, quick: bool) -> Row:
    """Return which heads make the features themselves, and not their projection, linearly readable."""
    rows = _Flips(60, seed)
    one, other = _new_views(_toy(MAKERS[name], rows, width, 600, 128, seed, quick).encoder, rows)
    found = _gap(*_halves(one, rows), seed=seed)
    return _rounded(found | {"invariance": invariance_ratio(one, other), "rank": effective_rank(one)})


def _gap(*parts: Any, seed: int) -> Row:
    linear, mlp = (probe(*parts, metric="accuracy", seed=seed).score for probe in (linear_probe, mlp_probe))
    return {"linear": linear, "mlp": mlp, "gap": mlp - linear}


def _errors(train: Any, classes: Any, test: Any, test_classes: Any, *, seed: int) -> Row:
    """Return the mean error with n labels drawn at random, ten times, for each n of LABELS."""
    random, found = np.random.default_rng(seed), {}
    train, classes, test, test_classes = (np.asarray(part) for part in (train, classes, test, test_classes))
    for n in LABELS:
        scores = []
        for _ in range(10):
            rows = random.permutation(len(train))[:n]
            if len(np.unique(classes[rows])) == 1:  # nothing to fit: the one label there is
                scores.append(float(np.mean(test_classes == classes[rows[0]])))
            else:
                scores.append(
                    linear_probe(train[rows], classes[rows], test, test_classes, metric="accuracy", seed=seed).score
                )
        found[f"error_{n}"] = 1 - float(np.mean(scores))
    return found


def _rounded(row: Row) -> Row:
    return {name: round(float(value), 4) for name, value in row.items()}


def _labellings(width: int, seed: int, quick: bool) -> Row:
    """Return the fraction of all labellings in two of 8 points that some affine plane realises, and Cover's count."""
    orbits, count = 8, 0
    rows = np.column_stack([np.random.default_rng(seed).normal(size=(orbits, width)), np.ones(orbits)])
    for code in range(2 ** (orbits - 1)):  # a labelling and its opposite are realised together
        signs = np.where((code >> np.arange(orbits)) & 1, 1.0, -1.0)
        count += linprog(np.zeros(width + 1), -signs[:, None] * rows, -np.ones(orbits), bounds=(None, None)).status == 0
    cover = 2 * sum(comb(orbits - 1, i) for i in range(width + 1)) / 2**orbits
    return {"expected": cover, "found": count / 2 ** (orbits - 1)}


def _categories(weight: float, orbits: int, count: int, batch: int, steps: int, seed: int, quick: bool) -> Row:
    return _rounded(_codes(weight, orbits, count, batch, steps, seed, quick))


def _codes(weight: float, orbits: int, count: int, batch: int, steps: int, seed: int, quick: bool) -> Row:
    """Train DISSL and return what its teacher makes of a new view of every row."""
    rows = _Flips(orbits, seed)
    options = DISSL_HEADS | {"num_categories": count, "balance_weight": weight}
    method = _toy(lambda f: DISSL(f, **options), rows, 32, steps, batch, seed, quick)
    logits = _new_views(nn.Sequential(method.encoder, method.teacher), rows)[0] / method.temperature
    p = logits.double().softmax(dim=1)
    marginal = p.mean(dim=0)
    entropy = -float((marginal * marginal.clamp_min(1e-300).log()).sum())
    given = -float((p * p.clamp_min(1e-300).log()).sum(dim=1).mean())
    return {"used": len(p.argmax(dim=1).unique()), "marginal": entropy, "given": given}


# On either side of 1 + beta = 1.8, and the steps after which the imbalance of the categories is looked at.
THRESHOLD, EARLY = (1.5, 1.7, 1.9, 2.1), 60


def _threshold(weight: float, seed: int, quick: bool) -> Row:
    """Return how far the categories are from equally common, log C - H[M], at the start and early, and their number."""
    first, early, last = (_codes(weight, 20, 20, 128, steps, seed, quick) for steps in (1, EARLY, 1600))
    found = {"start": log(20) - first["marginal"], "early": log(20) - early["marginal"]}
    return {name: runner.short(value, ".3g") for name, value in found.items()} | {"used": last["used"]}


def _unseen(orbits: int, samples: int, seed: int, quick: bool) -> Row:
    """Return the error of an ideal representation after n labels beside the law."""
    seen = np.sort(np.random.default_rng(seed).integers(orbits, size=(20_000, samples)), axis=1)
    found = 1 - float(np.mean((np.diff(seen, axis=1) > 0).sum(axis=1) + 1)) / orbits
    return {"expected": unseen_mass(samples, orbits), "found": found}


def _conditions(kind: type[_Flips], name: str, width: int, seed: int, quick: bool) -> Row:
    """Train an encoder, or leave it as it is, and measure the three conditions."""
    rows = kind(K, seed)
    made = _toy(MAKERS.get(name), rows, width, 1000, 128, seed, quick)
    one, other = _new_views(made.encoder if name in MAKERS else made, rows)
    if name == "given":
        one = other = nn.init.orthogonal_(torch.empty(K, width))[rows.labels]
    parts = _halves(one, rows)
    found = _gap(*parts, seed=seed) | {"invariance": invariance_ratio(one, other)}
    found |= {"dimension": effective_dimension(one)} | worst_invariant_task(*parts, seed=seed)
    return {"width": width} | _rounded(found | _errors(*parts, seed=seed))


# The ladder

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


class _Expanded(SmallResNet):
    """A small residual network whose feature maps a bottleneck block widens before they are pooled.

    The block is 1x1, 3x3 (both as wide as the network) and 1x1 to `width`, with batch norm each and ReLU between; the
    maps, tiled along the channels, are added to its output before a last ReLU.
    """

    def __init__(self, *, channels: int, size: tuple[int, int], width: int = WIDE, stem: int = 8) -> None:
        super().__init__(channels=channels, size=size, width=WIDTH, stem=stem)
        first = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        nn.init.normal_(first.weight, std=WIDTH**-0.5)
        second, third = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.Conv2d(WIDTH, width, 1, bias=False)
        norms = [nn.BatchNorm2d(size) for size in (WIDTH, WIDTH, width)]
        self.block = nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU(), third, norms[2])
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        maps = self.layers(x)
        return torch.relu(self.block(maps) + maps.repeat(1, self.width // WIDTH, 1, 1)).mean(dim=(2, 3))


def _rung_recipe(family: str, rung: str, seed: int) -> Recipe:
    method = FAMILIES[family][rung != "base"]
    place = RUNGS.index(rung) if rung in RUNGS else 1
    settings: dict[str, Any] = {"encoder": _Expanded} if place > 1 else {"encoder.width": WIDTH}
    settings |= VIEWS | {"encoder.stem": 8, "train.batch_size": 128, "train.seed": seed}
    settings |= {"train.epochs": 15.0 if place >= RUNGS.index("length") else 6.0}
    settings |= {"method.projector": [1024, 128], "method.temperature": 0.2} if method == "simclr" else {}
    settings |= {"method.student_hidden": list(PROBE)} if rung == "mlp" else {}
    return Recipe.default(method, "image").changed(settings | (COARSER if rung == "coarser" else {}))


def _fixed_mlp(prepared: Prepared) -> float:
    """Return the accuracy of an MLP probe of fixed settings."""
    x, y, x_test, y_test = runner.features(prepared)
    scaler = StandardScaler().fit(x)
    model = MLPClassifier(PROBE, alpha=1e-3, max_iter=60, n_iter_no_change=60, random_state=0)
    return float(model.fit(scaler.transform(x), y).score(scaler.transform(x_test), y_test))


def _ladder(recipe: Recipe, rung: str, folder: Path | None, quick: bool) -> Row:
    made = runner.train_once(recipe, sets.fashion(folder), quick=quick)
    more = {"mlp": _fixed_mlp(made.prepared)} if rung in ("head", "mlp") else {}
    return made.row | runner.beside_untrained(made.prepared) | more


# The ladder on 5000 images of CIFAR-10, and which of the 10,000 test images each encoder gets right


def _long_recipe(family: str, rung: str, seed: int) -> Recipe:
    epochs = 30.0 if RUNGS.index(rung if rung in RUNGS else "head") >= RUNGS.index("length") else 10.0
    return _rung_recipe(family, rung, seed).changed({"train.epochs": epochs})


def _long(recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    made = runner.train_once(recipe, sets.cifar10(folder, 5000, 10_000), quick=quick)
    found = runner.beside_untrained(made.prepared)
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


def _peer_recipe(variant: str, seed: int) -> Recipe:
    method, more = BUDGET_PEERS[variant]
    settings = VIEWS | {"encoder.stem": 8, "encoder.width": WIDTH, "train.batch_size": 128, "train.seed": seed}
    return Recipe.default(method, "image").changed(settings | {"train.epochs": 20.0} | more)


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""
    for width in (4, 8):
        for name in ("simclr", "cissl", "dissl"):
            yield Run("heads", "flips", f"{name}, d = {width}", seed, partial(_heads, name, width, seed))
    for width in range(1, 8):
        yield Run("labellings", "theory", f"d = {width}", seed, partial(_labellings, width, seed))
    for study, weights, sizes in (
        ("categories", (2.3, 1.5, 0.9, 0.0), (20, 20, 128, 800)),
        ("softness", (2.3, 1.5), (200, 256, 32, 1200)),
    ):
        for weight in weights:
            yield Run(study, "flips", f"lambda = {weight}", seed, partial(_categories, weight, *sizes, seed))
    for orbits, samples in ((10, 5), (10, 20), (50, 50)):
        yield Run("labels", "theory", f"K = {orbits}, n = {samples}", seed, partial(_unseen, orbits, samples, seed))
    for data, kind in (("flips", _Flips), ("turns", _Turns)):
        for name in ("untrained", "given", "simclr", "cissl", "dissl", "byol"):
            for width in (4, 9, 16):
                make = partial(_conditions, kind, name, width, seed)
                yield Run("conditions", data, f"{name}, d = {width}", seed, make)
    for family in FAMILIES:
        for rung in (*RUNGS, "mlp"):
            recipe = _rung_recipe(family, rung, seed)
            make = partial(_ladder, recipe, rung, folder)
            yield Run("ladder", "fashion", f"{family}, {rung}", seed, make, recipe.to_toml())
    for weight in THRESHOLD:
        yield Run("threshold", "flips", f"lambda = {weight}", seed, partial(_threshold, weight, seed))
    for family in FAMILIES:
        for rung in (*RUNGS, "mlp"):
            recipe = _long_recipe(family, rung, seed)
            yield Run("longer", "cifar10", f"{family}, {rung}", seed, partial(_long, recipe, folder), recipe.to_toml())
    for variant in BUDGET_PEERS:
        recipe = _peer_recipe(variant, seed)
        yield Run("budget", "cifar10", variant, seed, partial(_long, recipe, folder), recipe.to_toml())


# Criteria


def _readable(rows: Rows) -> tuple[str, str]:
    gaps = {m: list(by_seed(rows, "gap", variant=f"{m}, d = 8").values()) for m in ("simclr", "cissl", "dissl")}
    said = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in gaps.items())
    return f"gap: {said}", reproduced(min(gaps["simclr"]) > 0.4 and max(gaps["cissl"]) < 0.02)


def _covers(rows: Rows) -> tuple[str, str]:
    error = max(abs(row["found"] - row["expected"]) for row in rows)
    whole = all(row["found"] == 1 for row in select(rows, variant="d = 7"))
    less = select(rows, variant="d = 6")[0]["expected"] < 1
    return f"equal to Cover's count within {error:.0e}, 1.0 from d = 7", reproduced(error < 1e-12 and whole and less)


def _uses_all(rows: Rows) -> tuple[str, str]:
    used = [mean(rows, "used", variant=f"lambda = {weight}") for weight in (2.3, 1.5, 0.9, 0.0)]
    said = ", ".join(f"{count:.1f}" for count in used) + " at lambda 2.3, 1.5, .9, 0; at most 14 at 1.5 was expected"
    holds = used[0] >= 18 and used[1] <= 14 and all(more > fewer for more, fewer in zip(used, used[1:]))
    return said, reproduced(holds)


def _spreads(rows: Rows) -> tuple[str, str]:
    above, below = (mean(rows, "given", variant=f"lambda = {weight}") for weight in (2.3, 1.5))
    holds = mean(rows, "used", variant="lambda = 2.3") > 150 and above > 0.5 * log(8) and below < 0.3
    return f"H[M|X] {above:.2f} nats at 2.3, {below:.2f} at 1.5", reproduced(holds)


def _follows_the_law(rows: Rows) -> tuple[str, str]:
    error = max(abs(row["found"] - row["expected"]) for row in rows)
    return f"within {error:.4f}", reproduced(error < 0.005)


def _unmet(row: Row) -> list[str]:
    """Return the conditions that an encoder misses."""
    met = {
        "predictability": row["linear"] >= 0.99,
        "invariance": row["invariance"] <= 0.1,
        "dimension": row["dimension"] >= K - 1,
    }
    return [name for name, holds in met.items() if not holds]


def _excess(row: Row) -> float:
    """Return how far the error is above the law, the mean over numbers of labels."""
    return float(np.mean([row[f"error_{n}"] - unseen_mass(n, K) for n in LABELS]))


def _good(row: Row) -> bool:
    return row["worst"] >= 0.99


def _without_exception(choose: Callable[[Row], bool], wrong: Callable[[Row], bool], rows: Rows) -> tuple[str, str]:
    """Judge a statement about all chosen encoders: undecided where no run could have contradicted it."""
    chosen = [row for row in rows if choose(row)]
    exceptions = sum(wrong(row) for row in chosen)
    return f"{exceptions} of {len(chosen)} do not", reproduced(not exceptions) if chosen else "undecided: no such run"


def _imbalance(rows: Rows) -> tuple[str, str]:
    """Judge the sign of an imbalance's growth, which follows from the loss to second order about uniform codes.

    With p(x) = 1/C + m + e(x) and E e = 0, I(M; X) gains C/2 E|e|^2 and H(M) loses C/2 |m|^2, so that the loss has
    (lambda - 1 - beta) C/2 |m|^2: categories that happen to be common become more so only below 1 + beta.
    """
    grown = {w: [row["early"] / row["start"] for row in select(rows, variant=f"lambda = {w}")] for w in THRESHOLD}
    said = ", ".join(f"x{np.mean(values):.2f} at {w}" for w, values in grown.items() if values)
    used = ", ".join(f"{mean(rows, 'used', variant=f'lambda = {w}'):.1f}" for w, values in grown.items() if values)
    if any(len(values) < 3 for values in grown.values()):
        return said, "open: seeds are missing"
    holds = all((value > 1) == (weight < 1.8) for weight, values in grown.items() for value in values)
    return f"{said}; used in the end {used}", reproduced(holds)


def _paired_rows(rows: Rows, one: str, other: str, data: str) -> Difference | None:
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


def _longer_gains(family: str, rung: str, rows: Rows) -> tuple[str, str] | None:
    """Judge a rung by seeds and test rows; "too small to tell" where the interval is wider than a point either way."""
    gain = _paired_rows(rows, f"{family}, {rung}", f"{family}, {BEFORE[rung]}", "cifar10")
    if gain is None:
        return None
    if gain.pairs < 5:
        return str(gain), "open: seeds are missing"
    contains, wide = gain.low <= 0 <= gain.high, gain.high - gain.mean > 0.01
    return str(gain), reproduced(gain.low > 0) + (" (undecided: wider than a point)" if contains and wide else "")


def _within_budget(one: str, other: str, rows: Rows) -> tuple[str, str] | None:
    gain = _paired_rows(rows, one, other, "cifar10")
    if gain is None:
        return None
    return str(gain), reproduced(gain.low > 0) if gain.pairs >= 3 else "open: seeds are missing"


def _rung_gains(family: str, rung: str, rows: Rows) -> tuple[str, str] | None:
    """Judge a rung of the ladder beside the one before."""
    kind = "mlp" if rung == "mlp" else "linear"
    gain = runner.paired(rows, f"{family}, {rung}", f"{family}, {BEFORE[rung]}", kind)
    if gain is None:
        return None
    published = PUBLISHED[family].get(rung)
    said = f"{gain}" + (f" (published, on TinyImageNet: +{published:.3f})" if published else "")
    if gain.pairs < 3:
        return said, "open: seeds are missing"
    return said, reproduced(gain.low > 0) + (" (the interval contains 0)" if gain.low <= 0 <= gain.high else "")


CLAIMS = [
    Claim("SimCLR hides classes from a linear probe (gap to an MLP above .4), CISSL does not (below .02)", "section 4",
          "heads", _readable),
    Claim("a linear probe realises every labelling of K classes if and only if the features span K - 1 dimensions",
          "theorem 1", "labellings", _covers),
    Claim("DISSL uses all categories where lambda > 1 + beta, fewer below", "section 5", "categories", _uses_all),
    Claim("above the threshold a sample spreads over about C / B categories", "derived here", "softness", _spreads),
    Claim("the worst risk after n labels is (1 - 1/K)^n", "proposition 2", "labels", _follows_the_law),
    Claim("an encoder that meets all three conditions is good on all tasks", "theorem 1", "conditions",
          partial(_without_exception, lambda r: not _unmet(r), lambda r: not _good(r))),
    Claim("one that misses a condition is not good on all tasks", "theorem 1", "conditions",
          partial(_without_exception, _unmet, _good)),
    Claim("where all conditions are met, the error follows (1 - 1/K)^n", "proposition 2", "conditions",
          partial(_without_exception, lambda r: not _unmet(r), lambda r: abs(_excess(r)) > 0.03)),
    Claim("where one is missed, the error is above it", "proposition 2", "conditions",
          partial(_without_exception, _unmet, lambda r: _excess(r) <= 0.03)),
    *(Claim(f"one that misses {name} alone is not good on all tasks", "theorem 1", "conditions",
            partial(_without_exception, lambda r, name=name: _unmet(r) == [name], _good))
      for name in ("predictability", "invariance", "dimension")),
    *(Claim(f"{family}: {rung} gains over {before}", "table 2" if rung == "mlp" else "table 1", "ladder",
            partial(_rung_gains, family, rung)) for family in FAMILIES for rung, before in BEFORE.items()),
    Claim("below 1 + beta an imbalance of DISSL's categories grows, above it shrinks", "section 5, derived beforehand",
          "threshold", _imbalance),
    *(Claim(f"longer, {family}: {rung} gains over {before}", "table 2" if rung == "mlp" else "table 1", "longer",
            partial(_longer_gains, family, rung)) for family in FAMILIES for rung, before in BEFORE.items()),
    *(Claim(f"equal steps: {one} is above {other}", "table 1", "budget", partial(_within_budget, one, other))
      for one, other in (("cissl", "simclr"), ("dissl", "dino"), ("dissl, crops", "swav, crops"))),
]  # fmt: skip
TABLES = [
    Table("Heads on sign flips", "heads", {"linear": "linear", "MLP": "mlp", "gap": "gap", "invariance": "invariance",
          "rank": "rank"}, ("variant",)),
    Table("Categories that DISSL uses (20 orbits)", "categories",
          {"used": "used", "H[M]": "marginal", "H[M given X]": "given"},
          ("variant",)),
    Table("The three conditions", "conditions", {"linear": "linear", "gap": "gap", "invariance": "invariance",
          "dimension": "dimension", "worst task": "worst", "mean task": "mean"}),
    Table("Either side of the threshold", "threshold",
          {"imbalance at the start": "start", f"after {EARLY} steps": "early", "used": "used"}, ("variant",)),
    Table("The ladder on CIFAR-10", "longer", {"width": "width", "CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn"}, ("variant",)),
    Table("Peers at equal steps", "budget", {"CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn"}, ("variant",)),
    Table("The ladder on Fashion-MNIST", "ladder", {"width": "width", "CPU seconds": "cpu_seconds", "linear": "linear",
          "untrained": "untrained_linear", "k-NN": "knn", "MLP probe": "mlp"}, ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Dots]:
    """Return what a linear probe reads, the categories that are used, and the ladder at the greatest length."""
    heads = {f"{name}, d = {d}": f"{name}, d = {d}" for d in (4, 8) for name in ("simclr", "cissl", "dissl")}
    strong = [name for name in heads if not name.startswith("simclr")]
    used = {row["variant"]: row["variant"] for row in select(rows, study="categories")}
    made = [
        runner.dots("sign flips, linear probe", "accuracy", select(rows, study="heads"), "linear", heads, strong),
        runner.dots("DISSL, 20 orbits", "categories used", select(rows, study="categories"), "used", used),
    ]
    longer = select(rows, study="longer")
    longer = longer if len({row["seed"] for row in longer}) >= 3 else []
    for family in FAMILIES:
        rungs = {f"{family}, {rung}": rung for rung in ("base", *BEFORE)}
        title = f"the ladder, {family}, {'CIFAR-10' if longer else 'Fashion-MNIST'}"
        made.append(runner.dots(title, "accuracy", longer or select(rows, study="ladder"), "linear", rungs))
    return made


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, panels=panels, columns=2)

if __name__ == "__main__":
    PAPER.main()
