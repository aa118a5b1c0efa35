"""Why MUSIC gains on images alone: what its codes of two views share, and what a linear map says already."""

from functools import partial
from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
import torch
from numpy.typing import NDArray
from pages import Claim, Table
from rows import Row, Rows, select
from scores import baseline, beside_untrained, probe, spread_rows
from train import plain_recipe, train_once

from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe

# The data sets, encoders and CPU seconds of papers/matrix, where MUSIC gains on the two sets of images alone.
SETS = {
    "adult": "table", "dry_bean": "table", "har": "series", "epilepsy": "series", "fashion": "image", "digits": "image",
}  # fmt: skip
ENCODERS = {"table": "table_mlp", "series": "series_cnn"}
SECONDS, ROWS, BATCH, RIDGE = 40.0, 4096, 256, 1e-2
GAINS, RAW = ("fashion", "digits"), "raw columns"
Codes = NDArray[np.int64]


def recipe_of(name: str, seed: int) -> Recipe:
    """Return the recipe of papers/matrix."""
    recipe, modality = plain_recipe("music", SETS[name]).changed({"train.seed": seed}), SETS[name]
    if modality in ENCODERS:
        recipe = recipe.changed({"encoder": ENCODERS[modality]})
    return recipe.changed(sets.DIGIT_VIEWS) if name == "digits" else recipe


def shared(name: str, folder: Path | None, seed: int, quick: bool) -> Row:
    """Train, and measure what the codes of two views of training rows share."""
    made = train_once(recipe_of(name, seed), sets.whole(name, folder), cpu_seconds=SECONDS, quick=quick)
    found = beside_untrained(made.prepared)
    scores = {end: found[end] for end in ("linear", "untrained_linear")}
    return made.row | scores | {"gain": round(found["linear"] - found["untrained_linear"], 4)} | _codes(made.prepared)


def raw(name: str, folder: Path | None, quick: bool) -> Row:
    """Score the raw columns on the same rows."""
    return {"linear": probe(baseline(prepare(recipe_of(name, 0), sets.whole(name, folder)), "raw"))["linear"]}


def _codes(prepared: Prepared) -> Row:
    """Return the measures of the codes of at most 4,096 training rows, by segment, averaged.

    "in the views" is the mutual information of a segment's codes of two views over log B; "of the batch" is what
    pairs of segments seem to share in 256 rows beyond what they share in all, by too few rows a joint cell; "linear"
    is the fraction of the codes' variance that a ridge regression on the raw columns foretells on other rows.
    """
    method: Any = prepared.method
    units = method.projector.units
    # In an order of their own: neighbouring rows of sorted data are alike, as those of a batch are not.
    chosen = np.random.default_rng(0).permutation(np.searchsorted(prepared.train, spread_rows(prepared, ROWS)))
    index = torch.from_numpy(chosen)
    views = prepared.views(prepared.dataset, index, seed=0, pass_=0).tensors
    first, second = (_of(prepared, view) for view in views[:2])
    pairs = [(s, r) for s in range(first.shape[1]) for r in range(s)]
    whole, parts = _information(first, second, pairs, units), []
    for start in range(0, len(first) - BATCH + 1, BATCH):
        batch = slice(start, start + BATCH)
        parts.append(_information(first[batch], second[batch], pairs, units))
    rows: Any = prepared.rows[torch.from_numpy(prepared.train[chosen])]
    clean = _of(prepared, prepared.preprocess.to_input(rows))
    own = [(s, s) for s in range(first.shape[1])]
    return {
        "in the views": round(float(_information(first, second, own, units).mean() / np.log(units)), 4),
        "of the batch": round(float((np.mean(parts, axis=0) - whole).mean() / np.log(units)), 4),
        "linear map": _foretold(np.asarray(prepared.preprocess.features(rows)), clean, units),
    }


def _of(prepared: Prepared, inputs: Any) -> Codes:
    method: Any = prepared.method
    network, found = torch.nn.Sequential(method.encoder, method.projector).eval(), []
    with torch.no_grad():
        for part in inputs.split(BATCH):
            found.append(method.projector.codes(network(part)))
    return torch.cat(found).numpy()


def _information(first: Codes, second: Codes, pairs: list[tuple[int, int]], units: int) -> NDArray[np.float64]:
    """Return the mutual information in nats of a segment of the one view and a segment of the other, for each pair."""
    found = []
    for s, r in pairs:
        joint = np.bincount(first[:, s] * units + second[:, r], minlength=units * units).reshape(units, units)
        joint = joint / joint.sum()
        apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        there = joint > 0
        found.append(float((joint[there] * np.log(joint[there] / apart[there])).sum()))
    return np.array(found)


def _foretold(x: NDArray[Any], codes: Codes, units: int) -> float:
    """Return the R2 of one-hot codes on every fourth row, by ridge regression on the raw columns of the others."""
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    y = np.eye(units)[codes].reshape(len(codes), -1)
    out = np.arange(len(x)) % 4 == 3
    center = y[~out].mean(0)
    gram = x[~out].T @ x[~out]
    weights = np.linalg.solve(
        gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), x[~out].T @ (y[~out] - center)
    )
    left = ((y[out] - center - x[out] @ weights) ** 2).sum()
    return round(float(1 - left / ((y[out] - center) ** 2).sum()), 4)


def apart(measure: str, rows: Rows) -> tuple[str, str] | None:
    """Judge whether a measure tells the sets on which MUSIC gains from the others, in every seed."""
    return _judged({name: [row[measure] for row in select(rows, data=name, variant="music")] for name in SETS})


def unread(rows: Rows) -> tuple[str, str] | None:
    """Judge likewise by how much more the raw columns say than the network does before training."""
    of: dict[str, list[float]] = {}
    for name in SETS:
        best = [row["linear"] for row in select(rows, data=name, variant=RAW)]
        before = [row["untrained_linear"] for row in select(rows, data=name, variant="music")]
        of[name] = [best[0] - one for one in before] if best else []
    return _judged(of)


def _judged(of: dict[str, list[float]]) -> tuple[str, str] | None:
    if not all(of.values()):
        return None
    said = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in of.items())
    inside = [value for name in GAINS for value in of[name]]
    others = [value for name in SETS if name not in GAINS for value in of[name]]
    return said, "tells them apart" if min(inside) > max(others) or max(inside) < min(others) else "does not"


_BECAUSE = "gains on images alone because of"
_REASONS = {
    "of the batch": "rows a joint cell (information that the batch makes up)",
    "in the views": "the information in the views (of a segment's codes, over log B)",
    "linear map": "what the codes say already (R2 of a linear map of the raw columns)",
}
CLAIMS = [
    *(Claim(f"{_BECAUSE} {reason}", "ours", "views", partial(apart, measure)) for measure, reason in _REASONS.items()),
    Claim(f"{_BECAUSE} what an untrained network loses of the raw columns (a second look)", "ours", "views", unread),
]
TABLE = Table("What the views share", "views", {
    "linear, trained": "linear", "untrained": "untrained_linear", "gain": "gain", "information in the views":
    "in the views", "made up by the batch": "of the batch", "said by a linear map": "linear map"})  # fmt: skip
