"""All methods and modalities at equal budget: does a method beat its own encoder before training, and where?"""

import sys
from collections.abc import Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
from pages import Claim, Table, dagger, markdown
from results import Run
from rows import Row, Rows, mean, select, short
from runner import Paper
from scores import baseline, embedded, features, probe, spread_rows
from train import plain_recipe, train_once

from isotropy.data import Data
from isotropy.diagnostics import effective_rank, mean_norm
from isotropy.evaluation.splits import stratified
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe

BUDGET, PROBE_ROWS, MONITORED = 40.0, 4000, 512
MODALITY = {
    "adult": "table", "dry_bean": "table", "har": "series", "epilepsy": "series", "fashion": "image", "digits": "image",
}  # fmt: skip
FOR_ALL = ("adult", "har", "fashion")
# The papers' own methods and one to compare them with; those that HAR or Adult did not settle; those for one modality.
ALSO = {"lfr", "music", "cissl", "dissl", "center", "center_subtraction", "simclr"}
ALSO |= {"simsiam", "barlow_twins", "stab", "diet"}
ALSO |= {name for name, kind in METHODS.items() if kind.modalities}
LONGER = {"har": ("simsiam", "barlow_twins", "music", "center"), "fashion": ("diet", "stab")}
# Views in feature space and the same transformations of the input, on equivariant encoders.
HOSTS = ("simclr", "byol", "vicreg")
EQUIVARIANT: dict[str, tuple[str, dict[str, Any]]] = {
    f"{name}/{group}/{views}": (name, {"encoder": encoder, "views.name": views} | more)
    for name, group, encoder, more in (
        ("fashion", "c4", "c4_cnn", {}),
        ("har", "cyclic", "cyclic_series_cnn", {"views.distance": 4}),
        ("har", "dilation", "dilation_cnn", {}),
    )
    for views in ("structured", "moved")
}
CIFAR = ("simclr", "vicreg", "music", "dissl", "swav")
PAPERS = {"table": "table_mlp", "series": "series_cnn"}
KINDS = ("linear", "knn")


def _recipe_of(method: str, name: str, seed: int) -> Recipe:
    """Return the method's default recipe with the views (and encoder) that suit the data set."""
    base, settings = EQUIVARIANT.get(name, (name, {}))
    modality = MODALITY.get(base, "image")
    recipe = plain_recipe(method, modality)
    # The rows were measured on the papers' networks, which were the defaults.
    if recipe.encoder == MODALITIES[modality].default_encoder and modality in PAPERS:
        recipe = recipe.changed({"encoder": PAPERS[modality]})
    recipe = recipe.changed({"train.seed": seed} | settings)
    if name == "cifar10":
        return recipe.changed({"encoder.stem": 8, "encoder.width": 128, "train.batch_size": 256})
    digit = sets.DIGIT_VIEWS if name == "digits" and (METHODS[method].min_views > 1 or recipe.views) else {}
    return recipe.changed({key: x for key, x in digit.items() if key.removeprefix("views.") not in recipe.views})


def _rows_of(name: str, folder: Path | None) -> Data:
    return sets.cifar10(folder) if name == "cifar10" else sets.whole(EQUIVARIANT.get(name, (name,))[0], folder)


def _parts(prepared: Prepared) -> list[Any]:
    """Return at most 4000 rows of either part, stratified, with seed 0."""
    labels = np.asarray(prepared.data.labels)
    return [part[stratified(labels[part], min(PROBE_ROWS, len(part)))] for part in (prepared.train, prepared.test)]


def _health(prepared: Prepared, encoder: Any = None) -> Row:
    """Return rank and mean norm on rows spread over the training part."""
    vectors = embedded(prepared, spread_rows(prepared, MONITORED), encoder)
    return {
        "effective_rank": short(effective_rank(vectors), ".2f"),
        "mean_norm": round(mean_norm(vectors), 4),
    }


def _one(recipe: Recipe, name: str, folder: Path | None, seconds: float, quick: bool) -> Row:
    """Train one method and judge it beside its encoder before training."""
    made = train_once(recipe, _rows_of(name, folder), cpu_seconds=seconds, quick=quick)
    prepared, chosen = made.prepared, _parts(made.prepared)
    untrained = prepared.untrained().eval()
    before = probe(features(prepared, untrained, chosen))
    beside = {f"untrained_{kind}": before[kind] for kind in KINDS}
    beside["untrained_rank"] = _health(prepared, untrained)["effective_rank"]
    scores = probe(features(prepared, parts=chosen), before)
    return made.row | {"encoder": recipe.encoder} | scores | beside | _health(prepared)


def _baseline(name: str, which: str, folder: Path | None, quick: bool) -> Row:
    """Score what needs no training."""
    prepared = prepare(_recipe_of("simclr", name, 0), _rows_of(name, folder))
    vectors = baseline(prepared, which, _parts(prepared))
    return {"width": int(vectors[0].shape[1])} | probe(vectors)


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs of a seed."""

    def one(name: str, method: str, study: str = "matrix", longer: int = 1) -> Run:
        recipe = _recipe_of(method, name, seed)
        variant, make = method + (f", x{longer}" if longer > 1 else ""), partial(_one, recipe, name, folder)
        return Run(study, name, variant, seed, partial(make, longer * BUDGET), recipe.to_toml())

    for name, modality in MODALITY.items():
        for which in ("raw features", "PCA", *(("summary features",) if modality == "series" else ())):
            if seed == 0:
                yield Run("baselines", name, which, 0, partial(_baseline, name, which, folder))
        for method, kind in METHODS.items():
            if kind.takes(modality) and (name in FOR_ALL or method in ALSO):
                yield one(name, method)
                if seed == 0 and method in LONGER.get(name, ()):
                    yield one(name, method, longer=4)
    if seed == 0:
        yield from (one(name, method) for name in EQUIVARIANT for method in HOSTS)
        for which in ("untrained encoder", "raw features", "PCA"):
            yield Run("cifar10", "cifar10", which, 0, partial(_baseline, "cifar10", which, folder))
        yield from (one("cifar10", method, "cifar10") for method in CIFAR)


# What stands on the pages, here and of the methods (docs/build_methods.py)


def _mark(rows: Rows, kind: str) -> str:
    """Return + where every seed's interval of the gain is above 0, - where all are below, else =."""
    if all(row[f"gain_{kind}_low"] > 0 for row in rows):
        return "+"
    return "-" if all(row[f"gain_{kind}_high"] < 0 for row in rows) else "="


def _score(values: list[float]) -> str:
    """Return the mean of scores, with their range where there are several."""
    center, low, high = (f"{x:.3f}".removeprefix("0") for x in (np.mean(values), min(values), max(values)))
    return center if len(values) == 1 else f"{center} ({low} to {high})"


def _scores(rows: Rows) -> list[str]:
    """Return both probes of a method with its marks."""
    return [f"{_score([row[kind] for row in rows])} {_mark(rows, kind)}{dagger(rows)}" for kind in KINDS]


def _modality_table(rows: Rows, modality: str) -> str:
    """Return the matrix of a modality: baselines, untrained encoders and methods."""
    names = [name for name, kind in MODALITY.items() if kind == modality]
    free = select(rows, study="baselines")
    titles = [*dict.fromkeys(row["variant"] for row in free if row["data"] in names)]
    titles.sort(key=lambda title: title.startswith("untrained"))
    lines = [[title] for title in titles] + [[f"`{method}`{end}"] for method in METHODS for end in ("", ", x4")]
    for name in names:
        cells = [select(free, data=name, variant=title) for title in titles]
        shown = [[_score([row[kind] for row in found]) for kind in KINDS] if found else ["", ""] for found in cells]
        of = select(rows, study="matrix", data=name)
        cells = [select(of, variant=method + end) for method in METHODS for end in ("", ", x4")]
        shown += [_scores(found) if found else ["", ""] for found in cells]
        for line, more in zip(lines, shown, strict=True):
            line += more
    heads = ["", *(f"{name}, {kind}" for name in names for kind in ("linear", "k-NN"))]
    return markdown(heads, [line for line in lines if any(line[1:])])


def where(rows: Rows) -> str:
    """Return per method where it beats the untrained encoder: in one probe at least, and loses in neither."""
    lines = []
    for method in METHODS:
        places: dict[str, list[str]] = {"+": [], "+-": [], "-": [], "": []}
        for name in MODALITY:
            if found := select(rows, study="matrix", data=name, variant=method):
                places["".join(sorted({_mark(found, kind) for kind in KINDS} & {"+", "-"}))].append(name)
        if any(places.values()):
            lines.append([f"`{method}`", *(f"{len(at)}: {', '.join(at)}" if at else "" for at in places.values())])
    return markdown(["method", "beats the untrained encoder on", "mixed", "loses on", "neither"], lines)


def _equivariant_table(rows: Rows) -> str:
    """Return views in feature space beside the same transformations of the input."""
    lines = []
    for base in dict.fromkeys(name.rsplit("/", 1)[0] for name in EQUIVARIANT):
        for host in HOSTS:
            of = select(rows, study="matrix", variant=host)
            pair = [select(of, data=f"{base}/{kind}") for kind in ("structured", "moved")]
            if all(pair):
                cells = [cell for found in pair for cell in (_scores(found)[0], f"{found[0]['epochs']:g}")]
                lines.append([base, f"`{host}`", *cells, _score([row["untrained_linear"] for row in pair[0]])])
    heads = ["data and network", "method", "structured", "epochs", "moved inputs", "epochs", "untrained"]
    return markdown(heads, lines)


def method_table(rows: Rows, method: str) -> str:
    """Return a method's rows of the matrix, with the best that needs no training beside them."""
    lines = []
    for name in MODALITY:
        free = [row for row in select(rows, study="baselines", data=name) if not row["variant"].startswith("untrained")]
        for end, said in (("", ""), (", x4", ", four times as long")):
            if not (found := select(rows, study="matrix", data=name, variant=method + end)):
                continue
            cells, others = [], []
            for kind in KINDS:
                gain = mean(found, f"gain_{kind}")
                shown = f"{gain:+.3f} {_mark(found, kind)}{dagger(found)}".replace("0.", ".", 1)
                cells += [_score([mean(found, kind) - gain]), shown]
                best = max(free, key=itemgetter(kind))
                others.append(f"{_score([best[kind]])} ({best['variant']})")
            lines.append([name + said, f"{len(found)}, {found[0]['epochs']:g}", *cells, *others])
    probes = ["linear probe, untrained", "gain", "k-NN, untrained", "gain"]
    probes += ["best baseline, linear probe", "best baseline, k-NN"]
    return markdown(["data", "seeds, epochs", *probes], lines)


def _beats_untrained(rows: Rows) -> tuple[str, str]:
    """Judge the five methods on CIFAR-10 beside their encoder before training."""
    said, holds = [], []
    for method in CIFAR:
        found = select(rows, variant=method)[0]
        prefix = "over_untrained_" if "over_untrained_knn" in found else "gain_"
        said.append(f"{method} k-NN {found[prefix + 'knn']:+.3f}, linear {found[prefix + 'linear']:+.3f}")
        holds.append(min(found[f"{prefix}{kind}_low"] for kind in KINDS) > 0)
    return "; ".join(said), "holds for all five (one seed)" if all(holds) else "does not hold for all"


def _published(rows: Rows) -> tuple[str, str]:
    """Set k-NN beside the published scores, which no run of this size can reach."""
    names = (*CIFAR, "untrained encoder", "raw features", "PCA")
    said = ", ".join(f"{name} {mean(rows, 'knn', variant=name):.3f}" for name in names)
    return said, "out of reach here: no comparison of like with like"


CLAIMS = [
    Claim("k-NN on CIFAR-10: SimCLR .848, SwAV .842", "lightly's table, 200 epochs, ResNet-18", "cifar10", _published),
    Claim("at this size the five beat their untrained encoder", "ours", "cifar10", _beats_untrained),
]
TABLES = [
    Table("CIFAR-10, 40 CPU seconds", "cifar10", {"epochs": "epochs", "k-NN": "knn", "linear": "linear"}, ("variant",)),
    Table("`isotropy fit` with default recipes, one seed", "command line", {
        "epochs": "epochs", "linear": "linear", "untrained": "untrained_linear", "raw": "raw_linear",
        "PCA": "pca_linear",
        "summary": "summary_linear", "k-NN": "knn"}, ("data", "variant", "outcome")),
]  # fmt: skip


def _back(rows: Rows) -> list[str]:
    heads = {"table": "Tables", "series": "Series", "image": "Images"}
    made = [f"## {title}\n\n{_modality_table(rows, kind)}" for kind, title in heads.items()]
    made += [f"## Where a method beats its untrained encoder\n\n{where(rows)}"]
    views = "## Views in feature space beside the same transformations of the input"
    return [*made, f"{views}\n\n{_equivariant_table(rows)}"]


PAPER = Paper(__file__, __doc__, runs, CLAIMS, TABLES, back=_back)

if __name__ == "__main__":
    PAPER.main()
