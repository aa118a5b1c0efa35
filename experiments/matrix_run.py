"""One run of the matrix: a method on a data set at a budget of processor seconds, and what its encoder is worth.

Labels are for probes alone. Every encoder is judged on the same rows, drawn once with seed 0.
"""

import hashlib
import inspect
import math
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from matrix_data import DATA, load
from numpy.typing import NDArray

from isotropy.data import ArrayDataset
from isotropy.diagnostics import effective_rank, mean_norm
from isotropy.evaluation import baselines, knn_probe, linear_probe
from isotropy.evaluation.intervals import difference, interval
from isotropy.evaluation.splits import stratified
from isotropy.methods import METHODS
from isotropy.modalities import MODALITIES
from isotropy.representation import embed_rows
from isotropy.runs.prepare import Prepared, prepare
from isotropy.runs.recipe import Recipe
from isotropy.training import fit

PROBE_ROWS = 4000  # of the training part, and as many of the test part
WATCHED, VIEWS = 512, 20
CALIBRATED_BATCHES, CALIBRATED_SECONDS, WARM_SECONDS = 4, 3.0, 20.0
KINDS = ("linear", "knn")
Part = NDArray[np.int64]
Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def recipe_of(method: str, name: str) -> Recipe:
    """Return the method's default recipe with the views that suit the data set, where the method compares views."""
    about = DATA[name]
    recipe = Recipe.default(method, about.modality)
    if about.encoder:
        return recipe.changed({"encoder": about.encoder} | {f"views.{k}": v for k, v in about.views.items()})
    if METHODS[method].min_views == 1 and not recipe.views:
        return recipe
    return recipe.changed({f"views.{k}": v for k, v in about.views.items() if k not in recipe.views})


def digest(method: str, name: str) -> str:
    """Return a short digest of all settings of a method on a data set: another one makes older results stale."""
    recipe = recipe_of(method, name)
    text = f"{recipe.to_toml()}{inspect.signature(METHODS[method].__init__)}{DATA[name]}"
    if METHODS[method].min_views > 1 or recipe.views:
        text += str(inspect.signature(MODALITIES[recipe.modality].view_maker(recipe.views.get("name", "")).__init__))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def rounded(epochs: float) -> float:
    """Return the number of epochs with three digits.

    Example:
        >>> rounded(12.3456), rounded(0.12345), rounded(1234.5)
        (12.3, 0.123, 1230.0)
    """
    return float(f"{epochs:.3g}")


def seconds_per_epoch(prepared: Prepared) -> float:
    """Return the processor seconds of one epoch of the encoder, measured on a copy and a few batches.

    The first epoch over them warms up (kernels are chosen, LFR picks its projectors) and is not counted, unless it
    alone takes long. The least of the others is taken: what neighbours do to the shared caches and units of a core
    shows in processor seconds, too, and only ever adds to them.
    """
    train = prepared.recipe.train
    few = min(CALIBRATED_BATCHES * train.batch_size, len(prepared.dataset))
    sample = ArrayDataset(prepared.dataset.batch(torch.arange(few)), prepared.preprocess)
    steps = fit(
        deepcopy(prepared.method),
        sample,
        prepared.views,
        optim=prepared.recipe.optim,
        **(train.arguments() | {"epochs": 1000.0}),
    )
    marks = [process_time()]
    for step in steps:
        if step.epoch == int(step.epoch):
            marks.append(process_time())
            warm = marks[1] - marks[0]
            if warm > WARM_SECONDS or (len(marks) > 2 and marks[-1] - marks[1] > CALIBRATED_SECONDS):
                break
    counted = np.diff(marks)[1:] if len(marks) > 2 else np.diff(marks)
    return float(np.min(counted)) / few * len(prepared.dataset)


@dataclass(frozen=True)
class Judge:
    """The rows and labels that every encoder of a data set is judged on."""

    prepared: Prepared
    train: Part
    test: Part

    @classmethod
    def of(cls, prepared: Prepared) -> "Judge":
        """Draw at most 4000 rows of either part, stratified, with seed 0."""
        labels = prepared.data.labels
        parts = [part[stratified(labels[part], min(PROBE_ROWS, len(part)))] for part in (prepared.train, prepared.test)]
        return cls(prepared, *parts)

    def embed(self) -> Pair:
        """Return the encoder's vectors of the rows of both parts, as it is now."""
        prepared = self.prepared
        return tuple(
            embed_rows(prepared.method.encoder, prepared.preprocess.to_input, prepared.rows[part])
            for part in (self.train, self.test)
        )

    def probe(self, pair: Pair) -> dict[str, Any]:
        """Return score and interval of either probe, and which test rows it got right, as hexadecimal bits."""
        labels = self.prepared.data.labels
        found: dict[str, Any] = {"width": int(pair[0].shape[1])}
        for kind, probe in zip(KINDS, (linear_probe, knn_probe)):
            made = probe(pair[0], labels[self.train], pair[1], labels[self.test])
            spread = {k: round(v, 4) for k, v in interval("classes", made.terms).items()}
            found[kind] = {**spread, "right": np.packbits(made.terms[:, 0] > 0).tobytes().hex()}
        return found

    def free(self) -> dict[str, Any]:
        """Return what costs nothing to learn: raw features, PCA, and the summary of series."""
        stored = [self.prepared.rows[part] for part in (self.train, self.test)]
        raw = [self.prepared.preprocess.features(rows) for rows in stored]
        series = [rows.numpy() for rows in stored] if self.prepared.recipe.modality == "series" else None
        width = self.prepared.method.encoder.width
        return {name: self.probe(pair) for name, pair in baselines.collect(*raw, width=width, series=series).items()}


def paired(ours: dict[str, Any], theirs: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return ours minus theirs with its interval for either probe, from the rows that each got right.

    Example:
        >>> right = {kind: {"right": bits} for kind, bits in (("linear", "f0"), ("knn", "c0"))}
        >>> wrong = {kind: {"right": "00"} for kind in KINDS}
        >>> [paired(right, wrong, 8)[kind]["score"] for kind in KINDS]
        [0.5, 0.25]
    """
    found = {}
    for kind in KINDS:
        a, b = (_bits(each[kind]["right"], rows) for each in (ours, theirs))
        found[kind] = {k: round(v, 4) for k, v in difference("classes", a, b).items()}
    return found


def _bits(text: str, rows: int) -> NDArray[np.float64]:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8))[:rows, None].astype(np.float64)


def fingerprint(encoder: torch.nn.Module) -> str:
    """Return a digest of the encoder's weights: methods that begin with the same encoder share its baseline."""
    found = hashlib.sha256()
    for name, value in encoder.state_dict().items():
        found.update(name.encode() + value.cpu().numpy().tobytes())
    return found.hexdigest()[:12]


def baseline(name: str, folder: Path, seed: int, known: dict[str, Any]) -> dict[str, Any]:
    """Return the baselines of a data set that `known` lacks, and those of its default encoder with this seed."""
    made = prepare(recipe_of("simclr", name).changed({"train.seed": seed}), load(name, folder))
    judge, weights = Judge.of(made), fingerprint(made.method.encoder)
    labels = made.data.labels[judge.test]
    found: dict[str, Any] = {
        "rows": {"training": len(made.train), "probe": len(judge.train), "test": len(judge.test)},
        "chance": round(float(np.unique(labels, return_counts=True)[1].max()) / len(labels), 4),
    }
    if "free" not in known:
        found["free"] = judge.free()
    if weights not in known.get("untrained", {}):
        found["untrained"] = {weights: untrained(judge, seed)}
    return found


def untrained(judge: Judge, seed: int) -> dict[str, Any]:
    """Return what the encoder is worth before training."""
    encoder = judge.prepared.recipe.encoder
    return {"seed": seed, "encoder": encoder, **judge.probe(judge.embed()), **_health(judge.prepared)}


def one(
    method: str,
    name: str,
    folder: Path,
    seed: int,
    *,
    known: dict[str, Any],
    processor: float,
    per_epoch: float | None = None,
    epochs: float | None = None,
) -> dict[str, Any]:
    """Train once and return the entry, the calibration, and the untrained encoder's baseline if `known` lacks it.

    Args:
        method, name, folder, seed: which run, and where the data sets are.
        known: the data set's baselines.
        processor: the budget in processor seconds, from which the epochs follow where none are given.
        per_epoch: processor seconds of an epoch, where they were measured before.
        epochs: as calibrated before, for further seeds.
    """
    made = prepare(recipe_of(method, name).changed({"train.seed": seed}), load(name, folder))
    found: dict[str, Any] = {"calibration": None}
    if epochs is None:
        per_epoch = per_epoch or seconds_per_epoch(made)
        epochs = rounded(processor / per_epoch)
        found["calibration"] = {"seconds_per_epoch": round(per_epoch, 4), "epochs": epochs}
    made = made.with_epochs(epochs)
    judge, weights = Judge.of(made), fingerprint(made.method.encoder)
    before = known.get("untrained", {}).get(weights)
    if before is None:
        before = untrained(judge, seed)
        found["untrained"] = {weights: before}
    seconds, trained = _trained(made)
    begin = process_time()
    after = judge.probe(judge.embed())
    gain = paired(after, before, len(judge.test))
    for kind in KINDS:
        del after[kind]["right"]
    found["entry"] = {
        "seed": seed,
        "epochs": epochs,
        "processor_seconds": round(seconds, 1),
        "evaluation_seconds": round(process_time() - begin, 1),
        "untrained": weights,
        **after,
        "gain": gain,
        **trained,
        "reference_losses": {
            k: round(v, 4) for k, v in made.method.reference_losses(made.recipe.train.batch_size).items()
        },
        "command": f"python experiments/matrix.py --data DIR --one {method} {name} {seed} --epochs {epochs:g}",
        "views": made.recipe.views,
        "versions": {"isotropy": version("isotropy"), "torch": str(torch.__version__)},
    }
    return found


def _trained(made: Prepared) -> tuple[float, dict[str, Any]]:
    """Train, and return the processor seconds that the loop took and what was seen on the way."""
    spent, losses, seen = 0.0, [], [{"done": 0.0, **_health(made)}]
    begin = process_time()
    for step in fit(made.method, made.dataset, made.views, optim=made.recipe.optim, **made.recipe.train.arguments()):
        losses.append(step.loss)
        if step.number * VIEWS // step.steps > (step.number - 1) * VIEWS // step.steps:
            spent += process_time() - begin
            recent = float(np.mean(losses[-max(1, step.steps // VIEWS) :]))
            seen.append({"done": round(step.number / step.steps, 3), "loss": round(recent, 4), **_health(made)})
            begin = process_time()
    last = {key: seen[-1][key] for key in ("effective_rank", "mean_norm")}
    facts = {"steps": len(losses), "first_loss": round(losses[0], 4), "last_loss": seen[-1]["loss"]}
    trajectory = {key: [each.get(key) for each in seen] for key in seen[-1]}
    return spent, {**facts, **last, "trajectory": trajectory}


def _health(made: Prepared) -> dict[str, float | None]:
    """Return rank and mean norm on rows spread over the training part; a rank that is not defined is null."""
    places = torch.linspace(0, len(made.dataset) - 1, min(WATCHED, len(made.dataset))).long()
    vectors = embed_rows(made.method.encoder, made.preprocess.to_input, made.dataset.batch(places))
    rank = effective_rank(vectors)
    return {"effective_rank": None if math.isnan(rank) else round(rank, 2), "mean_norm": round(mean_norm(vectors), 4)}
