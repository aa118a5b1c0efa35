"""All methods and modalities at equal budget: does a method beat its own encoder before training, and where?

    python papers/matrix/matrix.py --data DIR                    what is missing, three seeds
    python papers/matrix/matrix.py --data DIR --only lfr har     runs of these methods or data sets

"matrix": every method where its `modalities` say that it applies, 40 CPU seconds of the training loop in one process
with one thread (two calls may fill the same file at once); "x4" is four times as long. Fashion-MNIST (10,000 rows),
HAR and Adult for all; digits, Epilepsy and Dry Bean for the papers' methods, those for one modality alone, and those
that the first data set did not tell from the untrained encoder. Probes learn from at most 4000 stratified training
rows and are scored on at most 4000 test rows, the same for all. "baselines": what needs no training.

A "+" says that for every seed the 95% interval of the accuracy minus that of the same encoder before training, paired
over test rows, is above 0, a "-" that all are below. A method beats the untrained encoder where one probe has a + and
neither a -.

"cifar10": 10,000 CIFAR-10 images, small_resnet (width 128), 40 CPU seconds; lightly's published k-NN (50,000 images,
ResNet-18, 200 epochs) is beside it and decides nothing. "command line": `isotropy fit` with default recipes (the rows
hold the commands), one seed; these are made by hand.
"""

import copy
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner import (
    Claim,
    Row,
    Rows,
    Run,
    Table,
    dagger,
    features,
    main,
    markdown,
    mean,
    probe,
    select,
    table,
    train_once,
    verdicts,
)  # fmt: skip

import data as sets
from isotropy.diagnostics import effective_rank, mean_norm
from isotropy.evaluation import baselines
from isotropy.evaluation.splits import stratified
from isotropy.methods import METHODS
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe

BUDGET, PROBE_ROWS, MONITORED = 40.0, 4000, 512
MODALITY = {
    "adult": "table",
    "dry_bean": "table",
    "har": "series",
    "epilepsy": "series",
    "fashion": "image",
    "digits": "image",
}
FOR_ALL = ("adult", "har", "fashion")
# The papers' own methods and one to compare them with; those for one modality; those that HAR or Adult did not settle.
ALSO = {
    "lfr",
    "music",
    "cissl",
    "dissl",
    "center",
    "center_subtraction",
    "simclr",
    "simsiam",
    "barlow_twins",
    "stab",
    "diet",
}
ALSO |= {name for name, kind in METHODS.items() if kind.modalities}
LONGER = {"har": ("simsiam", "barlow_twins", "music", "center"), "fashion": ("diet", "stab")}
# Views in feature space and the same transformations of the input, on equivariant encoders.
HOSTS = ("simclr", "byol", "vicreg")
EQUIVARIANT: dict[str, tuple[str, str, dict[str, Any]]] = {
    f"{name}/{short}/{views}": (name, encoder, {"views.name": views} | more)
    for name, short, encoder, more in (
        ("fashion", "c4", "c4_cnn", {}),
        ("har", "cyclic", "cyclic_series_cnn", {"views.distance": 4}),
        ("har", "dilation", "dilation_cnn", {}),
    )
    for views in ("structured", "moved")
}
CIFAR, PUBLISHED = ("simclr", "vicreg", "music", "dissl", "swav"), {"simclr": 0.848, "swav": 0.842}
KINDS = ("linear", "knn")


def recipe_of(method: str, name: str, seed: int) -> Recipe:
    """Return the method's default recipe with the views (and encoder) that suit the data set."""
    base, encoder, views = EQUIVARIANT.get(name, (name, "", {}))
    recipe = Recipe.default(method, MODALITY[base]).changed({"train.seed": seed})
    if encoder:
        return recipe.changed({"encoder": encoder} | views)
    compares = METHODS[method].min_views > 1 or recipe.views
    digit = sets.DIGIT_VIEWS if name == "digits" and compares else {}
    return recipe.changed(
        {key: value for key, value in digit.items() if key.removeprefix("views.") not in recipe.views}
    )


def parts(prepared: Prepared) -> list[Any]:
    """Return at most 4000 rows of either part, stratified, with seed 0."""
    labels = prepared.data.labels
    return [part[stratified(labels[part], min(PROBE_ROWS, len(part)))] for part in (prepared.train, prepared.test)]


def health(prepared: Prepared) -> Row:
    """Return rank and mean norm on rows spread over the training part."""
    rows = prepared.train[np.linspace(0, len(prepared.train) - 1, min(MONITORED, len(prepared.train))).astype(int)]
    vectors = embed_rows(prepared.method.encoder, prepared.preprocess.to_input, prepared.rows[rows])
    rank = effective_rank(vectors)
    return {"effective_rank": None if np.isnan(rank) else round(rank, 2), "mean_norm": round(mean_norm(vectors), 4)}


def one(recipe: Recipe, name: str, folder: Path | None, seconds: float, quick: bool) -> Row:
    """Train one method and judge it beside its encoder before training."""
    rows = sets.cifar10(folder) if name == "cifar10" else sets.whole(EQUIVARIANT.get(name, (name,))[0], folder)
    prepared = prepare(recipe, rows)
    chosen = parts(prepared)
    before = probe(features(prepared, copy.deepcopy(prepared.method.encoder).eval(), chosen))
    untrained = {f"untrained_{kind}": before[kind] for kind in KINDS}
    untrained["untrained_rank"] = health(prepared)["effective_rank"]
    made = train_once(prepared, cpu_seconds=seconds, quick=quick)
    scores = probe(features(made.prepared, parts=chosen), before)
    return made.row | {"encoder": recipe.encoder} | scores | untrained | health(made.prepared)


def baseline(name: str, which: str, seed: int, folder: Path | None, quick: bool) -> Row:
    """Score what needs no training: raw features, PCA, summary features, the untrained encoder."""
    if name == "cifar10":
        settings = {"encoder.stem": 8, "encoder.width": 128, "train.seed": seed}
        prepared = prepare(Recipe.default("simclr", "image").changed(settings), sets.cifar10(folder))
    else:
        prepared = prepare(recipe_of("simclr", name, seed), sets.whole(name, folder))
    chosen = parts(prepared)
    labels = prepared.data.labels
    if which == "untrained encoder":
        vectors = features(prepared, prepared.untrained().eval(), chosen)
    else:
        raw = [prepared.preprocess.features(prepared.rows[part]) for part in chosen]
        series = [prepared.rows[part].numpy() for part in chosen] if prepared.recipe.modality == "series" else None
        found = baselines.collect(*raw, width=prepared.method.encoder.width, series=series)
        x, y = next(pair for key, pair in found.items() if key.startswith(which))
        vectors = x, labels[chosen[0]], y, labels[chosen[1]]
    return {"width": int(vectors[0].shape[1])} | probe(vectors)


def runs(folder: Path | None, seeds: int) -> Iterator[Run]:
    """Return all runs."""
    for seed in range(seeds):
        for name, modality in MODALITY.items():
            if seed == 0:
                for which in ("raw features", "PCA", *(("summary features",) if modality == "series" else ())):
                    yield Run("baselines", name, which, 0, partial(baseline, name, which, 0, folder))
            for method, kind in METHODS.items():
                if kind.takes(modality) and (name in FOR_ALL or method in ALSO):
                    recipe = recipe_of(method, name, seed)
                    for end, longer in (
                        ("", 1),
                        *([(", x4", 4)] if seed == 0 and method in LONGER.get(name, ()) else []),
                    ):
                        make = partial(one, recipe, name, folder, longer * BUDGET)
                        yield Run("matrix", name, method + end, seed, make, recipe.to_toml())
        for name in EQUIVARIANT if seed == 0 else ():
            for method in HOSTS:
                recipe = recipe_of(method, name, seed)
                yield Run("matrix", name, method, seed, partial(one, recipe, name, folder, BUDGET), recipe.to_toml())
        for which in ("untrained encoder", "raw features", "PCA") if seed == 0 else ():
            yield Run("cifar10", "cifar10", which, 0, partial(baseline, "cifar10", which, 0, folder))
        for method in CIFAR if seed == 0 else ():
            settings = {"encoder.stem": 8, "encoder.width": 128, "train.batch_size": 256, "train.seed": seed}
            recipe = Recipe.default(method, "image").changed(settings)
            make = partial(one, recipe, "cifar10", folder, BUDGET)
            yield Run("cifar10", "cifar10", method, seed, make, recipe.to_toml())


# What stands in the README, here and on the pages of the methods (docs/build_methods.py)


def mark(rows: Rows, kind: str) -> str:
    """Return + where every seed's interval of the gain is above 0, - where all are below, else =."""
    if all(row[f"gain_{kind}_low"] > 0 for row in rows):
        return "+"
    return "-" if all(row[f"gain_{kind}_high"] < 0 for row in rows) else "="


def score(values: list[float]) -> str:
    """Return the mean of scores, with their range where there are several."""
    center, low, high = (f"{x:.3f}".removeprefix("0") for x in (np.mean(values), min(values), max(values)))
    return center if len(values) == 1 else f"{center} ({low} to {high})"


def scores(rows: Rows) -> list[str]:
    """Return both probes of a method with its marks."""
    return [f"{score([row[kind] for row in rows])} {mark(rows, kind)}{dagger(rows)}" for kind in KINDS]


def modality_table(rows: Rows, modality: str) -> str:
    """Return the matrix of a modality: baselines, untrained encoders and methods."""
    names = [name for name, kind in MODALITY.items() if kind == modality]
    lines: dict[str, list[str]] = {}
    titles = [*dict.fromkeys(row["variant"] for row in select(rows, study="baselines") if row["data"] in names)]
    titles.sort(key=lambda title: title.startswith("untrained"))
    for position, name in enumerate(names):
        for title in titles:
            found = select(rows, study="baselines", data=name, variant=title)
            cells = [score([row[kind] for row in found]) if found else "" for kind in KINDS]
            lines.setdefault(title, ["", ""] * position).extend(cells)
        for method in METHODS:
            for end in ("", ", x4"):
                found = select(rows, study="matrix", data=name, variant=method + end)
                lines.setdefault(f"`{method}`{end}", ["", ""] * position).extend(scores(found) if found else ["", ""])
    heads = ["", *(f"{name}, {kind}" for name in names for kind in ("linear", "k-NN"))]
    return markdown(heads, [[title, *cells] for title, cells in lines.items() if any(cells)])


def where(rows: Rows) -> str:
    """Return per method where it beats the untrained encoder: in one probe at least, and loses in neither."""
    lines = []
    for method in METHODS:
        places: dict[str, list[str]] = {"+": [], "+-": [], "-": [], "": []}
        for name in MODALITY:
            if found := select(rows, study="matrix", data=name, variant=method):
                places["".join(sorted({mark(found, kind) for kind in KINDS} & {"+", "-"}))].append(name)
        if any(places.values()):
            lines.append([f"`{method}`", *(f"{len(at)}: {', '.join(at)}" if at else "" for at in places.values())])
    return markdown(["method", "beats the untrained encoder on", "mixed", "loses on", "neither"], lines)


def equivariant_table(rows: Rows) -> str:
    """Return views in feature space beside the same transformations of the input."""
    lines = []
    for base in dict.fromkeys(name.rsplit("/", 1)[0] for name in EQUIVARIANT):
        for host in HOSTS:
            pair = [
                select(rows, study="matrix", data=f"{base}/{kind}", variant=host) for kind in ("structured", "moved")
            ]
            if all(pair):
                cells = [cell for found in pair for cell in (scores(found)[0], f"{found[0]['epochs']:g}")]
                lines.append([base, f"`{host}`", *cells, score([row["untrained_linear"] for row in pair[0]])])
    return markdown(
        ["data and network", "method", "structured", "epochs", "moved inputs", "epochs", "untrained"], lines
    )


def method_table(rows: Rows, method: str) -> str:
    """Return a method's rows of the matrix, with the best that needs no training beside them."""
    lines = []
    for name in MODALITY:
        for end, said in (("", ""), (", x4", ", four times as long")):
            if not (found := select(rows, study="matrix", data=name, variant=method + end)):
                continue
            cells = []
            for kind in KINDS:
                gain = mean(found, f"gain_{kind}")
                before = score([mean(found, kind) - gain])
                cells += [before, f"{gain:+.3f} {mark(found, kind)}{dagger(found)}".replace("0.", ".", 1)]
            free = [
                row for row in select(rows, study="baselines", data=name) if not row["variant"].startswith("untrained")
            ]
            best = [max(free, key=lambda row, kind=kind: row[kind]) for kind in KINDS]
            others = [f"{score([row[kind]])} ({row['variant']})" for kind, row in zip(KINDS, best)]
            lines.append([name + said, f"{len(found)}, {found[0]['epochs']:g}", *cells, *others])
    heads = [
        "data",
        "seeds, epochs",
        "linear probe, untrained",
        "gain",
        "k-NN, untrained",
        "gain",
        "best baseline, linear probe",
        "best baseline, k-NN",
    ]
    return markdown(heads, lines)


def beats_untrained(rows: Rows) -> tuple[str, str]:
    """Judge the five methods on CIFAR-10 beside their encoder before training."""
    said, holds = [], []
    for method in CIFAR:
        found = select(rows, variant=method)[0]
        prefix = "over_untrained_" if "over_untrained_knn" in found else "gain_"
        said.append(f"{method} k-NN {found[prefix + 'knn']:+.3f}, linear {found[prefix + 'linear']:+.3f}")
        holds.append(min(found[f"{prefix}{kind}_low"] for kind in KINDS) > 0)
    return "; ".join(said), "holds for all five (one seed)" if all(holds) else "does not hold for all"


def published(rows: Rows) -> tuple[str, str]:
    """Set k-NN beside the published scores, which no run of this size can reach."""
    said = [f"{method} {mean(rows, 'knn', variant=method):.3f}" for method in CIFAR]
    free = [f"{name} {mean(rows, 'knn', variant=name):.3f}" for name in ("untrained encoder", "raw features", "PCA")]
    return ", ".join(said + free), "out of reach here: no comparison of like with like"


CLAIMS = [
    Claim("k-NN on CIFAR-10: SimCLR .848, SwAV .842", "lightly's table, 200 epochs, ResNet-18", "cifar10", published),
    Claim("at this size the five beat their untrained encoder", "ours", "cifar10", beats_untrained),
]
TABLES = [
    Table("CIFAR-10, 40 CPU seconds", "cifar10", {"epochs": "epochs", "k-NN": "knn", "linear": "linear"}, ("variant",)),
    Table("`isotropy fit` with default recipes, one seed", "command line", {
        "epochs": "epochs", "linear": "linear", "untrained": "untrained_linear", "raw": "raw_linear",
        "PCA": "pca_linear",
        "summary": "summary_linear", "k-NN": "knn"}, ("data", "variant", "outcome")),
]  # fmt: skip


def page(rows: Rows) -> str:
    """Return what stands in the README."""
    heads = {"table": "Tables", "series": "Series", "image": "Images"}
    made = [f"## {title}\n\n{modality_table(rows, kind)}" for kind, title in heads.items()]
    made += [f"## Where a method beats its untrained encoder\n\n{where(rows)}"]
    made += [f"## Views in feature space beside the same transformations of the input\n\n{equivariant_table(rows)}"]
    made += [f"## Published scores\n\n{verdicts(rows, CLAIMS)}"]
    return "\n\n".join(made + [f"**{each.title}**\n\n{table(rows, each)}" for each in TABLES])


if __name__ == "__main__":
    main(__file__, __doc__, runs, page)
