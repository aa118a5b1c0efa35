"""The common stability mechanism (arXiv 2402.14957): hypotheses H0 to H5, each with a verdict."""

import copy
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kruskal, spearmanr
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from figures import Circle, Panel
from measures import entropy_rank
from runner import Checkpoints, Claim, Paper, Row, Rows, Run, Table, mean, reproduced, select

from isotropy.diagnostics import stability
from isotropy.evaluation import knn_probe
from isotropy.objectives import center, cosine_distance
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe

KEPT, MEASURED = 1500, 512  # training rows of the k-NN probe, and of the other numbers
DONE = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
MOMENTA, TOY_LAMBDAS = (0.0, 0.9, 0.99, 0.996, 0.999, 1.0), (0, 0.1, 0.5, 0.9, 1, 2, 5)
INSIDE = (0.1, 0.5, 0.9)
WEIGHTS = (0.0, 0.1, 0.5, 0.9, 2.0, 5.0)
KINDS = tuple((batch, views) for batch in ("mini", "full") for views in ("centred", "shifted"))
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


def _recipe_of(data: str, variant: str, seed: int, sizes: dict[str, tuple[str, dict[str, Any]]] = DATA) -> Recipe:
    name, more, _ = VARIANTS[variant]
    modality, settings = sizes[data]
    settings = settings | COMMON | HEADS.get(name, {}) | more | {"train.seed": seed}
    return Recipe.default(name, modality).changed(settings)


def _trajectory(recipe: Recipe, variant: str, load: Any, folder: Path | None, quick: bool) -> Row:
    """Train once and return the checkpoints: what the centre was, and what the encoder was worth."""
    seen = Checkpoints(DONE, _checkpoint)
    made = runner.train_once(recipe, load(folder), quick=quick, change=VARIANTS[variant][2], watch=seen)
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
        z, h = method.monitored(**method(views))["views"], views.through(method.encoder)
    if prepared.recipe.method == "barlow_twins":
        z = [(x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() for x in z]
    found: Row = {}
    for kind, vectors in (("z", z), ("h", h)):
        numbers = stability([x.float() for x in vectors])
        found |= {f"{kind}_{name}": numbers[name] for name in ("centre", "alignment", "spread")}
        found[f"{kind}_rank"] = entropy_rank(vectors[0])
    some = prepared.train[:: max(1, len(prepared.train) // KEPT)]
    vectors = runner.features(prepared, parts=(some, prepared.test))
    return found | {"knn": knn_probe(*vectors, metric="accuracy").score}


def _toy(weight: float, batch: str, kind: str, seed: int, quick: bool) -> Row:
    """Train -a + lambda c2 on clusters."""
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
    parts = [x.numpy() for x in (z[:rows], labels[:rows], z[rows:], labels[rows:])]
    knn = knn_probe(*parts, k=5, metric="accuracy").score
    numbers = {"centre": found["centre"], "alignment": found["alignment"], "rank": entropy_rank(unit), "knn": knn}
    return {name: runner.short(value) for name, value in numbers.items()}


# The counter-example in the plane: four groups at the corners of a square, and points on a circle to send them to.
CORNERS = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
PLANE = ("two points", "four points", "trained, lambda 0.5", "trained, lambda 5")


def _plane(variant: str, seed: int, quick: bool) -> Row:
    """Return a and c2 of two views, how well five neighbours tell the groups, and the angles of 40 rows by group.

    -a + lambda c2 is least where a = 1 and c2 = 0, for every lambda above 0: by four directions, and as well by two
    opposite ones, which send two groups to one point.
    """
    draw, labels = torch.Generator().manual_seed(seed), torch.arange(400) % 4
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    given = {"two points": lambda x: x[:, :1].sign() * torch.tensor([[1.0, 0.0]]), "four points": lambda x: x.sign()}
    sent = given.get(variant, net)

    def views() -> list[Tensor]:
        return [sent(CORNERS[labels] + 0.15 * torch.randn(400, 2, generator=draw)) for _ in range(2)]

    if variant not in given:
        optimiser, weight = torch.optim.Adam(net.parameters(), lr=3e-3), float(variant.rsplit(" ", 1)[1])
        for _ in range(5 if quick else 400):
            terms = center(*views(), lambd=0.5)
            optimiser.zero_grad()
            (terms["alignment"] + 2 * weight * terms["centre"]).backward()
            optimiser.step()
    with torch.no_grad():
        z, other = views()
        numbers = stability([z, other])
    knn = knn_probe(z[:200].numpy(), labels[:200], z[200:].numpy(), labels[200:], k=5, metric="accuracy").score
    angles = torch.atan2(z[:, 1], z[:, 0])
    return {
        "alignment": runner.short(numbers["alignment"]),
        "centre": runner.short(numbers["centre"]),
        "knn": runner.short(knn),
        "angles": [[round(float(angle), 2) for angle in angles[labels == group][:10]] for group in range(4)],
    }


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed: the toy, then the table, images, and the many momenta last."""
    for batch, kind in KINDS:
        for weight in TOY_LAMBDAS:
            variant = f"{batch}-batch, {kind}, lambda {weight:g}"
            yield Run("toy", "clusters", variant, seed, partial(_toy, float(weight), batch, kind, seed))
    for variant in PLANE:
        yield Run("plane", "square", variant, seed, partial(_plane, variant, seed))
    for data in DATA:
        for variant in SHORT:
            recipe = _recipe_of(data, variant, seed)
            make = partial(_trajectory, recipe, variant, partial(sets.subset, data), folder)
            yield Run("runs", data, variant, seed, make, recipe.to_toml() + variant)
    for data in LONGER:
        for variant in LONG:
            recipe = _recipe_of(data, variant, seed, LONGER)
            make = partial(_trajectory, recipe, variant, partial(sets.whole, data), folder)
            yield Run("longer", data, variant, seed, make, recipe.to_toml() + variant)


# Criteria


def _ends(rows: Rows, variant: str, data: str, column: str) -> list[float]:
    """Return the last value of a number, one for each seed."""
    return [row[column][-1] for row in select(rows, variant=variant, data=data)]


def _worth(rows: Rows, variant: str, data: str) -> float:
    return float(np.mean(_ends(rows, variant, data, "knn")))


def _judged(holds: list[bool]) -> str:
    return "reproduced" if all(holds) else "undecided" if any(holds) else "not reproduced"


def _in_every_cell(judge: Any, before: str, rows: Rows) -> tuple[str, str]:
    """Judge a claim that should hold on every data set: `judge(rows, data)` says whether, and what was found."""
    found = [judge(rows, data) for data in DATA]
    said = "; ".join(f"{data} {text}" for data, (_, text) in zip(DATA, found))
    return before + said, _judged([holds for holds, _ in found])


def _six(rows: Rows) -> tuple[str, str]:
    longer, shorter, both = 0, 0, []
    for data in DATA:
        for method in SIX:
            mine = select(rows, variant=method, data=data)
            up = [row["z_alignment"][-1] > row["z_alignment"][0] for row in mine]
            down = [row["z_centre"][-1] < row["z_centre"][0] for row in mine]
            longer, shorter = longer + sum(up), shorter + all(down)
            both.append(all(up) and all(down))
    return f"a rises in {longer} of 54 runs; c2 falls in all seeds of {shorter} of 18 cells", _judged(both)


def _rho(one: Any, other: Any) -> float:
    return float(spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else float("nan")


def _bootstrap(values: list[float]) -> tuple[float, float, float]:
    """Return the mean and its 95% percentile interval over runs."""
    x = np.array([value for value in values if np.isfinite(value)])
    means = x[np.random.default_rng(0).integers(len(x), size=(5000, len(x)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(x.mean()), float(low), float(high)


def _tracks(rows: Rows) -> tuple[str, str]:
    mine = [row for row in rows if row["variant"] in SIX]
    groups = [("all", mine, "z"), *((data, select(mine, data=data), "z") for data in DATA), ("all, of h", mine, "h")]
    found = [_bootstrap([_rho(row[f"{kind}_centre"], row["knn"]) for row in group]) for _, group, kind in groups]
    said = [f"{name} {m:+.2f} [{low:+.2f}, {high:+.2f}]" for (name, _, _), (m, low, high) in zip(groups, found)]
    _, low, high = found[0]
    return "rho: " + ", ".join(said), "reproduced" if high < 0 else "not reproduced" if low > 0 else "undecided"


def _removal(rows: Rows, data: str) -> tuple[bool, str]:
    control, *removed = (_ends(rows, name, data, "z_centre") for name in REMOVALS)
    worth = [_worth(rows, name, data) for name in REMOVALS]
    none, penalty, subtraction = (float(np.mean(values)) for values in (control, *removed))
    said = f"{none:.3f} with nothing removed, {penalty:.3f} penalty, {subtraction:.3f} subtraction"
    return min(control) > 0.9 and max(map(max, removed)) < 0.1 and min(worth[1:]) > worth[0], said


def _decorrelation(rows: Rows, data: str) -> tuple[bool, str]:
    whole, without = (_ends(rows, name, data, "z_rank") for name in ("barlow_twins", "no off-diagonal"))
    holds = max(_ends(rows, "no off-diagonal", data, "h_centre")) < 0.9 and max(without) < min(whole)
    return holds, f"rank {np.mean(without):.1f} instead of {np.mean(whole):.1f}"


def _prototypes(rows: Rows, data: str) -> tuple[bool, str]:
    learnt, fixed = (_worth(rows, name, data) for name in ("swav", "fixed prototypes"))
    holds = fixed >= learnt - 0.02 and max(_ends(rows, "fixed prototypes", data, "z_centre")) < 0.9
    return holds, f"k-NN {fixed:.3f} fixed, {learnt:.3f} learnt"


def _momenta(rows: Rows, data: str) -> tuple[bool, str]:
    groups = ([_ends(rows, f"momentum {m:g}", data, name) for m in MOMENTA] for name in ("z_centre", "knn"))
    centre, knn = (float(kruskal(*values).pvalue) for values in groups)
    return max(centre, knn) < 0.05, f"p = {centre:.3f} (c2), {knn:.2f} (k-NN)"


# At length: in effect sizes


def _effect(rows: Rows, data: str, one: str, other: str, column: str) -> float:
    """Return the mean paired difference at the end of training over its deviation between seeds."""
    ends = [{row["seed"]: row[column][-1] for row in select(rows, data=data, variant=name)} for name in (one, other)]
    gaps = [ends[0][seed] - ends[1][seed] for seed in ends[0].keys() & ends[1].keys()]
    return float(np.mean(gaps) / max(np.std(gaps, ddof=1), 1e-4)) if len(gaps) > 1 else float("nan")


def _at_length(judge: Any, needed: tuple[str, ...], rows: Rows) -> tuple[str, str] | None:
    """Judge on every data set that has three seeds of what is needed; open where one has not."""
    complete = [d for d in LONGER if all(len(select(rows, data=d, variant=name)) >= 3 for name in needed)]
    found = {data: judge(rows, data) for data in complete}
    if not found:
        return None
    said = "; ".join(f"{data} {text}" for data, (_, text) in found.items())
    missing = [data for data in LONGER if data not in found]
    verdict = _judged([holds for holds, _ in found.values()])
    return said, f"open: {', '.join(missing)} missing (so far: {verdict})" if missing else verdict


def _shortens(rows: Rows, data: str) -> tuple[bool, str]:
    falls = []
    for method in SIX:
        moved = [row["z_centre"][-1] - row["z_centre"][0] for row in select(rows, data=data, variant=method)]
        falls.append(float(np.mean(moved) / max(np.std(moved, ddof=1), 1e-4)))
    clear = sum(fall < -0.8 for fall in falls)
    rises = [method for method, fall in zip(SIX, falls) if fall > 0.8]
    return clear == len(SIX), f"clearly shorter in {clear} of 6, clearly longer: {', '.join(rises) or 'none'}"


def _tracks_at_length(rows: Rows, data: str) -> tuple[bool, str]:
    mine = [row for row in select(rows, data=data) if row["variant"] in SIX]
    center, low, high = _bootstrap([_rho(row["z_centre"], row["knn"]) for row in mine])
    return high < -0.3, f"rho {center:+.2f} [{low:+.2f}, {high:+.2f}]"


def _removed_at_length(rows: Rows, data: str) -> tuple[bool, str]:
    control, *removed = (_ends(rows, name, data, "z_centre") for name in REMOVALS)
    gains = [_effect(rows, data, name, REMOVALS[0], "knn") for name in REMOVALS[1:]]
    centres = ", ".join(f"{np.mean(values):.3f}" for values in (control, *removed))
    holds = min(control) > 0.9 and max(map(max, removed)) < 0.1 and min(gains) > 0.8
    return holds, f"c2 {centres}; k-NN gains {gains[0]:+.1f} and {gains[1]:+.1f} deviations"


def _u_shape(rows: Rows, data: str) -> tuple[bool, str]:
    worth = {weight: _worth(rows, f"lambda {weight:g}", data) for weight in WEIGHTS}
    best = max(INSIDE, key=lambda weight: worth[weight])
    gains = {weight: _effect(rows, data, f"lambda {best:g}", f"lambda {weight:g}", "knn") for weight in (0.0, 2.0, 5.0)}
    said = ", ".join(f"{value:.3f} at {weight:g}" for weight, value in worth.items())
    return min(gains.values()) > 0.8, f"k-NN {said}"


def _alike_in_the_plane(rows: Rows) -> tuple[str, str]:
    """Judge whether a and c2 tell a map that keeps four groups from one that keeps two."""
    found = {variant: select(rows, variant=variant) for variant in PLANE}
    if not all(found.values()):
        return "", "open: runs are missing"
    said = "; ".join(
        f"{variant}: a {mean(of, 'alignment'):.3f}, c2 {mean(of, 'centre'):+.3f}, k-NN {mean(of, 'knn'):.3f}"
        for variant, of in found.items()
    )
    two, four = ({name: mean(found[v], name) for name in ("alignment", "centre", "knn")} for v in PLANE[:2])
    same = abs(two["alignment"] - four["alignment"]) < 0.01 and abs(two["centre"] - four["centre"]) < 0.01
    return said, reproduced(not (same and four["knn"] > two["knn"] + 0.4))


def _simplified(rows: Rows) -> tuple[str, str]:
    point, shape = [], []
    for batch, kind in KINDS:
        group = {w: select(rows, variant=f"{batch}-batch, {kind}, lambda {w:g}") for w in TOY_LAMBDAS}
        inside = [row["centre"] for w in INSIDE for row in group[w]]
        point.append(min(row["centre"] for row in group[0]) > 0.9 and max(inside) < 0.1)
        knn = {w: round(mean(mine, "knn"), 3) for w, mine in group.items()}
        shape.append(max(knn[w] for w in INSIDE) > max(knn[w] for w in (0, 2, 5)) + 0.01)
    said = f"collapse as said in {sum(point)} of 4 settings, the U in {sum(shape)}"
    return said, f"point collapse: {_judged(point)}; U-shape: {_judged(shape)}"


CLAIMS = [
    Claim("H0a: all six methods raise a and shorten the centre", "abstract", "runs", _six),
    Claim("H0b: k-NN is better where the centre is shorter", "abstract", "runs", _tracks),
    Claim("H1: SimSiam needs no predictor if the centre is removed", "theory", "runs",
          partial(_in_every_cell, _removal, "c2: ")),
    Claim("H2: Barlow Twins without decorrelation keeps off the point and loses rank", "theory", "runs",
          partial(_in_every_cell, _decorrelation, "")),
    Claim("H3: SwAV's prototypes need not learn", "theory", "runs", partial(_in_every_cell, _prototypes, "")),
    Claim("H4: BYOL's centre and k-NN depend on the momentum", "theory", "runs", partial(_in_every_cell, _momenta, "")),
    Claim("H5: -a + lambda c2 collapses at 0 and not inside (0, 1); best inside", "theory", "toy", _simplified),
    Claim("a long a and a short centre say that a representation is good", "abstract", "plane", _alike_in_the_plane),
    Claim("longer, H0a: all six shorten the centre, by .8 deviations", "abstract", "longer",
          partial(_at_length, _shortens, SIX)),
    Claim("longer, H0b: rho of c2 and k-NN is below -.3", "abstract", "longer",
          partial(_at_length, _tracks_at_length, SIX)),
    Claim("longer, H1: no predictor where the centre is removed; k-NN gains .8 deviations", "theory", "longer",
          partial(_at_length, _removed_at_length, REMOVALS)),
    Claim("longer, H5: lambda inside (0, 1) is best by .8 deviations", "theory", "longer",
          partial(_at_length, _u_shape, tuple(f"lambda {weight:g}" for weight in WEIGHTS))),
]  # fmt: skip


def _last(rows: Rows) -> Rows:
    """Return the rows with the last value of every trajectory, and k-NN before training."""
    return [
        {name: value[-1] if isinstance(value, list) else value for name, value in row.items()}
        | ({"knn_untrained": row["knn"][0]} if isinstance(row["knn"], list) else {})
        for row in rows
    ]


TABLES = [
    Table("At the end of training", "runs", {"c2 of z": "z_centre", "a of z": "z_alignment", "rank of z": "z_rank",
          "c2 of h": "h_centre", "k-NN": "knn", "k-NN untrained": "knn_untrained"}),
    Table("At the end of longer runs", "longer", {"epochs": "epochs", "c2 of z": "z_centre",
          "a of z": "z_alignment", "rank of z": "z_rank", "k-NN": "knn", "k-NN untrained": "knn_untrained",
          "CPU seconds": "cpu_seconds"}),
    Table("Four groups in the plane", "plane", {"a": "alignment", "c2": "centre", "k-NN": "knn"}, ("variant",)),
    Table("The simplified objective on clusters", "toy",
          {"c2": "centre", "a": "alignment", "rank": "rank", "k-NN": "knn"},
          ("variant",)),
]  # fmt: skip


def panels(rows: Rows) -> list[Panel]:
    """Return c2 at the end of training on each data set, and what the least of -a + lambda c2 keeps in the plane."""
    made: list[Panel] = []
    ended = _last(select(rows, study="longer") or select(rows, study="runs"))
    for data in dict.fromkeys(row["data"] for row in ended):
        names = {name: name for name in (*SIX, "nothing removed", "T1 penalty", "T2 subtraction")}
        made.append(runner.dots(data, "c2 of z", select(ended, data=data), "z_centre", names, SIX))
    for row in select(rows, study="plane", seed=0):
        below = f"a {row['alignment']:.2f}, c2 {abs(row['centre']):.2f}, k-NN {row['knn']:.2f}"
        made.append(Circle(f"plane, {row['variant']}", row["angles"], below))
    return made


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, prepare=_last, panels=panels)

if __name__ == "__main__":
    PAPER.main()
