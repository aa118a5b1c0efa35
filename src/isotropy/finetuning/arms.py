"""Was fine-tuning worth it? The network beside the frozen probe, the same network from scratch, and what is free."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, take
from isotropy.evaluation.baselines import trees
from isotropy.evaluation.evaluate import TEST_ROWS, TRAIN_ROWS
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.evaluation.evidence import free, raw_columns, with_parts_of
from isotropy.evaluation.features import Features
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import resample
from isotropy.evaluation.score import Measurement, evaluator_title, number
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import has_label
from isotropy.finetuning.average import AVERAGE
from isotropy.finetuning.beginning import PROBE
from isotropy.finetuning.deciding import TUNED
from isotropy.finetuning.finetune import Progress, finetune_rows, scratch_settings
from isotropy.finetuning.finetuned import FineTuned
from isotropy.finetuning.head import linear_model
from isotropy.finetuning.held_out import Rows
from isotropy.finetuning.mixture import MIXTURE
from isotropy.finetuning.neighbours import NEAREST
from isotropy.finetuning.settings import FineTuning
from isotropy.representation import Representation

FORMAT = 1
SCRATCH = "from scratch"
_READERS = ("linear", "knn", "trees")


@dataclass(frozen=True)
class _Arm:
    """A model with its measurements on the test rows, the leading one first; `reader` is the probe of free features."""

    name: str
    measured: list[Measurement]
    reader: str = ""

    @property
    def value(self) -> float:
        return float(self.measured[0].value(self.measured[0].terms.mean(axis=0)))


def compare_arms(
    model: FineTuned,
    representation: Representation,
    untrained: nn.Module,
    rows: Tensor | Batch,
    labels: NDArray[Any],
    train: Rows,
    test: Rows,
    *,
    groups: NDArray[Any] | None = None,
    settings: FineTuning | None = None,
    budget: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the scores of a fine-tuned model beside its arms, on the same test rows, as JSON can hold them.

    The arms: "frozen probe", the linear probe on the encoder as it was, learnt from the labelled rows; "from scratch",
    the untrained encoder tuned in the same way (same augmentation, regularisation, budget and choice of the round) but
    at one rate for all layers; and everything free, each read by what reads it best on the test rows, which favours it.
    Trees learn from all labelled rows, other free features from at most 10,000 of them.

    Args:
        model: what `finetune_rows` made of `representation`, with the same rows, labels, train, groups and settings.
        untrained: the encoder as it was before it was trained. test: row numbers; at most 20,000 are used.
        budget: seconds for the arm from scratch.

    Returns:
        format, label, task, metric, rows, seed, chosen, detail, arms (name, reader, value, low, high, metrics, and
        difference: value, low and high of the fine-tuned minus this, paired), best_free, notes, sentence.
    """
    target = model.target
    train, test = train[has_label(labels[train])], test[has_label(labels[test])]
    encoded = labels if target.task == "classes" else labels.astype(np.float64)
    if len(test) > TEST_ROWS:
        codes = labels[test] if target.task == "classes" else np.zeros(len(test))
        test = test[stratified(codes, TEST_ROWS, seed=seed)]
    problem = Problem.of(
        encoded[train], encoded[test], task=target.task, seed=seed, groups=None if groups is None else groups[train]
    )
    tested = take(rows, torch.from_numpy(test))
    arms = [_Arm(TUNED, [*problem.measured(model.predictions_stored(tested))])]
    z = representation.embed_stored(take(rows, torch.from_numpy(train)))
    probe = linear_model(
        z, target.encoded(labels[train]), target, representation.embed_stored(tested), seed=seed, groups=problem.groups
    )
    predicted = probe.predict(probe.form.test)
    predicted = target.decoded(predicted[:, None]) if target.task == "numbers" else predicted
    arms.append(_Arm(PROBE, [*problem.measured(predicted)]))
    blank = representation.with_encoder(untrained.to(representation.device), rows, train)
    again = finetune_rows(
        blank, rows, labels, train, label=target.name, task=target.task, groups=groups,
        settings=scratch_settings(settings or FineTuning()), budget=budget, seed=seed,
        progress=None if progress is None else lambda what, done, of: progress(f"{SCRATCH}, {what}", done, of),
    )  # fmt: skip
    arms.append(_Arm(SCRATCH, [*problem.measured(again.predictions_stored(tested))]))
    arms += _free_arms(blank, rows, train, test, problem, progress)
    return _summary(model, arms, problem, {"scratch": again.detail})


def _free_arms(
    initial: Representation, rows: Tensor | Batch, train: Rows, test: Rows, problem: Problem, progress: Progress | None
) -> Iterator[_Arm]:
    """Yield everything free, each as its best reader reads it."""
    some = np.arange(len(train))
    if len(some) > TRAIN_ROWS:
        codes = problem.train_y if problem.task == "classes" else np.zeros(len(some))
        some = stratified(codes, TRAIN_ROWS, seed=problem.seed)
    groups = None if problem.groups is None else problem.groups[some]
    fewer = replace(problem, train_y=problem.train_y[some], groups=groups)
    found = free(initial, rows, train[some], test, with_parts_of(initial.embedding.name, initial.modality))
    if (columns := raw_columns(initial, rows, train, test)) is not None:
        found[trees.NAME] = columns
    for number_, (name, candidate) in enumerate(found.items()):
        if progress is not None:
            progress(name, number_, len(found))
        asked = fewer if isinstance(candidate, tuple) else problem
        candidate = Features(*candidate) if isinstance(candidate, tuple) else candidate
        read = [_Arm(name, [*EVALUATORS[reader](candidate, asked)], reader) for reader in _READERS]
        yield max((arm for arm in read if arm.measured), key=lambda arm: arm.value)


def _summary(model: FineTuned, arms: list[_Arm], problem: Problem, details: dict[str, Any]) -> dict[str, Any]:
    leading = resample([arm.measured[0] for arm in arms], seed=problem.seed)
    lines = []
    for arm, sample in zip(arms, leading, strict=True):
        line: dict[str, Any] = {"name": arm.name, "reader": arm.reader, **sample.interval()}
        line["metrics"] = {one.metric: float(one.value(one.terms.mean(axis=0))) for one in arm.measured}
        line["difference"] = None if arm is arms[0] else leading[0].minus(sample)
        lines.append(line)
    best = max(lines[3:], key=lambda line: line["value"])["name"]
    found = {
        "format": FORMAT,
        "label": model.label,
        "task": model.task,
        "metric": problem.leading,
        "rows": {"train": len(problem.train_y), "test": len(problem.test_y)},
        "seed": problem.seed,
        "chosen": model.detail["chosen"],
        "detail": {TUNED: model.detail, **details},
        "arms": lines,
        "best_free": best,
        "notes": [f"Only {len(problem.test_y)} test rows: the intervals are rough."]
        if len(problem.test_y) < 100
        else [],
    }
    return {**found, "sentence": sentence(found)}


def short_table(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the arms that a short table has: the network's own three, trees, and the best free."""
    return [
        line
        for place, line in enumerate(found["arms"])
        if place < 3 or line["name"] in (trees.NAME, found["best_free"])
    ]


def arm_title(line: dict[str, Any], found: dict[str, Any]) -> str:
    """Return an arm's name, with what reads it where that is a choice, or what is in its place.

    Example:
        >>> found = {"detail": {"fine-tuned": {"chosen": "frozen average"}, "scratch": {"chosen": "fine-tuned"}}}
        >>> arm_title({"name": "raw features", "reader": "knn"}, found)
        'raw features (k-NN)'
        >>> [arm_title({"name": name, "reader": ""}, found) for name in ("fine-tuned", "from scratch")]
        ['fine-tuned (frozen average)', 'from scratch']
    """
    details = found["detail"]
    chosen = {TUNED: details[TUNED], SCRATCH: details["scratch"]}.get(line["name"], {"chosen": TUNED})["chosen"]
    said = evaluator_title(line["reader"]) if line["reader"] not in ("", "trees") else "" if chosen == TUNED else chosen
    return f"{line['name']} ({said})" if said else line["name"]


def sentence(found: dict[str, Any]) -> str:
    """Return one sentence: what the model reaches, and which arms it beats, equals and is behind."""
    first, *others = short_table(found)
    what = {
        TUNED: "fine-tuning",
        MIXTURE: _said_of(found["detail"][TUNED].get("shares", {})),
        PROBE: "the frozen probe, which held-out rows prefer to fine-tuning,",
        AVERAGE: "the average of what reads the frozen embedding, which held-out rows prefer to fine-tuning,",
        NEAREST: "the vote of the nearest rows in the frozen embedding, which held-out rows prefer to fine-tuning,",
    }[found["chosen"]]
    groups: dict[str, list[str]] = {"above": [], "no measurable difference from": [], "behind": []}
    for line in others:
        if line["name"] == PROBE and found["chosen"] == PROBE:
            continue
        gap = line["difference"]
        kind = "above" if gap["low"] > 0 else "behind" if gap["high"] < 0 else "no measurable difference from"
        name = "training from scratch" if line["name"] == SCRATCH else line["name"]
        groups[kind].append(f"{name} ({number(line['value'])})")
    said = [f"{kind} {', '.join(names)}" for kind, names in groups.items() if names]
    return f"{found['label']}: {what} reaches {number(first['value'])} ({found['metric']}): {'; '.join(said)}."


def _said_of(shares: dict[str, float]) -> str:
    """Return what an average is of, and what each part counts for."""
    said = [
        f"{'the fine-tuned network' if name == TUNED else f'the {name}'} ({share:.2f})"
        for name, share in shares.items()
    ]
    return f"the average of {', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else ""
