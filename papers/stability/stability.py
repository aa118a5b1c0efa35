"""The common stability mechanism (arXiv 2402.14957), hypotheses H0 to H5, each with a verdict.

    python papers/stability/stability.py --data DIR

Said: a method is stable because it makes a sample's expected representation long (a = E[z.z'] of two views of a
sample) and that of all samples, the centre, short (c2 = E[z.z''] of two samples). The paper's protocol is not known;
ours is small: 3000 training rows of CIFAR-10 at 16 x 16 (small_resnet, 5 epochs), of HAR at half the rate
(dilated_resnet, 5 epochs) and of Dry Bean (table_mlp, 16 epochs), batches of 128, projectors of 256 and 128, AdamW at
1e-3, 3 seeds. At ten checkpoints, the first before training: a and c2 without bias on two new views of 512 training
rows, of what the loss compares (z) and of the encoder's vectors (h), and 20-nearest-neighbour accuracy on 800
held-out rows.

"toy": -a + lambda c2 on ten Gaussian clusters in 32 dimensions, an MLP, 400 steps on batches of 128 or all rows,
views centred or shifted by one fixed vector.

Criteria, written before the runs: H0a where a rises and c2 falls (last less first checkpoint) in all seeds of all 18
cells of z; H0b where the 95% bootstrap interval of the mean Spearman's rho of c2 and k-NN over checkpoints is below
0; H1 where c2 of z ends above .9 with nothing removed and below .1 with the centre removed, and k-NN is better for
it; H2 where c2 of h ends below .9 and the rank of z is lower than with the term; H3 where k-NN is at most .02 lower
and c2 of z below .9; H4 where Kruskal and Wallis give p < .05 for c2 and for k-NN; H5 where c2 ends above .9 at
lambda 0 and below .1 inside, and where k-NN inside is more than .01 above that at 0, 2 and 5. "undecided": in some
cells only.
"""

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kruskal, spearmanr
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from measures import entropy_rank
from runner import Claim, Row, Rows, Run, Table, block, main, select, train_once

import data as sets
from isotropy.diagnostics import assignments, predictor_gap, stability
from isotropy.evaluation import knn_probe
from isotropy.methods import BYOL, Center, CenterSubtraction, Method, SimSiam
from isotropy.objectives import center, cosine_distance
from isotropy.representation import embed_rows
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

KEPT, MEASURED = 1500, 512  # training rows of the k-NN probe, and of the other numbers
DONE = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
MOMENTA, LAMBDAS, TOY_LAMBDAS = (
    (0.0, 0.9, 0.99, 0.996, 0.999, 1.0),
    (0.0, 0.1, 0.5, 0.9, 2.0),
    (0, 0.1, 0.5, 0.9, 1, 2, 5),
)
KINDS = tuple((batch, views) for batch in ("mini", "full") for views in ("centred", "shifted"))
SIX = ("simclr", "byol", "swav", "simsiam", "barlow_twins", "dino")
HEADS: dict[str, dict[str, Any]] = {
    "byol": {"method.predictor_hidden": 256},
    "swav": {"method.num_prototypes": 64},
    "simsiam": {"method.predictor_hidden": 64},
    "dino": {"method.num_prototypes": 128},
}
TRAINING = {"train.batch_size": 128, "train.precision": "float32", "train.keep_last": False}
DATA: dict[str, dict[str, Any]] = {
    "dry_bean": {"encoder.width": 64, "encoder.hidden": 128, "encoder.depth": 3,
                 "views.corrupt": [0.0, 0.3], "train.epochs": 16.0},
    "cifar": {"encoder.stem": 8, "encoder.width": 64, "views.scale": [0.3, 1.0], "train.epochs": 5.0},
    "har": {"encoder": "dilated_resnet", "encoder.hidden": 16, "encoder.depth": 3,
            "encoder.width": 64, "train.epochs": 5.0},
}  # fmt: skip


class WithoutPredictor(SimSiam):
    """SimSiam that compares projections, its last batch norm kept."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Sequential()


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

    weight = 0.0

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return -a and the weight times c2."""
        terms = center(*z, lambd=0.5)
        return {"alignment": terms["alignment"], "centre": 2 * self.weight * terms["centre"]}


# Variant -> the method whose recipe it takes, its settings, and the class in its place.
VARIANTS: dict[str, tuple[str, dict[str, Any], type[Method] | None]] = {name: (name, {}, None) for name in SIX} | {
    "no predictor": ("simsiam", {}, WithoutPredictor),
    "nothing removed": ("center_subtraction", {}, WithoutRemoval),
    "T1 penalty": ("center", {"method.center_weight": 0.5}, None),
    "T2 subtraction": ("center_subtraction", {"method.center_fraction": 0.5}, None),
    "no off-diagonal": ("barlow_twins", {"method.off_diagonal_weight": 0.0}, None),
    "fixed prototypes": ("swav", {"method.frozen_passes": 10_000}, None),
    **{f"momentum {m:g}": ("byol", {"method.momentum": m}, Steady) for m in MOMENTA},
    **{f"lambda {w:g}": ("center", {}, type(f"Weight{i}", (AnyWeight,), {"weight": w})) for i, w in enumerate(LAMBDAS)},
}


def recipe_of(data: str, variant: str, seed: int) -> Recipe:
    """Return the recipe of a run; the class of the variant is put in by `trajectory`."""
    name, more, _ = VARIANTS[variant]
    modality = {"dry_bean": "table", "cifar": "image", "har": "series"}[data]
    settings = DATA[data] | {"method.projector": [256, 128]} | HEADS.get(name, {}) | more | TRAINING
    return Recipe.default(name, modality).changed(settings | {"train.seed": seed})


def trajectory(recipe: Recipe, variant: str, data: str, folder: Path | None, quick: bool) -> Row:
    """Train once and return the checkpoints: what the centre was, and what the encoder was worth."""
    rows, other = sets.subset(data, folder), VARIANTS[variant][2]
    prepared = prepare(recipe, rows)
    if other is not None:
        torch.manual_seed(recipe.train.seed)
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe.method_options.items()}
        prepared = replace(prepared, method=other(prepared.method.encoder, **options))
    seen = [{"done": 0.0, **checkpoint(prepared)}]

    def at_step(step: Any) -> None:
        if step.number in {max(1, round(done * step.steps)) for done in DONE}:
            done = {"done": round(step.number / step.steps, 3), "loss": short(step.loss)}
            seen.append(done | checkpoint(prepared))

    made = train_once(prepared, quick=quick, at_step=at_step)
    numbers = {name: [each.get(name) for each in seen] for name in seen[-1]}
    return {"steps": made.row["steps"], "cpu_seconds": made.row["cpu_seconds"], **numbers}


@torch.no_grad()
def checkpoint(prepared: Any) -> Row:
    """Return the numbers of a checkpoint, on two new views of 512 training rows with the batch's own statistics.

    "z_..." is of the vectors that the loss compares (Barlow Twins' standardised), "h_..." of the encoder's own.
    """
    method = copy.deepcopy(prepared.method).train()
    places = torch.linspace(0, len(prepared.dataset) - 1, MEASURED).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        views = prepared.views(prepared.dataset, places, seed=12345, pass_=0)
        seen, h = method.monitored(**method(views)), views.through(method.encoder)
    z = seen["views"]
    if prepared.recipe.method == "barlow_twins":
        z = [(x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in z]
    found: Row = {}
    for kind, vectors in (("z", z), ("h", h)):
        numbers = stability([x.float() for x in vectors])
        found |= {f"{kind}_{name}": numbers[name] for name in ("centre", "alignment", "spread")}
        found[f"{kind}_rank"] = entropy_rank(vectors[0])
        found[f"{kind}_rank_uncentred"] = entropy_rank(nn.functional.normalize(vectors[0]), centred=False)
    if "prediction" in seen:
        found["eta"] = predictor_gap(seen["prediction"][0], seen["target"][0])["eta"]
    if "assignments" in seen:
        codes = assignments(seen["assignments"][0])
        found |= {"used": codes["used"], "marginal": codes["marginal_entropy"]}
    train, labels = prepared.train[:: max(1, len(prepared.train) // KEPT)], prepared.data.labels
    to_input, encoder = prepared.preprocess.to_input, prepared.method.encoder
    x, y = (embed_rows(encoder, to_input, prepared.rows[part]) for part in (train, prepared.test))
    found["knn"] = knn_probe(x, labels[train], y, labels[prepared.test]).score
    return {name: short(value) for name, value in found.items()}


def short(value: float) -> float | None:
    """Return a number with four digits, None where it is not finite."""
    return round(float(value), 4) if np.isfinite(value) else None


def toy(weight: float, batch: str, kind: str, seed: int, quick: bool) -> Row:
    """Train the simplified objective on clusters."""
    draw, rows = torch.Generator().manual_seed(seed), 1000
    centres, labels = 0.6 * torch.randn(10, 32, generator=draw), torch.arange(2 * rows) % 10
    x = centres[labels] + torch.randn(2 * rows, 32, generator=draw)
    shift = 3 * nn.functional.normalize(torch.randn(32, generator=draw), dim=0) * (kind == "shifted")
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 8))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)

    def views(rows: Tensor) -> list[Tensor]:
        return [net(rows + shift + 0.5 * torch.randn(rows.shape, generator=draw)) for _ in range(2)]

    for _ in range(5 if quick else 400):
        chosen = x[torch.randperm(rows, generator=draw)[:128]] if batch == "mini" else x[:rows]
        terms = center(*views(chosen), lambd=0.5)
        optimiser.zero_grad()
        (terms["alignment"] + 2 * weight * terms["centre"]).backward()  # `center` refuses lambda outside (0, 1)
        optimiser.step()
    with torch.no_grad():
        z, found = net(x), stability(views(x[:rows]))
    unit = nn.functional.normalize(z[:rows], dim=1)
    knn = knn_probe(z[:rows].numpy(), labels[:rows].numpy(), z[rows:].numpy(), labels[rows:].numpy(), k=5).score
    numbers = {"centre": found["centre"], "alignment": found["alignment"], "rank": entropy_rank(unit), "knn": knn}
    return {k: short(v) for k, v in (numbers | {"rank_uncentred": entropy_rank(unit, centred=False)}).items()}


def runs(folder: Path | None, seeds: int) -> Iterator[Run]:
    """Return all runs: the toy, then the table, images, and the many momenta on images and series last."""
    for seed in range(seeds):
        for batch, kind in KINDS:
            for weight in TOY_LAMBDAS:
                variant = f"{batch}-batch, {kind}, lambda {weight:g}"
                yield Run("toy", "clusters", variant, seed, partial(toy, float(weight), batch, kind, seed))
        for data in DATA:
            for variant in sorted(VARIANTS, key=lambda name: name.startswith("momentum")):
                if data == "dry_bean" or not variant.startswith("lambda"):
                    recipe = recipe_of(data, variant, seed)
                    make = partial(trajectory, recipe, variant, data, folder)
                    yield Run("runs", data, variant, seed, make, recipe.to_toml() + variant)


# Criteria


def ends(rows: Rows, variant: str, data: str, column: str) -> list[float]:
    """Return the last value of a number, one for each seed."""
    return [row[column][-1] for row in select(rows, variant=variant, data=data)]


def judged(holds: list[bool]) -> str:
    """Return the verdict on a claim that should hold in every cell: undecided where only some hold."""
    return "reproduced" if all(holds) else "undecided" if any(holds) else "not reproduced"


def six(rows: Rows) -> tuple[str, str]:
    """H0a."""
    longer, shorter, both = 0, 0, []
    for data in DATA:
        for method in SIX:
            mine = select(rows, variant=method, data=data)
            up = [row["z_alignment"][-1] > row["z_alignment"][0] for row in mine]
            down = [row["z_centre"][-1] < row["z_centre"][0] for row in mine]
            longer, shorter = longer + sum(up), shorter + all(down)
            both.append(all(up) and all(down))
    return f"a rises in {longer} of 54 runs; c2 falls in all seeds of {shorter} of 18 cells", judged(both)


def rho(one: Any, other: Any) -> float:
    """Return Spearman's correlation; NaN where one never moves."""
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else float("nan")


def bootstrap(values: list[float]) -> tuple[float, float, float]:
    """Return the mean and its 95% percentile interval over runs."""
    x = np.array([value for value in values if np.isfinite(value)])
    means = x[np.random.default_rng(0).integers(len(x), size=(5000, len(x)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(x.mean()), float(low), float(high)


def tracks(rows: Rows) -> tuple[str, str]:
    """H0b."""
    mine = [row for row in rows if row["variant"] in SIX]
    found = {"all": mine} | {data: select(mine, data=data) for data in DATA}
    means = {name: bootstrap([rho(row["z_centre"], row["knn"]) for row in group]) for name, group in found.items()}
    h = bootstrap([rho(row["h_centre"], row["knn"]) for row in mine])
    said = [f"{name} {m:+.2f} [{low:+.2f}, {high:+.2f}]" for name, (m, low, high) in (means | {"all, of h": h}).items()]
    _, low, high = means["all"]
    return "rho: " + ", ".join(said), "reproduced" if high < 0 else "not reproduced" if low > 0 else "undecided"


def removal(rows: Rows) -> tuple[str, str]:
    """H1."""
    holds, said = [], []
    for data in DATA:
        control = ends(rows, "nothing removed", data, "z_centre")
        removed = [ends(rows, name, data, "z_centre") for name in ("T1 penalty", "T2 subtraction")]
        worth = [
            float(np.mean(ends(rows, n, data, "knn"))) for n in ("nothing removed", "T1 penalty", "T2 subtraction")
        ]
        holds.append(min(control) > 0.9 and max(map(max, removed)) < 0.1 and min(worth[1:]) > worth[0])
        cells = [float(np.mean(values)) for values in (control, *removed)]
        said.append(f"{data} {cells[0]:.3f} with nothing removed, {cells[1]:.3f} penalty, {cells[2]:.3f} subtraction")
    return "c2: " + "; ".join(said), judged(holds)


def decorrelation(rows: Rows) -> tuple[str, str]:
    """H2."""
    holds, said = [], []
    for data in DATA:
        whole, without = (ends(rows, name, data, "z_rank") for name in ("barlow_twins", "no off-diagonal"))
        holds.append(max(ends(rows, "no off-diagonal", data, "h_centre")) < 0.9 and max(without) < min(whole))
        said.append(f"{data} rank {np.mean(without):.1f} instead of {np.mean(whole):.1f}")
    return "; ".join(said), judged(holds)


def prototypes(rows: Rows) -> tuple[str, str]:
    """H3."""
    holds, said = [], []
    for data in DATA:
        learnt, fixed = (float(np.mean(ends(rows, name, data, "knn"))) for name in ("swav", "fixed prototypes"))
        holds.append(fixed >= learnt - 0.02 and max(ends(rows, "fixed prototypes", data, "z_centre")) < 0.9)
        said.append(f"{data} k-NN {fixed:.3f} fixed, {learnt:.3f} learnt")
    return "; ".join(said), judged(holds)


def momenta(rows: Rows) -> tuple[str, str]:
    """H4."""
    holds, said = [], []
    for data in DATA:
        groups = {k: [ends(rows, f"momentum {m:g}", data, k) for m in MOMENTA] for k in ("z_centre", "knn")}
        p = {name: float(kruskal(*values).pvalue) for name, values in groups.items()}
        holds.append(max(p.values()) < 0.05)
        said.append(f"{data} p = {p['z_centre']:.3f} (c2), {p['knn']:.2f} (k-NN)")
    return "; ".join(said), judged(holds)


def simplified(rows: Rows) -> tuple[str, str]:
    """H5."""
    point, shape = [], []
    for batch, kind in KINDS:
        group = {w: select(rows, variant=f"{batch}-batch, {kind}, lambda {w:g}") for w in TOY_LAMBDAS}
        inside = [row["centre"] for w in (0.1, 0.5, 0.9) for row in group[w]]
        point.append(min(row["centre"] for row in group[0]) > 0.9 and max(inside) < 0.1)
        knn = {w: round(float(np.mean([row["knn"] for row in mine])), 3) for w, mine in group.items()}
        shape.append(max(knn[w] for w in (0.1, 0.5, 0.9)) > max(knn[w] for w in (0, 2, 5)) + 0.01)
    said = f"collapse as said in {sum(point)} of 4 settings, the U in {sum(shape)}"
    return said, f"point collapse: {judged(point)}; U-shape: {judged(shape)}"


CLAIMS = [
    Claim("H0a: all six methods raise a and shorten the centre", "abstract", "runs", six),
    Claim("H0b: k-NN is better where the centre is shorter", "abstract", "runs", tracks),
    Claim("H1: SimSiam needs no predictor if the centre is removed", "theory", "runs", removal),
    Claim("H2: Barlow Twins without decorrelation keeps off the point and loses rank", "theory", "runs", decorrelation),
    Claim("H3: SwAV's prototypes need not learn", "theory", "runs", prototypes),
    Claim("H4: BYOL's centre and k-NN depend on the momentum", "theory", "runs", momenta),
    Claim("H5: -a + lambda c2 collapses at 0 and not inside (0, 1); best inside", "theory", "toy", simplified),
]


def last(rows: Rows) -> Rows:
    """Return the rows with the last value of every trajectory, and k-NN before training."""
    return [
        {k: v[-1] if isinstance(v, list) else v for k, v in row.items()}
        | ({"knn_untrained": row["knn"][0]} if isinstance(row["knn"], list) else {})
        for row in rows
    ]


TABLES = [
    Table("At the end of training", "runs", {"c2 of z": "z_centre", "a of z": "z_alignment", "rank of z": "z_rank",
          "c2 of h": "h_centre", "k-NN": "knn", "k-NN untrained": "knn_untrained"}),
    Table("The simplified objective on clusters", "toy",
          {"c2": "centre", "a": "alignment", "rank": "rank", "k-NN": "knn"},
          ("variant",)),
]  # fmt: skip


def page(rows: Rows) -> str:
    """Return what stands in the README."""
    return block(rows, CLAIMS, []) + "\n\n" + block(last(rows), [], TABLES)


if __name__ == "__main__":
    main(__file__, __doc__, runs, page)
