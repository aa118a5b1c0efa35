"""MUSIC (Niu and Wang 2022): no deep projector, no large batch, no large embedding; and better than its peers?

    python papers/music/music.py --data DIR

"terms": scikit-learn's digits, a fifth held out; a small residual network, 16 segments of 8 units, one hidden layer
in the projector, batch 256, AdamW at 2e-3 and 60 epochs unless the variant says otherwise. Measured on held-out rows:
a linear probe of the encoder; "units", the fraction of a segment's units that are some row's code; "confidence", the
mean of the largest probability of a segment; "information", the normalised mutual information of pairs of segments.

"peers": MUSIC, Barlow Twins and VICReg with one network and head (64, 256, D), batch 256, default weights, equal
epochs (digits 60, Fashion-MNIST at 14 px 10), 3000 training and 2000 test rows; "x3" is three times as long (seed 0,
D = 32).

Criteria, written before the runs: a "no ... needed" claim holds where the small setting is within .02 of the best of
base and large (peers: at most .01 below D = 256). "Better" holds where the 95% t-interval of MUSIC minus peer is
above 0 for both peers in 3 of the 4 cells.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner import (
    Claim,
    Difference,
    Row,
    Rows,
    Run,
    Table,
    block,
    by_seed,
    features,
    main,
    mean,
    paired,
    probe,
    raw_features,
    reproduced,
    select,
    train_once,
)  # fmt: skip

import data as sets
from isotropy.data import read
from isotropy.diagnostics.codes import bins_used, mutual_information
from isotropy.evaluation.baselines import collect
from isotropy.representation import embed_rows
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

WEIGHTS = ("diagonal_weight", "off_diagonal_weight", "transform_weight")
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
PEERS, SIZES, WIDTH = ("music", "barlow_twins", "vicreg"), (32, 256), 64
EPOCHS = {"digits": 60.0, "fashion": 10.0}
JITTER = {"views.jitter": [0.4, 0.4, 0.4, 0.1]}
VIEWS = {"digits": sets.DIGIT_VIEWS | JITTER, "fashion": {"views.flip": 0.5, "views.scale": [0.2, 1.0]} | JITTER}


def terms(recipe: Recipe, quick: bool) -> Row:
    """Train MUSIC on digits and measure its codes."""
    labels = sets.load_digits().target
    made = train_once(recipe, read(sets.digit_pixels(), label=labels, modality="image"), quick=quick)
    prepared, method = made.prepared, made.prepared.method
    whole = torch.nn.Sequential(method.encoder, method.projector)
    logits = torch.from_numpy(embed_rows(whole, prepared.preprocess.to_input, prepared.rows[prepared.test]))
    segments, units = method.projector.num_segments, method.projector.units
    codes = method.projector.codes(logits).numpy()
    pairs = mutual_information(codes, units)[np.triu_indices(segments, 1)]
    return made.row | probe(features(prepared)) | {
        "units": round(float(bins_used(codes).mean() / units), 4),
        "confidence": round(float(logits.view(len(codes), segments, units).softmax(2).amax(2).mean()), 4),
        "information": round(float(np.nanmean(pairs)), 4) if np.isfinite(pairs).any() else None,
    }  # fmt: skip


def peer(recipe: Recipe, folder: Path | None, name: str, quick: bool) -> Row:
    """Train one of the three."""
    made = train_once(recipe, rows_of(name, folder), quick=quick)
    return made.row | probe(features(made.prepared))


def baseline(recipe: Recipe, folder: Path | None, name: str, which: str, quick: bool) -> Row:
    """Score what needs no training."""
    prepared = prepare(recipe, rows_of(name, folder))
    x, train_y, x_test, test_y = features(prepared, prepared.untrained().eval())
    raw, _, raw_test, _ = raw_features(prepared)
    pairs = collect(raw, raw_test, width=WIDTH, untrained=(x, x_test))
    one, other = next(pair for key, pair in pairs.items() if key.startswith(which))
    return probe((one, train_y, other, test_y))


def rows_of(name: str, folder: Path | None) -> Any:
    """Return a data set of the peers."""
    return sets.digits() if name == "digits" else sets.fashion(folder)


def runs(folder: Path | None, seeds: int) -> Iterator[Run]:
    """Return all runs."""
    for seed in range(seeds):
        for variant, changes in VARIANTS.items():
            recipe = Recipe.default("music", "image").changed(BASE | {"train.seed": seed} | changes)
            yield Run("terms", "digits", variant, seed, partial(terms, recipe), recipe.to_toml())
        for name in EPOCHS:
            for size, longer in ((32, 1), (256, 1), *([(32, 3)] if seed == 0 else [])):
                for method in PEERS:
                    head = {"method.projector": [256, size]}
                    head |= {"method.num_segments": size // 8} if method == "music" else {}
                    settings = {
                        "encoder.stem": 8,
                        "encoder.width": WIDTH,
                        "train.batch_size": 256,
                        **VIEWS[name],
                        **head,
                    }
                    settings |= {"train.epochs": EPOCHS[name] * longer, "train.seed": seed}
                    recipe = Recipe.default(method, "image").changed(settings)
                    variant = f"{method}, D = {size}" + (f", x{longer}" if longer > 1 else "")
                    yield Run("peers", name, variant, seed, partial(peer, recipe, folder, name), recipe.to_toml())
            for which in ("untrained", *(("raw", "PCA") if seed == 0 else ())):
                yield Run("peers", name, which, seed, partial(baseline, recipe, folder, name, which), recipe.to_toml())


def needs_no(small: str, large: str, rows: Rows) -> tuple[str, str]:
    """Judge a setting that is said to be large enough."""
    base, one, other = (mean(rows, "linear", variant=name) for name in ("full", small, large))
    said = f"probe {base:.3f}; {small}: {one:.3f}; {large}: {other:.3f}"
    return said, reproduced(one > max(base, other) - 0.02)


def units(variant: str, bound: float, least: bool, rows: Rows) -> tuple[str, str]:
    """Judge how many units are used."""
    used = mean(rows, "units", variant=variant)
    return f"{used:.2f}", reproduced(used >= bound if least else used <= bound)


def uniform(rows: Rows) -> tuple[str, str]:
    """Judge the off-diagonal term alone."""
    confidence, score = (mean(rows, name, variant="off-diagonal alone") for name in ("confidence", "linear"))
    full = mean(rows, "linear", variant="full")
    said = f"mean largest probability {confidence:.3f} (uniform: .125), probe {score:.3f} (full: {full:.3f})"
    return said, reproduced(confidence < 0.2 and score < full - 0.1)


def better(rows: Rows) -> tuple[str, str]:
    """Judge MUSIC beside its peers."""
    said, won, complete = [], 0, 0
    for name in EPOCHS:
        for size in SIZES:
            gaps = [gap(rows, name, f"music, D = {size}", f"{other}, D = {size}") for other in PEERS[1:]]
            said.append(f"{name}, D = {size}: {gaps[0]} to Barlow Twins, {gaps[1]} to VICReg")
            complete += all(each is not None and each.pairs >= 3 for each in gaps)
            won += all(each is not None and each.low > 0 for each in gaps)
    verdict = reproduced(won >= 3) if complete == 4 else "open: seeds are missing"
    return f"above both in {won} of {complete} complete cells. " + "; ".join(said), verdict


def gap(rows: Rows, name: str, one: str, other: str) -> Difference | None:
    """Return the paired difference of two variants on a data set."""
    return paired(*(by_seed(rows, "linear", data=name, variant=variant) for variant in (one, other)))


def small_embedding(rows: Rows) -> tuple[str, str] | None:
    """Judge D = 32 beside D = 256."""
    losses = {name: gap(rows, name, "music, D = 32", "music, D = 256") for name in EPOCHS}
    if not all(loss and loss.pairs >= 3 for loss in losses.values()):
        return None
    said = "; ".join(f"{name}: D = 32 minus D = 256 {loss}" for name, loss in losses.items())
    return said, reproduced(all(loss is not None and loss.mean >= -0.01 for loss in losses.values()))


def same_order(name: str, rows: Rows) -> tuple[str, str]:
    """Judge whether a run three times as long ranks the three alike (seed 0)."""
    orders, said = [], []
    for end in ("", ", x3"):
        found = {m: mean(select(rows, seed=0), "linear", data=name, variant=f"{m}, D = 32{end}") for m in PEERS}
        orders.append(sorted(found, key=lambda m: -found[m]))
        said.append(", ".join(f"{m} {found[m]:.3f}" for m in orders[-1]))
    return f"{said[0]}; longer: {said[1]}", "holds" if orders[0] == orders[1] else "changes"


CLAIMS = [
    Claim("all three terms: at least .9 of a segment's units are used", "section 3", "terms",
          partial(units, "full", 0.9, True)),
    Claim("the transform term alone: at most .4", "section 3", "terms", partial(units, "transform alone", 0.4, False)),
    Claim("the off-diagonal term alone: all units equally likely, little is learnt", "section 3", "terms", uniform),
    Claim("no deep projector is needed", "abstract", "terms",
          partial(needs_no, "projector without a hidden layer", "projector with two hidden layers")),
    Claim("no large batch is needed", "abstract", "terms", partial(needs_no, "batch 64", "batch 512")),
    Claim("no large embedding is needed", "abstract", "terms",
          partial(needs_no, "embedding of 32 (4 segments)", "embedding of 512 (64 segments)")),
    Claim("the same, beside its peers", "abstract", "peers", small_embedding),
    Claim("better than Barlow Twins and VICReg at equal budget and embedding size", "abstract", "peers", better),
    *(Claim(f"the order on {name} is the same at three times the length", "ours", "peers", partial(same_order, name))
      for name in EPOCHS),
]  # fmt: skip
TABLES = [
    Table("Terms, heads, batches and embeddings on digits", "terms", {
        "linear probe": "linear", "units used": "units", "largest probability": "confidence",
        "information of pairs": "information"}, ("variant",)),
    Table("Beside its peers", "peers", {"CPU seconds": "cpu_seconds", "linear": "linear", "k-NN": "knn"}),
]  # fmt: skip


def page(rows: Rows) -> str:
    """Return what stands in the README."""
    return block(rows, CLAIMS, TABLES)


if __name__ == "__main__":
    main(__file__, __doc__, runs, page)
