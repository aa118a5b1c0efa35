"""What rules read: the metrics of a run as series over its steps, and the tests that a rule puts to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import isfinite
from statistics import median
from typing import Any

# Records of which the running median is taken, so that one bad batch turns no verdict.
WINDOW = 3


@dataclass(frozen=True)
class RunFacts:
    """What a verdict has to know of a run beside its records.

    Attributes:
        method: its name. parts: what it has, as `Method.parts`. steps, batch_size, width: of the run and its encoder.
        reference_losses: what the loss is worth in known situations, as `Method.reference_losses`.
    """

    method: str
    steps: int
    batch_size: int
    width: int
    parts: frozenset[str] = frozenset()
    reference_losses: Mapping[str, float] = field(default_factory=dict)

    @property
    def best_loss(self) -> float | None:
        """The lowest loss known, None where the method has no closed form for it."""
        return self.reference_losses.get("perfection")


@dataclass(frozen=True)
class Finding:
    """One number that speaks for a verdict: its value, the threshold that it is past, and since which step."""

    number: str
    value: float
    relation: str
    threshold: float
    since: int


# The findings that a verdict rests on; empty where a rule does not apply.
Evidence = tuple[Finding, ...]


@dataclass(frozen=True)
class Series:
    """A metric over the steps of a run: pairs (step, value), and the name that it has in a verdict."""

    name: str
    points: tuple[tuple[int, float], ...]

    def __bool__(self) -> bool:
        return bool(self.points)

    @property
    def values(self) -> list[float]:
        """All values."""
        return [value for _, value in self.points]

    @property
    def first(self) -> float:
        """The first value."""
        return self.points[0][1]

    @property
    def last(self) -> float:
        """The last value."""
        return self.points[-1][1]

    def map(self, name: str, function: Callable[[float], float]) -> "Series":
        """Return the series of a function of every value."""
        return Series(name, tuple((step, function(value)) for step, value in self.points))

    def over(self, other: "Series", name: str) -> "Series":
        """Return this over another one, at the steps where the other is above 0."""
        divisors = dict(other.points)
        return Series(name, tuple((s, value / divisors[s]) for s, value in self.points if divisors.get(s, 0) > 0))

    def progress(self, name: str, *, start: float, end: float) -> "Series":
        """Return how far every value has come from `start` (0) to `end` (1)."""
        return self.map(name, lambda value: (value - start) / (end - start))

    def running_median(self) -> "Series":
        """Return the median of every value and the two before it, without step 1, at which nothing was learnt."""
        points = [point for point in self.points if point[0] > 1]
        windows = [points[end - WINDOW : end] for end in range(WINDOW, len(points) + 1)]
        return Series(self.name, tuple((window[-1][0], median(value for _, value in window)) for window in windows))

    def at_least(self, threshold: float, *, records: int = 1) -> Finding | None:
        """Return the finding that the last `records` values or more are at least a threshold, else None."""
        return self._persists("at least", threshold, lambda value: value >= threshold, records)

    def at_most(self, threshold: float, *, records: int = 1) -> Finding | None:
        """Return the finding that the last `records` values or more are at most a threshold, else None."""
        return self._persists("at most", threshold, lambda value: value <= threshold, records)

    def _persists(
        self, relation: str, threshold: float, passes: Callable[[float], bool], records: int
    ) -> Finding | None:
        passing = list(takewhile(lambda point: passes(point[1]), reversed(self.points)))
        if len(passing) < records:
            return None
        return Finding(self.name, round(self.last, 6), relation, round(threshold, 6), since=passing[-1][0])


def all_of(*findings: Finding | None) -> Evidence:
    """Return the findings as evidence where none of them is missing, else none at all."""
    present = tuple(finding for finding in findings if finding is not None)
    return present if len(present) == len(findings) else ()


class Records:
    """The lines of diagnostics.jsonl, read by metric."""

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._lines = lines

    def series(self, metric: str) -> Series:
        """Return a metric where it was recorded and is finite, without step 0."""
        points = ((int(r["step"]), r[metric]) for r in self._lines if r["step"] and r.get(metric) is not None)
        return Series(metric, tuple((step, float(value)) for step, value in points if isfinite(value)))

    def untrained(self, metric: str) -> float | None:
        """Return a metric of the encoder before training, which is the record of step 0."""
        value = self._lines[0].get(metric) if self._lines and not self._lines[0]["step"] else None
        return None if value is None else float(value)

    def collapse_ratio(self) -> Series:
        """Return c2 / a: what any two samples share, of what views of one sample share. 1 is point collapse."""
        return self.series("centre").over(self.series("alignment"), "collapse ratio")

    def marginal_entropy(self) -> Series:
        """Return the marginal entropy of the codes, as a fraction of the most that the batch can show."""
        return self.series("marginal_entropy").over(self.series("most_even"), "marginal entropy / its maximum")

    def progressed(self, fraction: float, facts: RunFacts) -> bool:
        """Return whether this fraction of the training is done."""
        return self.series("loss").points[-1][0] >= fraction * facts.steps
