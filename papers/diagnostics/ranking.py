"""Which numbers without labels rank settings, checkpoints and methods as a linear probe does."""

from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
import torch
from measures import alpha_req, lidar, uniformity
from progress import Checkpoints
from rows import Row, Rows, select, t_interval
from scipy.stats import spearmanr
from scores import embedded, features, spread_rows
from train import plain_recipe, train_once

from isotropy.diagnostics import encoder_numbers, stability, views_rank
from isotropy.evaluation import linear_probe
from isotropy.methods import METHODS
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.training import Diverged

CHOSEN_ON, HELD_OUT = ("digits", "har", "dry_bean"), ("fashion", "epilepsy", "adult")
EPOCHS = {"digits": 20.0, "har": 6.0, "dry_bean": 15.0, "fashion": 4.0, "epilepsy": 6.0, "adult": 12.0}
RANKED = ("simclr", "byol", "vicreg", "lfr", "autoencoder")
DONE, NUM_VIEWS, POINTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0), 6, 384
ENCODERS: dict[str, dict[str, Any]] = {
    "image": {"encoder.stem": 8, "encoder.width": 64},
    "series": {"encoder": "dilated_resnet", "encoder.hidden": 16, "encoder.depth": 3, "encoder.width": 64},
    "table": {"encoder": "table_mlp", "encoder.width": 64, "encoder.hidden": 128, "encoder.depth": 3},
}
WEAK: dict[str, dict[str, Any]] = {
    "image": {"views.scale": [0.8, 1.0]},
    "series": {"views.scale": 0.03, "views.jitter": 0.03},
    "table": {"views.corrupt": [0.0, 0.1]},
}
STRONG: dict[str, dict[str, Any]] = {
    "image": {"views.scale": [0.05, 0.3]},
    "series": {"views.scale": 1.0, "views.jitter": 1.0},
    "table": {"views.corrupt": [0.9, 0.9]},
}
MODALITY = {name: sets.UNLABELLED[name][0] for name in EPOCHS}


def settings_of(method: str, modality: str) -> dict[str, dict[str, Any]]:
    """Return the six settings of a method: what each changes in its default recipe."""
    rate, compares = plain_recipe(method, modality).optim.lr, METHODS[method].min_views > 1
    factors = {"default": 1.0, "rate x 0.1": 0.1, "rate x 5": 5.0}
    factors |= {} if compares else {"rate x 0.01": 0.01, "rate x 20": 20.0}
    found: dict[str, dict[str, Any]] = {name: {"optim.lr": rate * factor} for name, factor in factors.items()}
    views = {"weak views": WEAK[modality], "strong views": STRONG[modality]} if compares else {}
    return found | {"batch 512": {"train.batch_size": 512}} | views


def checkpoints(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train once and return the numbers of the checkpoints, on at most 3000 training rows and 800 for tests."""
    data, seen = sets.digits() if name == "digits" else sets.subset(name, folder), Checkpoints(DONE, _numbers)
    try:
        row: Row = {"cpu_seconds": train_once(recipe, data, quick=quick, watch=seen).row["cpu_seconds"]}
    except Diverged as error:
        row = {"diverged": str(error)}
    return row | seen.columns(".4g")


def _numbers(prepared: Prepared) -> Row:
    """Return the numbers of a checkpoint that need no label, and the linear probe."""
    some = spread_rows(prepared, POINTS)
    z, before = embedded(prepared, some), embedded(prepared, some, prepared.untrained())
    found = encoder_numbers(z, before) | {"uniformity": uniformity(z), "alpha": alpha_req(z, first=2, last=40)[0]}
    if prepared.method.min_views > 1:
        places = torch.linspace(0, len(prepared.dataset) - 1, POINTS).long()
        prepared.method.encoder.eval()
        with torch.no_grad():
            passes = [prepared.views(prepared.dataset, places, seed=7, pass_=n) for n in range(NUM_VIEWS // 2)]
            views = [h.float() for shown in passes for h in shown.through(prepared.method.encoder)]
        prepared.method.encoder.train()
        found |= {name: stability(views[:2])[name] for name in ("centre", "alignment", "spread")}
        found["views_rank"] = views_rank(views[:2])
        found["lidar"] = lidar(torch.cat(views), torch.arange(len(views[0])).repeat(len(views)))["lidar"]
    return found | {"linear": linear_probe(*features(prepared), metric="accuracy").score}


def _rho(values: list[float | None], scores: list[float | None]) -> float | None:
    """Return Spearman's correlation where both are there; None below four, or where one never moves."""
    pairs = [(a, b) for a, b in zip(values, scores) if a is not None and b is not None]
    if len(pairs) < 4 or len({a for a, _ in pairs}) == 1 or len({b for _, b in pairs}) == 1:
        return None
    return round(float(spearmanr(*zip(*pairs)).statistic), 3)


Correlations = dict[str, dict[str, dict[str, float]]]


def correlations(rows: Rows, kind: str) -> Correlations:
    """Return Spearman's correlations as number -> method ("all" across methods) -> data set."""
    found: Correlations = {}
    lists = {name for row in rows for name, value in row.items() if isinstance(value, list)}
    for number in sorted(lists - {"done", "linear"}):
        for data in EPOCHS:
            here = [row for row in select(rows, data=data) if row.get(number)]
            groups = {method: [row for row in here if row["variant"].startswith(f"{method}, ")] for method in RANKED}
            if kind == "across":
                groups = {"all": [row for row in here if row["variant"].endswith(", default")]}
            for method, group in groups.items():
                if kind == "checkpoints":
                    values = [_rho(row[number], row["linear"]) for row in group]
                else:
                    values = [_rho([row[number][-1] for row in group], [row["linear"][-1] for row in group])]
                if there := [value for value in values if value is not None]:
                    found.setdefault(number, {}).setdefault(method, {})[data] = float(np.mean(there))
    return found


def spread(by_method: dict[str, dict[str, float]], names: tuple[str, ...]) -> tuple[float, float, float] | None:
    """Return the mean over data sets of the mean over methods, with its 95% interval over data sets."""
    means = [
        float(np.mean(there))
        for name in names
        if (there := [each[name] for each in by_method.values() if name in each])
    ]
    if len(means) < 2:
        return None
    center, low, high = t_interval(means)
    return center, max(-1.0, low), min(1.0, high)


def shown_interval(found: tuple[float, float, float] | None, sign: int = 1) -> str:
    """Return a correlation with its interval, nothing where there is none."""
    if found is None:
        return ""
    center, low, high = (sign * x for x in found)
    return f"{center:+.2f} [{min(low, high):+.2f}, {max(low, high):+.2f}]"


def best_number(kind: str, rows: Rows) -> tuple[str, str] | None:
    """Judge the number that ranks best on three data sets by the other three."""
    of = correlations(rows, kind)
    chosen = {number: found for number, by in of.items() if (found := spread(by, CHOSEN_ON))}
    if not chosen:
        return None
    best = max(chosen, key=lambda number: abs(chosen[number][0]))
    sign = -1 if chosen[best][0] < 0 else 1
    held_out = spread(of[best], HELD_OUT)
    name = f"{'lower' if sign < 0 else 'higher'} {best}"
    low = min(sign * held_out[1], sign * held_out[2]) if held_out else -1.0
    verdict_ = "holds" if low > 0 else "does not hold on the other data sets"
    return f"{name}: {shown_interval(chosen[best], sign)}, held out {shown_interval(held_out, sign)}", verdict_
