"""Is the verdict on a run right, and which numbers rank runs without labels?"""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
import data_sets as sets
import runner
from measures import alpha_req, lidar, uniformity
from runner import Checkpoints, Claim, Paper, Row, Rows, Run, markdown, select

from isotropy.diagnostics import encoder_numbers, stability, views_rank
from isotropy.diagnostics.verdict import failure
from isotropy.evaluation import linear_probe
from isotropy.methods import METHODS
from isotropy.methods.method import Outputs
from isotropy.methods.pairs import crossed
from isotropy.objectives import swav
from isotropy.runs.diagnose import run_facts
from isotropy.runs.monitor import Monitor
from isotropy.runs.prepare import Prepared
from isotropy.runs.recipe import Recipe
from isotropy.training import Diverged
from isotropy.views.multiview import MultiView

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]
MONITORED = 256
SMALL: dict[str, dict[str, Any]] = {
    "image": {"encoder.width": 64, "encoder.stem": 8},
    "series": {"encoder": "series_cnn", "encoder.steps": 4},
    "table": {"encoder": "table_mlp", "encoder.width": 64, "encoder.hidden": 64, "encoder.depth": 3},
}

# Faults: each leaves out, of a method that is about to train, what keeps it from collapse.


def _with_gradient(method: Any) -> None:
    def forward(views: MultiView) -> Outputs:
        z = [method.projector(h) for h in views.through(method.encoder)]
        return {"prediction": [method.predictor(x) for x in z], "target": z}

    def loss(prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        pairs = [1 - torch.cosine_similarity(p, z, dim=1).mean() for p, z in crossed(prediction, target)]
        return {"distance": torch.stack(pairs).mean() - 1}

    method.forward, method.loss = forward, loss


def _without_predictor(method: Any) -> None:
    method.predictor = nn.Sequential()


def _without_sinkhorn(method: Any) -> None:
    """Take the softmax of the scores for codes: nothing makes clusters equally full."""

    def loss(scores: list[Tensor], z: list[Tensor]) -> dict[str, Tensor]:
        codes = [(view.detach() / method.sinkhorn_epsilon).softmax(1) for view in scores[: method.num_assigned]]
        return {"prediction": swav(scores, codes, temperature=method.temperature)}

    method.loss = loss


def _without_centring(method: Any) -> None:
    update = method.update
    method.update = lambda **outputs: update(**outputs | {"level": torch.zeros_like(outputs["level"])})


def _without_whitening(method: Any) -> None:
    def loss(z: list[Tensor]) -> dict[str, Tensor]:
        pairs = [2 - 2 * torch.cosine_similarity(x, y, dim=1).mean() for x, y in crossed(z, z)]
        return {"distance": torch.stack(pairs).mean()}

    method.loss = loss


def _without_centre(method: Any) -> None:
    method.update = lambda **_: None


def _of_one_row(method: Any) -> None:
    """Show views of the first row of the batch for every sample."""

    def shown(_: Any, given: tuple[MultiView]) -> tuple[MultiView]:
        views = given[0]
        return (MultiView(views.index, lambda: [view[:1].expand_as(view).contiguous() for view in views.tensors]),)

    method.register_forward_pre_hook(shown)


FAULTS = {
    "SimSiamWithGradient": _with_gradient,
    "SimSiamWithoutPredictor": _without_predictor,
    "BYOLWithoutPredictor": _without_predictor,
    "SwAVWithoutSinkhorn": _without_sinkhorn,
    "DINOWithoutCentring": _without_centring,
    "WMSEWithoutWhitening": _without_whitening,
    "CenterSubtractionWithoutCentre": _without_centre,
    "SameRow": _of_one_row,
}


def _case_recipe(case: Row) -> Recipe:
    modality, settings = sets.UNLABELLED[case["data"]][0], case.get("settings", {})
    base: dict[str, Any] = {"train.batch_size": 128, "train.precision": "float32"}
    base |= ({} if "encoder" in settings else SMALL[modality]) | (sets.DIGIT_VIEWS if case["data"] == "digits" else {})
    return Recipe.default(case["base"], modality).changed(base | settings)


class _Monitored:
    """A `watch` that keeps what the monitor of `isotropy fit` records, from before the first step on.

    Not the session's own: it yields no record of the start, and none of them are left where a run diverges.
    """

    def __init__(self) -> None:
        self.records = list[Row]()

    def __call__(self, prepared: Prepared, step: Any) -> None:
        if step is None:
            self.facts = prepared.facts()
            rows = prepared.dataset.batch(torch.from_numpy(runner.spread_rows(prepared, MONITORED)))
            untrained = deepcopy(prepared.method.encoder)
            self.monitor = Monitor(prepared.method, rows, prepared.preprocess.to_input, untrained)
            self.records.append(self.monitor.at_start())
        elif (record := self.monitor.at(step)) is not None:
            self.records.append({k: None if np.isnan(v) else float(v) for k, v in record.items()})


def _judged(case: Row, recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    """Train, and return the verdicts after every record of the monitor."""
    data, seen, fault = sets.unlabelled(case["data"], folder), _Monitored(), FAULTS.get(case.get("fault", ""))
    epochs = case["steps"] / (len(data) // min(recipe.train.batch_size, len(data)))
    numbers: Row = {}
    try:
        recipe = recipe.changed({"train.epochs": epochs})
        made = runner.train_once(recipe, data, quick=quick, change=fault, watch=seen)
        numbers = {"cpu_seconds": made.row["cpu_seconds"]}
    except Diverged as stopped:
        seen.records.append({"step": seen.records[-1]["step"], "diverged": str(stopped)})
    return numbers | _judgement(case["expected"], seen.records, run_facts(case["base"], seen.facts))


def _judgement(expected: list[str], records: Rows, training: Any) -> Row:
    """Return the last verdict, whether it and the way there are right, and since when."""
    names = [failure(records[:count], training).name for count in range(1, len(records) + 1)]
    right = [name in expected for name in names]
    since = next((n for n in range(len(right)) if all(right[n:])), None)
    alarms = sorted({name for name in names if name not in ("healthy", "unknown")})
    return {
        "expected": expected,
        "verdict": names[-1],
        "right": not alarms if expected == ["healthy"] else since is not None,
        "done": None if since is None else round(records[since]["step"] / training.steps, 3),
        "alarms": alarms,
    }


# Ranking

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


def _settings_of(method: str, modality: str) -> dict[str, dict[str, Any]]:
    """Return the six settings of a method: what each changes in its default recipe."""
    rate, compares = Recipe.default(method, modality).optim.lr, METHODS[method].min_views > 1
    factors = {"default": 1.0, "rate x 0.1": 0.1, "rate x 5": 5.0}
    factors |= {} if compares else {"rate x 0.01": 0.01, "rate x 20": 20.0}
    found: dict[str, dict[str, Any]] = {name: {"optim.lr": rate * factor} for name, factor in factors.items()}
    views = {"weak views": WEAK[modality], "strong views": STRONG[modality]} if compares else {}
    return found | {"batch 512": {"train.batch_size": 512}} | views


def _checkpoints(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train once and return the numbers of the checkpoints, on at most 3000 training rows and 800 for tests."""
    data, seen = sets.digits() if name == "digits" else sets.subset(name, folder), Checkpoints(DONE, _numbers)
    try:
        row: Row = {"cpu_seconds": runner.train_once(recipe, data, quick=quick, watch=seen).row["cpu_seconds"]}
    except Diverged as error:
        row = {"diverged": str(error)}
    return row | seen.columns(".4g")


def _numbers(prepared: Prepared) -> Row:
    """Return the numbers of a checkpoint that need no label, and the linear probe."""
    some = runner.spread_rows(prepared, POINTS)
    z, before = runner.embedded(prepared, some), runner.embedded(prepared, some, prepared.untrained())
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
    return found | {"linear": linear_probe(*runner.features(prepared), metric="accuracy").score}


def runs(folder: Path | None, seed: int) -> Iterator[Run]:
    """Return all runs, of seed 0 alone: the seed is part of a case."""
    for case in CASES if seed == 0 else ():
        recipe = _case_recipe(case)
        settings = f"{recipe.to_toml()} {case.get('fault')} {case['steps']}"
        yield Run(case["study"], case["data"], case["case"], 0, partial(_judged, case, recipe, folder), settings)
    for name, modality in MODALITY.items() if seed == 0 else ():
        for method in RANKED:
            compares = METHODS[method].min_views > 1
            base = ENCODERS[modality] | {"train.precision": "float32", "train.epochs": EPOCHS[name]}
            base |= {"views.flip": 0.0} if compares and name == "digits" else {}
            for setting, changes in _settings_of(method, modality).items():
                recipe = Recipe.default(method, modality).changed(base | changes)
                make = partial(_checkpoints, recipe, name, folder)
                yield Run("ranking", name, f"{method}, {setting}", 0, make, recipe.to_toml())


# Criteria


def _rho(values: list[float | None], scores: list[float | None]) -> float | None:
    """Return Spearman's correlation where both are there; None below four, or where one never moves."""
    pairs = [(a, b) for a, b in zip(values, scores) if a is not None and b is not None]
    if len(pairs) < 4 or len({a for a, _ in pairs}) == 1 or len({b for _, b in pairs}) == 1:
        return None
    return round(float(spearmanr(*zip(*pairs)).statistic), 3)


Correlations = dict[str, dict[str, dict[str, float]]]


def _correlations(rows: Rows, kind: str) -> Correlations:
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


def _spread(by_method: dict[str, dict[str, float]], names: tuple[str, ...]) -> tuple[float, float, float] | None:
    """Return the mean over data sets of the mean over methods, with its 95% interval over data sets."""
    means = [np.mean(there) for name in names if (there := [each[name] for each in by_method.values() if name in each])]
    if len(means) < 2:
        return None
    center, low, high = runner.t_interval(means)
    return center, max(-1.0, low), min(1.0, high)


def _shown(found: tuple[float, float, float] | None, sign: int = 1) -> str:
    if found is None:
        return ""
    center, low, high = (sign * x for x in found)
    return f"{center:+.2f} [{min(low, high):+.2f}, {max(low, high):+.2f}]"


def _best_number(kind: str, rows: Rows) -> tuple[str, str] | None:
    """Judge the number that ranks best on three data sets by the other three."""
    of = _correlations(rows, kind)
    chosen = {number: found for number, by in of.items() if (found := _spread(by, CHOSEN_ON))}
    if not chosen:
        return None
    best = max(chosen, key=lambda number: abs(chosen[number][0]))
    sign = -1 if chosen[best][0] < 0 else 1
    held_out = _spread(of[best], HELD_OUT)
    name = f"{'lower' if sign < 0 else 'higher'} {best}"
    low = min(sign * held_out[1], sign * held_out[2]) if held_out else -1.0
    verdict_ = "holds" if low > 0 else "does not hold on the other data sets"
    return f"{name}: {_shown(chosen[best], sign)}, held out {_shown(held_out, sign)}", verdict_


def _right(study: str, rows: Rows) -> tuple[str, str]:
    """Count the faults that were found, and the healthy runs without a false alarm."""
    faults = [row for row in rows if row["expected"] != ["healthy"]]
    healthy = [row for row in rows if row not in faults]
    early = sum(row["right"] and row["done"] <= 0.2 for row in faults)
    found, quiet = sum(row["right"] for row in faults), sum(row["right"] for row in healthy)
    said = f"{found} of {len(faults)} faults found, {early} in the first fifth; "
    said += f"{len(healthy) - quiet} false alarms in {len(healthy)}"
    return said, "tuned on these" if "tuned" in study else f"{found / len(faults):.0%} found"


STUDIES = [f"{round_} round, {half}" for round_ in ("first", "second", "third") for half in ("tuned", "held out")]
RANKINGS = {"settings": "the settings of a method", "checkpoints": "the checkpoints of a run", "across": "methods"}
CLAIMS = [
    *(Claim("the verdict on a run is right", study, study, partial(_right, study)) for study in STUDIES),
    *(Claim(f"a number without labels ranks {what}", "ours", "ranking", partial(_best_number, kind))
      for kind, what in RANKINGS.items()),
]  # fmt: skip


def _pages(rows: Rows) -> list[str]:
    """Return what was held out, and the correlations."""
    held_out = [
        [row["study"].split(" ")[0], row["variant"], row["data"], " or ".join(row["expected"]), row["verdict"],
         "" if row["done"] is None else f"{row['done']:.2f}"]
        for row in rows if row["study"].endswith("held out") and (row["expected"] != ["healthy"] or not row["right"])
    ]  # fmt: skip
    table = markdown(["round", "run", "data", "right", "verdict", "since"], held_out)
    parts = [f"**Held out: faults, and false alarms**\n\n{table}"]
    for kind in RANKINGS:
        methods = () if kind == "across" else RANKED
        lines = [
            [number, _shown(_spread(by, tuple(EPOCHS))),
             *(f"{np.mean(list(by[m].values())):+.2f}" if m in by else "" for m in methods)]
            for number, by in _correlations(select(rows, study="ranking"), kind).items()
        ]  # fmt: skip
        table = markdown(["number", "mean [95%]", *methods], lines)
        parts.append(f"**Correlation with the linear probe: {kind}**\n\n{table}")
    return parts


PAPER = Paper(__file__, __doc__, runs, CLAIMS, [], seeds=1, back=_pages)

if __name__ == "__main__":
    PAPER.main()
