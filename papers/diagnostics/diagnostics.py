"""Is the verdict on a run right, and which numbers rank runs without labels?

    python papers/diagnostics/diagnostics.py --data DIR

"... round": runs of a method as it is, and with a known fault injected (cases.jsonl), with small encoders and default
recipes, monitored as `isotropy fit` monitors. A fault is found where the last verdict is one that is right for it;
"done" is the fraction of training after which such a verdict did not change. A healthy run is right where nothing but
"healthy" or "unknown" was ever said. Thresholds are chosen on the tuned runs of a round and all rounds before, and
committed before its held-out runs are made; every round's rows are by the rules of its day.

"ranking": five methods, each with six settings (rates, batches, views), on six data sets; numbers that need no label,
and a linear probe, at seven checkpoints. Spearman's correlation of a number with the probe over the settings of a
method, over the checkpoints of a run, and over methods; the interval is Student's over data sets. The number that
ranks best is chosen on three data sets and judged on the other three.
"""

import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr, t
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from measures import alpha_req, lidar, uniformity
from runner import Claim, Row, Rows, Run, features, main, markdown, select, train_once, verdicts

import data as sets
from isotropy.data import Data
from isotropy.diagnostics import encoder_numbers, stability, views_rank
from isotropy.diagnostics.verdict import verdict
from isotropy.evaluation import linear_probe
from isotropy.methods import BYOL, DINO, METHODS, WMSE, CenterSubtraction, Method, SimSiam, SwAV
from isotropy.methods.method import Outputs
from isotropy.methods.pairs import crossed
from isotropy.objectives import swav
from isotropy.representation import embed_rows
from isotropy.runs.diagnose import run_facts
from isotropy.runs.monitor import Monitor
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import Diverged
from isotropy.views.multiview import Dataset, MultiView, ViewMaker

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]
MONITORED = 256
SMALL: dict[str, dict[str, Any]] = {
    "image": {"encoder.width": 64, "encoder.stem": 8},
    "series": {"encoder.steps": 4},
    "table": {"encoder.width": 64, "encoder.hidden": 64, "encoder.depth": 3},
}

# Faults: each leaves out what keeps its method from collapse.


class SimSiamWithGradient(SimSiam):
    """SimSiam whose targets carry a gradient."""

    def forward(self, views: MultiView) -> Outputs:
        """Return predictions and targets, neither detached."""
        z = [self.projector(h) for h in views.through(self.encoder)]
        return {"prediction": [self.predictor(x) for x in z], "target": z}

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return the distance through which both sides learn."""
        pairs = [1 - torch.cosine_similarity(p, z, dim=1).mean() for p, z in crossed(prediction, target)]
        return {"distance": torch.stack(pairs).mean() - 1}


class SimSiamWithoutPredictor(SimSiam):
    """SimSiam whose predictor is the identity."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Sequential()


class BYOLWithoutPredictor(BYOL):
    """BYOL whose predictor is the identity."""

    def __init__(self, encoder: nn.Module, **options: Any) -> None:
        super().__init__(encoder, **options)
        self.predictor = nn.Sequential()


class SwAVWithoutSinkhorn(SwAV):
    """SwAV whose codes are the softmax of the scores: nothing makes clusters equally full."""

    def loss(self, scores: list[Tensor], z: list[Tensor]) -> dict[str, Tensor]:
        """Return the cross entropy with codes that are not balanced."""
        codes = [(view.detach() / self.sinkhorn_epsilon).softmax(1) for view in scores[: self.num_assigned]]
        return {"prediction": swav(scores, codes, temperature=self.temperature)}


class DINOWithoutCentring(DINO):
    """DINO whose centre stays at 0."""

    def update(self, **outputs: Any) -> None:
        """Move the teacher alone."""
        super().update(**outputs | {"level": torch.zeros_like(outputs["level"])})


class WMSEWithoutWhitening(WMSE):
    """W-MSE whose views are compared as they are."""

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return the mean distance of the unit rows."""
        pairs = [2 - 2 * torch.cosine_similarity(x, y, dim=1).mean() for x, y in crossed(z, z)]
        return {"distance": torch.stack(pairs).mean()}


class CenterSubtractionWithoutCentre(CenterSubtraction):
    """Center subtraction whose centre stays at 0."""

    def update(self, **_: Any) -> None:
        """Leave the centre where it is."""


class SameRow:
    """Views of the first row of the batch, given for every sample."""

    def __init__(self, views: ViewMaker) -> None:
        self.views, self.count = views, views.count

    def __call__(self, dataset: Dataset, index: Tensor, *, seed: int, pass_: int) -> MultiView:
        """Return views of `index` that show one row."""
        shown = self.views(dataset, index, seed=seed, pass_=pass_)
        return MultiView(index, lambda: [view[:1].expand_as(view).contiguous() for view in shown.tensors])


FAULTS: dict[str, type[Method]] = {
    kind.__name__: kind
    for kind in (
        SimSiamWithGradient, SimSiamWithoutPredictor, BYOLWithoutPredictor, SwAVWithoutSinkhorn, DINOWithoutCentring,
        WMSEWithoutWhitening, CenterSubtractionWithoutCentre,
    )
}  # fmt: skip


def case_recipe(case: Row) -> Recipe:
    """Return the recipe of a case; its method is the class with the fault."""
    modality, settings = sets.UNLABELLED[case["data"]][0], case.get("settings", {})
    base: dict[str, Any] = {"train.batch_size": 128, "train.precision": "float32"}
    base |= ({} if "encoder" in settings else SMALL[modality]) | (sets.DIGIT_VIEWS if case["data"] == "digits" else {})
    recipe = Recipe.default(case["base"], modality).changed(base | settings)
    fault: Any = FAULTS.get(case.get("fault", ""))
    return replace(recipe, method=fault) if fault else recipe


def judged(case: Row, recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    """Train, and return the verdicts after every record of the monitor."""
    prepared = prepare(recipe, sets.unlabelled(case["data"], folder))
    batch = min(recipe.train.batch_size, len(prepared.dataset))
    prepared = prepared.with_epochs(case["steps"] / (len(prepared.dataset) // batch))
    if case.get("fault") == "SameRow":
        prepared = replace(prepared, views=SameRow(prepared.views))
    rows = prepared.dataset.batch(
        torch.linspace(0, len(prepared.dataset) - 1, min(MONITORED, len(prepared.dataset))).long()
    )
    monitor = Monitor(prepared.method, rows, prepared.preprocess.to_input, deepcopy(prepared.method.encoder))
    records: Rows = [monitor.at_start()]

    def at_step(step: Any) -> None:
        if (record := monitor.at(step)) is not None:
            records.append({k: None if np.isnan(v) else float(v) for k, v in record.items()})

    numbers: Row = {}
    try:
        numbers = {"cpu_seconds": train_once(prepared, quick=quick, at_step=at_step).row["cpu_seconds"]}
    except Diverged as stopped:
        records.append({"step": records[-1]["step"], "diverged": str(stopped)})
    return numbers | judgement(case["expected"], records, run_facts(case["base"], prepared.facts()))


def judgement(expected: list[str], records: Rows, training: Any) -> Row:
    """Return the last verdict, whether it and the way there are right, and since when."""
    names = [verdict(records[:count], training).name for count in range(1, len(records) + 1)]
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
    "table": {"encoder.width": 64, "encoder.hidden": 128, "encoder.depth": 3},
}
STRENGTHS: dict[str, dict[str, dict[str, Any]]] = {
    "image": {"weak views": {"views.scale": [0.8, 1.0]}, "strong views": {"views.scale": [0.05, 0.3]}},
    "series": {
        "weak views": {"views.scale": 0.03, "views.jitter": 0.03},
        "strong views": {"views.scale": 1.0, "views.jitter": 1.0},
    },
    "table": {"weak views": {"views.corrupt": [0.0, 0.1]}, "strong views": {"views.corrupt": [0.9, 0.9]}},
}
MODALITY = {
    "digits": "image",
    "fashion": "image",
    "har": "series",
    "epilepsy": "series",
    "dry_bean": "table",
    "adult": "table",
}


def settings_of(method: str, modality: str) -> dict[str, dict[str, Any]]:
    """Return the six settings of a method: what each changes in its default recipe."""
    rate, compares = Recipe.default(method, modality).optim.lr, METHODS[method].min_views > 1
    factors = {"default": 1.0, "rate x 0.1": 0.1, "rate x 5": 5.0}
    factors |= {} if compares else {"rate x 0.01": 0.01, "rate x 20": 20.0}
    found: dict[str, dict[str, Any]] = {name: {"optim.lr": rate * factor} for name, factor in factors.items()}
    return found | {"batch 512": {"train.batch_size": 512}} | (STRENGTHS[modality] if compares else {})


def ranked_rows(name: str, folder: Path | None) -> Data:
    """Return at most 3000 training rows and 800 for tests."""
    return sets.digits() if name == "digits" else sets.subset(name, folder)


def checkpoints(recipe: Recipe, name: str, folder: Path | None, quick: bool) -> Row:
    """Train once and return the numbers of the checkpoints."""
    prepared, seen = prepare(recipe, ranked_rows(name, folder)), list[Row]()
    before = embedded(prepared)

    def at_step(step: Any) -> None:
        if step.number in {max(1, round(done * step.steps)) for done in DONE}:
            done = {"done": round(step.number / step.steps, 3), "loss": step.loss}
            seen.append(done | numbers(prepared, before))

    row: Row = {}
    try:
        row = {"cpu_seconds": train_once(prepared, quick=quick, at_step=at_step).row["cpu_seconds"]}
    except Diverged as error:
        row = {"diverged": str(error)}
    columns = {name: [each.get(name) for each in seen] for name in (seen[-1] if seen else {})}
    return row | {name: [digits(value) for value in values] for name, values in columns.items()}


def digits(value: float | None) -> float | None:
    """Return a number with four digits; None where there is none."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")


def embedded(prepared: Prepared) -> Any:
    """Return the encoder's vectors of at most 384 training rows, spread over them."""
    some = prepared.train[np.linspace(0, len(prepared.train) - 1, min(POINTS, len(prepared.train))).astype(int)]
    return embed_rows(prepared.method.encoder, prepared.preprocess.to_input, prepared.rows[torch.from_numpy(some)])


def numbers(prepared: Prepared, before: Any) -> Row:
    """Return the numbers of a checkpoint that need no label, and the linear probe."""
    z = embedded(prepared)
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
    return found | {"linear": linear_probe(*features(prepared)).score}


def runs(folder: Path | None, seeds: int) -> Iterator[Run]:
    """Return all runs; the seed is part of a case."""
    for case in CASES:
        recipe = case_recipe(case)
        settings = f"{recipe.to_toml()} {case.get('fault')} {case['steps']}"
        yield Run(case["study"], case["data"], case["case"], 0, partial(judged, case, recipe, folder), settings)
    for name, modality in MODALITY.items():
        for method in RANKED:
            compares = METHODS[method].min_views > 1
            base = ENCODERS[modality] | {"train.precision": "float32", "train.epochs": EPOCHS[name]}
            base |= {"views.flip": 0.0} if compares and name == "digits" else {}
            for setting, changes in settings_of(method, modality).items():
                recipe = Recipe.default(method, modality).changed(base | changes)
                make = partial(checkpoints, recipe, name, folder)
                yield Run("ranking", name, f"{method}, {setting}", 0, make, recipe.to_toml())


def rho(values: list[float | None], scores: list[float | None]) -> float | None:
    """Return Spearman's correlation where both are there; None below four, or where one never moves."""
    pairs = [(a, b) for a, b in zip(values, scores) if a is not None and b is not None]
    if len(pairs) < 4 or len({a for a, _ in pairs}) == 1 or len({b for _, b in pairs}) == 1:
        return None
    return round(float(spearmanr(*zip(*pairs)).statistic), 3)


def correlations(rows: Rows, kind: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return Spearman's correlations as number -> method ("all" across methods) -> data set."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    names = sorted(
        {name for row in rows for name, value in row.items() if isinstance(value, list)} - {"done", "linear"}
    )
    for number in names:
        for data in EPOCHS:
            here = [row for row in rows if row["data"] == data and row.get(number)]
            default = [row for row in here if row["variant"].endswith(", default")]
            groups = {"all": default} if kind == "across" else {
                method: [row for row in here if row["variant"].startswith(f"{method}, ")] for method in RANKED
            }  # fmt: skip
            for method, group in groups.items():
                if kind == "checkpoints":
                    values = [rho(row[number], row["linear"]) for row in group]
                else:
                    values = [rho([row[number][-1] for row in group], [row["linear"][-1] for row in group])]
                if there := [value for value in values if value is not None]:
                    found.setdefault(number, {}).setdefault(method, {})[data] = float(np.mean(there))
    return found


def spread(by_method: dict[str, dict[str, float]], names: tuple[str, ...]) -> tuple[float, float, float] | None:
    """Return the mean over data sets of the mean over methods, with its 95% interval over data sets."""
    means = [np.mean(there) for name in names if (there := [each[name] for each in by_method.values() if name in each])]
    if len(means) < 2:
        return None
    half = float(t.ppf(0.975, len(means) - 1) * np.std(means, ddof=1) / len(means) ** 0.5)
    center = float(np.mean(means))
    return center, max(-1.0, center - half), min(1.0, center + half)


def shown(found: tuple[float, float, float] | None, sign: int = 1) -> str:
    """Return a correlation with its interval."""
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
    said = f"{'lower' if sign < 0 else 'higher'} {best}: {shown(chosen[best], sign)}, held out {shown(held_out, sign)}"
    low = min(sign * held_out[1], sign * held_out[2]) if held_out else -1.0
    return said, "holds" if low > 0 else "does not hold on the other data sets"


def right(study: str, rows: Rows) -> tuple[str, str]:
    """Count the faults that were found, and the healthy runs without a false alarm."""
    faults = [row for row in rows if row["expected"] != ["healthy"]]
    healthy = [row for row in rows if row not in faults]
    early = sum(row["right"] and row["done"] <= 0.2 for row in faults)
    found, quiet = sum(row["right"] for row in faults), sum(row["right"] for row in healthy)
    said = f"{found} of {len(faults)} faults found, {early} in the first fifth; "
    said += f"{len(healthy) - quiet} false alarms in {len(healthy)}"
    return said, "tuned on these" if "tuned" in study else f"{found / len(faults):.0%} found"


STUDIES = [f"{round_} round, {half}" for round_ in ("first", "second", "third") for half in ("tuned", "held out")]
CLAIMS = [
    *(Claim("the verdict on a run is right", study, study, partial(right, study)) for study in STUDIES),
    *(Claim(f"a number without labels ranks {what}", "ours", "ranking", partial(best_number, kind)) for kind, what in (
        ("settings", "the settings of a method"), ("checkpoints", "the checkpoints of a run"), ("across", "methods"))),
]  # fmt: skip


def page(rows: Rows) -> str:
    """Return what stands in the README."""
    held_out = [
        [row["study"].split(" ")[0], row["variant"], row["data"], " or ".join(row["expected"]), row["verdict"],
         "" if row["done"] is None else f"{row['done']:.2f}"]
        for row in rows if row["study"].endswith("held out") and (row["expected"] != ["healthy"] or not row["right"])
    ]  # fmt: skip
    heads = ["round", "run", "data", "right", "verdict", "since"]
    parts = [verdicts(rows, CLAIMS), f"**Held out: faults, and false alarms**\n\n{markdown(heads, held_out)}"]
    ranking = select(rows, study="ranking")
    for kind in ("settings", "checkpoints", "across"):
        of = correlations(ranking, kind)
        methods = () if kind == "across" else RANKED
        lines = [
            [number, shown(spread(by, tuple(EPOCHS))),
             *(f"{np.mean(list(by[m].values())):+.2f}" if m in by else "" for m in methods)]
            for number, by in of.items()
        ]  # fmt: skip
        parts.append(
            f"**Correlation with the linear probe: {kind}**\n\n{markdown(['number', 'mean [95%]', *methods], lines)}"
        )
    return "\n\n".join(parts)


if __name__ == "__main__":
    main(__file__, __doc__, runs, page, seeds=1)
