"""What the evaluators found of one representation, kept in a file, so that others can be compared with it later."""

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, NotRequired, TypedDict
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np

from isotropy.errors import UserError
from isotropy.evaluation.conclusion import conclude
from isotropy.evaluation.evaluators import EVALUATORS
from isotropy.evaluation.intervals import RESAMPLES
from isotropy.evaluation.problem import Problem
from isotropy.evaluation.resampling import Resampled, resample
from isotropy.evaluation.score import Measurement, Score, evaluator_title, number
from isotropy.io.atomic import write_atomically
from isotropy.io.json_file import Count, Positive, parse_json
from isotropy.io.json_file import Measured as Number

# What damaged archives and arrays raise.
_DAMAGED = (
    OSError, EOFError, KeyError, TypeError, ValueError, SyntaxError, RuntimeError, MemoryError, BadZipFile, ZlibError,
    TokenError,
)  # fmt: skip


class ScoreFields(TypedDict):
    """A `Score` without its difference."""

    representation: str
    width: Count
    evaluator: str
    metric: str
    labels: Positive
    value: Number
    low: Number
    high: Number
    validation: NotRequired[Number | None]
    seconds: NotRequired[Number]
    detail: NotRequired[dict[str, Any]]


class About(TypedDict):
    """What the file says beside the resamples."""

    name: str
    notes: list[str]
    scores: list[ScoreFields]


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
        for place, sample in enumerate(self.samples):
            ends = np.array([] if sample.ends is None else sample.ends)
            arrays |= {f"point{place}": sample.point, f"samples{place}": sample.samples}
            arrays |= {f"rows{place}": np.array(sample.rows), f"ends{place}": ends}
        held = io.BytesIO()
        np.savez(held, **arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, held.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """Return what `save` wrote; raise UserError where it is damaged."""
        remedy = "delete it, and it is measured again"
        try:
            with np.load(path, allow_pickle=False) as held:
                about = parse_json(str(held["about"]), About, str(path), remedy)
                scores = tuple(Score(**score) for score in about["scores"])
                samples = tuple(_resampled(held, number) for number in range(len(scores)))
        except UserError:
            raise
        except _DAMAGED as error:
            raise UserError(f"{path}: damaged ({error!r}): {remedy}") from error
        return cls(about["name"], scores, samples, tuple(about["notes"]))


def _resampled(held: Mapping[str, Any], number: int) -> Resampled:
    point, samples = held[f"point{number}"], held[f"samples{number}"]
    floats = point.dtype.kind == samples.dtype.kind == "f"
    if not floats or samples.shape != (RESAMPLES, len(point)) or not len(point):
        raise ValueError(f"resamples {samples.shape} of {point.shape} draws")
    rows, ends = int(held[f"rows{number}"]), tuple(map(float, held[f"ends{number}"]))
    return Resampled(point, samples, rows, (ends[0], ends[1]) if ends else None)


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
    found = {**facts, "scores": [score.to_json() for score in scores], **conclude(facts, scores, samples)}
    guess, ranking = facts["majority"], found["ranking"]
    if ranking and all(line["low"] <= guess for line in ranking):
        said = (
            f"Nothing here reads {facts['label']} measurably better than guessing ({facts['metric']} {number(guess)})."
        )
        found["notes"] = [*facts["notes"], said]
    return found


def _column(score: Score) -> tuple[Any, ...]:
    return score.evaluator, score.metric, score.labels, score.detail.get("size")
