"""What the evaluators found of one representation, kept in a file, so that others can be compared with it later."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isotropy.errors import UserError
from isotropy.evaluation.conclusion import conclude
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import Resampled, resample
from isotropy.evaluation.score import Measurement, Score, evaluator_title
from isotropy.io.atomic import write_atomically


@dataclass(frozen=True)
class Measured:
    """The scores of one representation, and their resamples.

    Attributes:
        name: of the representation. notes: what a reader has to know.
        scores: without differences. samples: one for each score, over the same resamples of the test rows for every
            representation of one problem.
    """

    name: str
    scores: tuple[Score, ...]
    samples: tuple[Resampled, ...]
    notes: tuple[str, ...] = ()

    @property
    def searched_form(self) -> tuple[float, str] | None:
        """How well training rows find each other, and the form of the features in which they do; None if not known."""
        for score in self.scores:
            if score.evaluator == "search" and score.validation is not None:
                return score.validation, score.detail["form"]
        return None

    def save(self, path: Path) -> None:
        """Write it to an .npz file, whole or not at all."""
        about = {"name": self.name, "notes": self.notes, "scores": [score.to_json() for score in self.scores]}
        arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
        for number, sample in enumerate(self.samples):
            arrays |= {f"point{number}": sample.point, f"samples{number}": sample.samples}
        held = io.BytesIO()
        np.savez(held, **arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, held.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """Return what `save` wrote; raise UserError where it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as held:
                about = json.loads(str(held["about"]))
                scores = tuple(Score(**score) for score in about["scores"])
                samples = tuple(Resampled(held[f"point{n}"], held[f"samples{n}"]) for n in range(len(scores)))
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: damaged ({error!r}): delete it, and it is measured again") from error
        return cls(about["name"], scores, samples, tuple(about["notes"]))


def measure(name: str, candidate: Any, problem: Problem, evaluators: Sequence[str]) -> Measured:
    """Return what the evaluators find of a candidate: `Features`, or another one of `evaluation.baselines`.

    Example:
        >>> from isotropy.evaluation.features import Features
        >>> x, y = np.repeat(np.eye(2), 40, axis=0), np.repeat([0, 1], 40)
        >>> found = measure("us", Features(x, x), Problem.of(y, y), ["linear"])
        >>> found.scores[0].metric, found.scores[0].value
        ('accuracy', 1.0)
    """
    found: list[tuple[str, Measurement, float]] = []
    for evaluator in evaluators:
        start = time.perf_counter()
        for one in EVALUATORS[evaluator](candidate, problem):
            found.append((evaluator, one, round(time.perf_counter() - start, 3)))
            start = time.perf_counter()
    samples = tuple(resample([one for _, one, _ in found], seed=problem.seed))
    scores = tuple(
        Score(
            representation=name,
            width=int(candidate.width),
            evaluator=evaluator,
            metric=one.metric,
            labels=one.labels,
            **sample.interval(),
            difference=None,
            validation=one.validation,
            seconds=seconds,
            detail=one.detail,
        )
        for (evaluator, one, seconds), sample in zip(found, samples, strict=True)
    )
    notes = [f"{evaluator_title(evaluator)} on {name}: {note}." for evaluator, one, _ in found for note in one.notes]
    return Measured(name, scores, samples, tuple(notes))


def concluded(facts: dict[str, Any], ours: Measured, free: Sequence[Measured]) -> dict[str, Any]:
    """Return the entry of probes.json for a representation beside everything free, as `evaluate` does.

    Args:
        facts: what `evaluate.facts_of` gives, with the name of ours. ours, free: measured on one problem.
    """
    mine = {_column(score): sample for score, sample in zip(ours.scores, ours.samples, strict=True)}
    scores, samples = list(ours.scores), list(ours.samples)
    for one in free:
        for score, sample in zip(one.scores, one.samples, strict=True):
            own = mine.get(_column(score))
            scores.append(replace(score, difference=None if own is None else own.minus(sample)))
            samples.append(sample)
    return {**facts, "scores": [score.to_json() for score in scores], **conclude(facts, scores, samples)}


def _column(score: Score) -> tuple[Any, ...]:
    return score.evaluator, score.metric, score.labels, score.detail.get("size")
