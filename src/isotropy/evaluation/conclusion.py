"""What the scores of a comparison say: with all labels, with few, in search; and how many labels training is worth."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.beside import LEVEL, best_free, compared, outcome
from isotropy.evaluation.evaluators import ALL_LABELS
from isotropy.evaluation.intervals import percentile
from isotropy.evaluation.resampling import Resampled
from isotropy.evaluation.score import SEARCH, Score, by_chance, number

Pair = tuple[Score, Resampled]
FEW = "10 a class"


def conclude(comparison: dict[str, Any], scores: Sequence[Score], samples: Sequence[Resampled]) -> dict[str, Any]:
    """Return outcome, best, ranking, few_labels and sentence.

    Ours untrained is no baseline: it stands in the ranking and in the sentence, and decides neither best nor outcome.

    Returns:
        ranking: with all labels, the best score of every representation, best first: representation, evaluator,
            value, low, high, and difference (ours minus this one, None for ours). Ours is read by what did best
            on held-out training rows.
        few_labels: per size: size, labels, ours, best (the free baseline with the highest score: its name and value),
            difference, and label_factor: with how many times as many labels the best free baseline of each size reaches
            our score, with low and high; None where no number of labels that was measured does.
        best, outcome: the strongest free baseline of the ranking; "beats", "loses" or "no measurable difference".
        sentence: all of it as text.
    """
    pairs = list(zip(scores, samples, strict=True))
    ours, metric = comparison["ours"], comparison["metric"]
    ranking = _ranking(pairs, ours, metric)
    few = label_curve([pair for pair in pairs if pair[0].representation != UNTRAINED], ours, metric)
    found: dict[str, Any] = {"ranking": ranking, "few_labels": few, "best": None, "outcome": LEVEL}
    if few:
        found |= {"best": few[-1]["best"], "outcome": outcome(few[-1]["difference"])}
    mine = next((row for row in ranking if row["representation"] == ours), None)
    others = [row for row in ranking if row["representation"] != ours]
    sentences = []
    if mine and others:
        if best := best_free(others):
            found |= {"best": best["representation"], "outcome": outcome(best["difference"])}
        reached = f"{number(mine['value'])}{by_chance(comparison, metric)}"
        sentences.append(f"with all labels the trained encoder reaches {reached}, {compared(others)}.")
    if few:
        sentences.append(_of_few(few, pairs, comparison))
    chance = by_chance(comparison, SEARCH)
    if searched := _at(pairs, ours, lambda score: score.evaluator == "search" and score.metric == SEARCH, chance):
        sentences.append(f"In search, {SEARCH} is {searched}.")
    said = " ".join(sentences)
    return found | {"sentence": f"{comparison['label']}: {said[:1].lower()}{said[1:]}".strip()}


def _ranking(pairs: Sequence[Pair], ours: str, metric: str) -> list[dict[str, Any]]:
    best: dict[str, Pair] = {}
    for score, sample in pairs:
        if score.evaluator not in ALL_LABELS or score.metric != metric:
            continue
        name = score.representation
        # Ours by training rows alone; a baseline by what suits it best on the test rows, which favours it.
        if name not in best or _suits(score, name == ours) > _suits(best[name][0], name == ours):
            best[name] = score, sample
    rows = [
        {
            "representation": name,
            "evaluator": score.evaluator,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "difference": None if name == ours or ours not in best else best[ours][1].minus(sample),
        }
        for name, (score, sample) in best.items()
    ]
    return sorted(rows, key=lambda row: -float(row["value"]))


def _suits(score: Score, chosen_on_training_rows: bool) -> float:
    if not chosen_on_training_rows:
        return score.value
    return -np.inf if score.validation is None else score.validation


def label_curve(pairs: Sequence[Pair], ours: str, metric: str) -> list[dict[str, Any]]:
    """Return what `conclude` says of few labels, one line per size."""
    curves: dict[str, dict[int, Pair]] = {}
    sizes: dict[int, str] = {}
    for score, sample in pairs:
        if score.evaluator == "few_labels":
            curves.setdefault(score.representation, {})[score.labels] = score, sample
            sizes[score.labels] = score.detail["size"]
        elif score.evaluator in ALL_LABELS and score.metric == metric:
            # The curve ends with all labels, read by whatever reads them best.
            end = curves.setdefault(score.representation, {})
            if score.labels not in end or score.value > end[score.labels][0].value:
                end[score.labels] = score, sample
    mine = curves.pop(ours, {})
    found = []
    for labels in sorted(set(mine) & set(sizes)):
        beside = {name: curve[labels] for name, curve in curves.items() if labels in curve}
        if not beside:
            continue
        name = max(beside, key=lambda one: beside[one][0].value)
        score, sample = mine[labels]
        found.append(
            {
                "size": sizes[labels],
                "labels": labels,
                "ours": score.value,
                "best": name,
                "value": beside[name][0].value,
                "difference": sample.minus(beside[name][1]),
                "label_factor": _factor(labels, sample, list(curves.values())),
            }
        )
    return found


def _factor(labels: int, ours: Resampled, curves: Sequence[dict[int, Pair]]) -> dict[str, float | None]:
    """Return how many times as many labels the best free baseline needs for our score, with its interval."""
    counts = sorted({count for curve in curves for count in curve})
    ends = [[curve[count][1] for curve in curves if count in curve] for count in counts]
    point = np.array([max(sample.point.mean() for sample in end) for end in ends])
    spread = np.stack([np.max([sample.over_draws() for sample in end], axis=0) for end in ends], axis=1)
    reached = _labels_for(ours.point.mean(), point, counts)
    samples = np.array([_labels_for(a, b, counts) for a, b in zip(ours.over_draws(), spread, strict=True)])
    low, high = percentile(np.where(np.isfinite(samples), samples, 1e12))
    return {
        "value": None if not np.isfinite(reached) else float(reached / labels),
        "low": None if low >= 1e11 else float(low / labels),
        "high": None if high >= 1e11 else float(high / labels),
        "measured_to": float(counts[-1] / labels),
    }


def _labels_for(score: float, curve: Any, counts: Sequence[int]) -> float:
    """Return how many labels bring a curve to a score, between its points on a logarithmic scale; inf if none does."""
    best = np.maximum.accumulate(curve)  # more labels can be thrown away
    if score <= best[0]:
        return float(counts[0])
    place = int(np.searchsorted(best, score))
    if place == len(best):
        return float("inf")
    share = (score - best[place - 1]) / (best[place] - best[place - 1])
    return float(np.exp(np.log(counts[place - 1]) + share * (np.log(counts[place]) - np.log(counts[place - 1]))))


def _of_few(few: Sequence[dict[str, Any]], pairs: Sequence[Pair], comparison: dict[str, Any]) -> str:
    """Return the longest range of sizes in which ours is ahead of what is free and what it is worth there, or how
    it compares at the size that is shown."""
    ahead = _longest(few)
    shown = next((row for row in few if row["size"] == FEW), few[len(few) // 2])
    row = shown if shown in ahead or not ahead else ahead[-1]
    size, chance = row["size"], by_chance(comparison, comparison["metric"])
    reached = _at(
        pairs, comparison["ours"], lambda one: one.evaluator == "few_labels" and one.detail["size"] == size, chance
    )
    if not ahead:
        return f"With {size} it reaches {reached}."
    worth = _worth(row["label_factor"])
    said = f"With {size} it is ahead of everything free: it reaches {reached}{worth}."
    if len(ahead) > 1:
        sizes = f"From {ahead[0]['size']} to {ahead[-1]['size']}"
        said = f"{sizes} it is ahead of everything free; with {size} it reaches {reached}{worth}."
    behind = [row["size"] for row in few if outcome(row["difference"]) == "loses"]
    return f"{said} With {', '.join(behind)} it is behind." if behind else said


def _at(pairs: Sequence[Pair], ours: str, counts: Callable[[Score], bool], chance: str) -> str:
    """Return our score of a kind, what chance scores, and how it compares with the others'; empty where none is."""
    found = {score.representation: (score, sample) for score, sample in pairs if counts(score)}
    if ours not in found or len(found) < 2:
        return ""
    score, sample = found.pop(ours)
    others = [
        {"representation": name, "value": other.value, "difference": sample.minus(theirs)}
        for name, (other, theirs) in found.items()
    ]
    return f"{number(score.value)}{chance}, {compared(others)}"


def _longest(few: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the longest run of neighbouring sizes at which ours is measurably ahead; of two the first."""
    best: list[dict[str, Any]] = []
    run: list[dict[str, Any]] = []
    for row in few:
        run = [*run, row] if outcome(row["difference"]) == "beats" else []
        best = run if len(run) > len(best) else best
    return best


def _worth(factor: dict[str, float | None]) -> str:
    """Return with how many times as many labels what is free reaches ours; nothing where no more were measured."""
    if factor["value"] is None:
        most = factor["measured_to"] or 1
        return f", worth more than {most:.2g} times as many labels" if most > 1 else ""
    least = "" if factor["low"] is None else f" (at least {max(factor['low'], 0):.2g})"
    return f", worth {factor['value']:.2g} times as many labels{least}"
