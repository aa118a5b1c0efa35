"""Vectors and scores of what a run trained, and of what needs no training."""

from typing import Any

import numpy as np
import torch
from rows import Row
from torch import nn
from train import train_once

from isotropy import Recipe
from isotropy.data import Data
from isotropy.evaluation import baselines, knn_probe, linear_probe
from isotropy.evaluation.intervals import difference, interval
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared

Vectors = tuple[Any, Any, Any, Any]
_ENDS = {"score": "", "low": "_low", "high": "_high"}


def spread_rows(prepared: Prepared, most: int) -> Any:
    """Return row numbers of at most so many training rows, spread over them."""
    return prepared.train[np.linspace(0, len(prepared.train) - 1, min(most, len(prepared.train))).astype(int)]


def embedded(prepared: Prepared, rows: Any, encoder: nn.Module | None = None) -> Any:
    """Return the vectors of rows, by the method's encoder or another."""
    chosen = prepared.rows[torch.from_numpy(rows)]
    return embed_rows(encoder or prepared.method.encoder, prepared.preprocess.to_input, chosen)


def features(prepared: Prepared, encoder: nn.Module | None = None, parts: Any = None) -> Vectors:
    """Return training vectors and labels, test vectors and labels; `parts` are other row numbers of both."""
    labels, (train_rows, test_rows) = np.asarray(prepared.data.labels), parts or (prepared.train, prepared.test)
    x, y = (embedded(prepared, rows, encoder) for rows in (train_rows, test_rows))
    return x, labels[train_rows], y, labels[test_rows]


def baseline(prepared: Prepared, which: str, parts: Any = None) -> Vectors:
    """Return the vectors of what needs no training, by the beginning of its name, with labels, as `features` does."""
    if which.startswith("untrained"):
        return features(prepared, prepared.untrained().eval(), parts)
    labels, parts = np.asarray(prepared.data.labels), parts or (prepared.train, prepared.test)
    stored: list[Any] = [prepared.rows[torch.from_numpy(part)] for part in parts]
    raw = [prepared.preprocess.features(rows) for rows in stored]
    series = (stored[0].numpy(), stored[1].numpy()) if prepared.recipe.modality == "series" else None
    encoder: Any = prepared.method.encoder
    found = baselines.collect(raw[0], raw[1], width=encoder.width, series=series)
    x, y = next(pair for name, pair in found.items() if name.startswith(which))
    return x, labels[parts[0]], y, labels[parts[1]]


def scored(name: str, terms: Any) -> Row:
    """Return an accuracy with its 95% interval over test rows, from which rows were right."""
    found = interval("classes", terms)
    return {f"{name}{end}": round(found[key], 4) for key, end in _ENDS.items()}


def probe(vectors: Vectors, before: Row | None = None, prefix: str = "") -> Row:
    """Return linear and k-NN accuracy with 95% intervals over test rows, and the paired gain over `before`.

    The entries "right" say which test rows a probe got right: they are for the next call and are not kept.
    """
    found: Row = {}
    for name, kind in (("linear", linear_probe), ("knn", knn_probe)):
        terms = kind(*vectors, metric="accuracy").terms
        found |= scored(f"{prefix}{name}", terms) | {f"right {name}": terms}
        if before is not None:
            gain = difference("classes", terms, before[f"right {name}"])
            found |= {f"gain_{name}{end}": round(gain[key], 4) for key, end in _ENDS.items()}
    return found


def few_labels(vectors: Vectors, *, seed: int, labels: int = 10, draws: int = 5) -> float:
    """Return the linear accuracy with so many labels a class, the mean over draws."""
    x, y, x_test, y_test = vectors
    draw, scores = np.random.default_rng(seed), []
    for _ in range(draws):
        rows = np.concatenate([draw.permutation(np.flatnonzero(y == each))[:labels] for each in np.unique(y)])
        scores.append(linear_probe(x[rows], y[rows], x_test, y_test, metric="accuracy", seed=seed).score)
    return round(float(np.mean(scores)), 4)


def beside_untrained(prepared: Prepared) -> Row:
    """Return the scores of a trained encoder and those of the same encoder before training."""
    return probe(baseline(prepared, "untrained"), prefix="untrained_") | probe(features(prepared))


def measured(recipe: Recipe, data: Data, cpu_seconds: float | None = None, *, quick: bool) -> Row:
    """Return a row: what a run took, its scores, and those of the same encoder before training."""
    made = train_once(recipe, data, cpu_seconds=cpu_seconds, quick=quick)
    return made.row | beside_untrained(made.prepared)
