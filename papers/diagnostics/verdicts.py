"""Cases with a known verdict: runs with a fault, or healthy, and what the monitor's records say of them."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import data_sets as sets
import numpy as np
import torch
from rows import Row, Rows
from scores import spread_rows
from torch import Tensor, nn
from train import plain_recipe, train_once

from isotropy.diagnostics.verdict import failure
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


def case_recipe(case: Row) -> Recipe:
    """Return the recipe of a case."""
    modality, settings = sets.UNLABELLED[case["data"]][0], case.get("settings", {})
    base: dict[str, Any] = {"train.batch_size": 128, "train.precision": "float32"}
    base |= ({} if "encoder" in settings else SMALL[modality]) | (sets.DIGIT_VIEWS if case["data"] == "digits" else {})
    return plain_recipe(case["base"], modality).changed(base | settings)


class _Monitored:
    """A `watch` that keeps what the monitor of `isotropy fit` records, from before the first step on.

    Not the session's own: it yields no record of the start, and none of them are left where a run diverges.
    """

    def __init__(self) -> None:
        self.records = list[Row]()

    def __call__(self, prepared: Prepared, step: Any) -> None:
        if step is None:
            self.facts = prepared.facts()
            rows = prepared.dataset.batch(torch.from_numpy(spread_rows(prepared, MONITORED)))
            untrained = deepcopy(prepared.method.encoder)
            self.monitor = Monitor(prepared.method, rows, prepared.preprocess, untrained)
            self.records.append(self.monitor.at_start())
        elif (record := self.monitor.at(step)) is not None:
            self.records.append({k: None if np.isnan(v) else float(v) for k, v in record.items()})


def judged_case(case: Row, recipe: Recipe, folder: Path | None, quick: bool) -> Row:
    """Train, and return the verdicts after every record of the monitor."""
    data, seen, fault = sets.unlabelled(case["data"], folder), _Monitored(), FAULTS.get(case.get("fault", ""))
    epochs = case["steps"] / (len(data) // min(recipe.train.batch_size, len(data)))
    numbers: Row = {}
    try:
        recipe = recipe.changed({"train.epochs": epochs})
        made = train_once(recipe, data, quick=quick, change=fault, watch=seen)
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


def right(study: str, rows: Rows) -> tuple[str, str]:
    """Count the faults that were found, and the healthy runs without a false alarm."""
    faults = [row for row in rows if row["expected"] != ["healthy"]]
    healthy = [row for row in rows if row not in faults]
    early = sum(row["right"] and row["done"] <= 0.2 for row in faults)
    found, quiet = sum(row["right"] for row in faults), sum(row["right"] for row in healthy)
    said = f"{found} of {len(faults)} faults found, {early} in the first fifth; "
    said += f"{len(healthy) - quiet} false alarms in {len(healthy)}"
    return said, "tuned on these" if "tuned" in study else f"{found / len(faults):.0%} found"
