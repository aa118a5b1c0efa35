"""LFR beside its peers on the authors' rows, by the authors' evaluation: at a budget, and longer."""

from functools import cache
from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
import torch
from pages import OPEN, beside, reproduced
from progress import Checkpoints
from rows import Row, Rows, by_seed, differences, mean, paired, select
from scores import features, few_labels, scored
from sklearn.linear_model import LogisticRegression
from torch import nn
from train import train_once

from isotropy.data import Data, read
from isotropy.evaluation import knn_probe
from isotropy.runs.prepare import prepare
from isotropy.runs.recipe import Recipe

RECIPES = Path(__file__).parents[2] / "recipes"
PUBLISHED = {"har": 0.931, "epilepsy": 0.979, "income": 0.852}
PEERS = {
    "har": ("lfr", "autoencoder", "diet", "ts_tcc"),
    "epilepsy": ("lfr", "autoencoder", "diet", "ts_tcc"),
    "income": ("lfr", "autoencoder", "diet", "scarf", "stab"),
}
RANDOM, RAW, BUDGET = "random encoder", "raw features", 12.0
SERIES: dict[str, Any] = {
    "encoder": "series_cnn",
    "optim.name": "adam", "optim.lr": 3e-4, "optim.weight_decay": 3e-4, "optim.betas": (0.9, 0.99), "optim.warmup": 0.0,
    "optim.final": 1.0, "optim.decay_vectors": True, "train.batch_size": 128, "train.keep_last": True,
}  # fmt: skip
# The authors' settings of their baselines on series.
BASELINES: dict[str, dict[str, Any]] = {
    "autoencoder": {"train.epochs": 200.0},
    "diet": {"train.epochs": 500.0, "method.label_smoothing": 0.8},
}


@cache
def authors_rows(name: str, folder: Path | None) -> Data:
    """Return the authors' rows: four fifths of the training part, drawn with their seed, and the test part."""
    if name == "income":
        data = read(sets.path(folder, "adult.parquet"), label="income", split="split")
        return data.take(np.flatnonzero(~(data.values == "?").any(axis=1).to_numpy()))
    if name == "epilepsy":
        content = np.load(sets.path(folder, "epilepsy.npz"))
        where = np.where(content["is_test_random"], "test", "train")
        labels = (content["y"] != 0).astype(np.int8)
        data = read(content["X"].astype(np.float32)[:, None], modality="series", label=labels, split=where)
    else:
        data = sets.whole("har", folder)
    train = np.random.default_rng(42).permutation(data.part("train"))
    return data.take(np.sort(np.concatenate([train[: round(0.8 * len(train))], data.part("test")])))


def peer_recipe(method: str, name: str, seed: int) -> Recipe:
    """Return the authors' settings of a method."""
    if method in BASELINES and name != "income":
        recipe = Recipe.default(method, "series").changed({**SERIES, **BASELINES[method]})
    else:
        recipe = Recipe.from_toml(RECIPES / f"{method}-{name}.toml")
    return recipe.changed({"train.seed": seed, **({"method.target_width": 256} if method == "lfr" else {})})


def _layer(train_x: torch.Tensor, train_y: torch.Tensor, test_x: torch.Tensor, seed: int) -> Any:
    """Return what one linear layer, trained as the authors do, predicts of the test rows."""
    torch.manual_seed(seed)
    model = nn.Linear(train_x.shape[1], int(train_y.max()) + 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-4, betas=(0.9, 0.99), weight_decay=3e-4, foreach=True)
    for _ in range(100):
        order = torch.randperm(len(train_x))
        for rows in order[: len(order) // 128 * 128].split(128):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(train_x[rows]), train_y[rows]).backward()
            optimiser.step()
    with torch.no_grad():
        return model(test_x).argmax(dim=1).numpy()


def _authors_evaluation(name: str, vectors: Any, seed: int) -> Row:
    """Return the authors' linear evaluation and, beside it, k-NN."""
    train_x, labels, test_x, truth = vectors
    classes, train_y = np.unique(labels, return_inverse=True)
    more: Row = {}
    if name == "income":
        model = LogisticRegression(C=1.0, max_iter=1000).fit(train_x, train_y)
        predicted, more["probe_steps"] = model.predict(test_x), int(model.n_iter_[0])
    else:
        predicted = _layer(torch.from_numpy(train_x), torch.from_numpy(train_y), torch.from_numpy(test_x), seed)
    more |= scored("linear", (classes[predicted] == truth).astype(np.float64)[:, None])
    return more | {"knn": round(knn_probe(train_x, labels, test_x, truth, metric="accuracy").score, 4)}


def at_budget(recipe: Recipe, method: str, name: str, folder: Path | None, quick: bool) -> Row:
    """Train for the budget, or not at all, and evaluate as the authors do."""
    rows, seed = authors_rows(name, folder), recipe.train.seed
    if method in (RAW, RANDOM):
        prepared = prepare(recipe, rows)
        untrained: Any = prepared.untrained().eval()
        raw = untrained.expand if name == "income" else nn.Flatten()
        return _authors_evaluation(name, features(prepared, raw if method == RAW else untrained), seed)
    made = train_once(recipe, rows, cpu_seconds=BUDGET, quick=quick)
    fraction = {"fraction": round(made.row["epochs"] / recipe.train.epochs, 4), "budget": BUDGET}
    return made.row | fraction | _authors_evaluation(name, features(made.prepared), seed)


LENGTH = {"har": 60.0, "epilepsy": 60.0, "income": 100.0}
LONGER = {
    "har": ("lfr", "autoencoder", "diet", "ts_tcc", "simclr"),
    "epilepsy": ("lfr", "autoencoder"),
    "income": ("lfr", "autoencoder", "scarf", "stab"),
}
PUBLISHED_WIDTH, QUARTERS = "lfr, published width", (0.25, 0.5, 0.75, 1.0)


def longer_recipe(method: str, name: str, seed: int) -> Recipe:
    """Return the recipe of a method at greater length."""
    if method == "simclr":
        recipe = Recipe.default(method, "series").changed({**SERIES, "train.seed": seed})
    elif method == PUBLISHED_WIDTH:
        recipe = Recipe.from_toml(RECIPES / f"lfr-{name}.toml").changed({"train.seed": seed})
    else:
        recipe = peer_recipe(method, name, seed)
    return recipe.changed({"train.epochs": LENGTH[name]})


def longer(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train, and evaluate as the authors do at every quarter; then with ten labels a class."""
    seed = recipe.train.seed
    curve = Checkpoints(QUARTERS, lambda prepared: _authors_evaluation(name, features(prepared), seed))
    made = train_once(recipe, authors_rows(name, folder), quick=quick, watch=curve)
    vectors = features(made.prepared)
    few = {"few": few_labels(vectors, seed=seed), "curve": curve.columns(".4f").get("linear")}
    return made.row | _authors_evaluation(name, vectors, seed) | few


def reaches(name: str, rows: Rows) -> tuple[str, str]:
    """Judge the score within the budget by the published one."""
    score = mean(rows, "linear", data=name, variant="lfr")
    said = f"{score:.3f} (published {PUBLISHED[name]:.3f})"
    return said, reproduced(abs(score - PUBLISHED[name]) <= 0.01) + _length(rows)


def reaches_longer(name: str, rows: Rows) -> tuple[str, str] | None:
    """Judge the score at 30% of the authors' steps or more: within .01 of the published one, and the curve flat."""
    mine = select(rows, data=name, variant="lfr")
    if not mine:
        return None
    score, late = mean(mine, "linear"), float(np.mean([row["curve"][-1] - row["curve"][-2] for row in mine]))
    said = f"{score:.3f} (published {PUBLISHED[name]:.3f}), the last quarter of the training {late:+.3f}"
    if len(mine) < 3:
        return said, OPEN
    return said, reproduced(abs(score - PUBLISHED[name]) <= 0.01) + ("" if abs(late) < 0.005 else ", not flat")


def best_longer(name: str, column: str, rows: Rows) -> tuple[str, str] | None:
    """Judge LFR beside all others that ran so long."""
    return beside({other: paired(rows, "lfr", other, column, data=name) for other in LONGER[name][1:]})


def _length(rows: Rows) -> str:
    return "" if min(row.get("fraction", 1.0) for row in rows) > 0.99 else f" at {BUDGET:g} s (not the authors' length)"


def best(name: str, rows: Rows) -> tuple[str, str]:
    """Judge LFR beside all others; the difference to the raw features decides nothing, as in the paper."""
    gaps = {other: paired(rows, "lfr", other, data=name) for other in (*PEERS[name][1:], RANDOM)}
    complete = all(gap is not None and gap.pairs >= 3 for gap in gaps.values())
    holds = all(gap is not None and gap.low > 0 for gap in gaps.values())
    own, raw = (by_seed(rows, "linear", data=name, variant=variant) for variant in ("lfr", RAW))
    gaps[RAW] = differences(own, dict.fromkeys(own, raw[0])) if raw else None
    said = ", ".join(f"{gap} to {other}" for other, gap in gaps.items() if gap)
    return said, (reproduced(holds) + _length(rows)) if complete else OPEN
