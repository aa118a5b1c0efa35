"""What each failure looks like in the numbers of a training: rules that return the evidence, and their thresholds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Threshold:
    """A number that a verdict turns on, and why it is that number."""

    value: float
    reason: str


THRESHOLDS = MappingProxyType(
    {
        "centre": Threshold(0.9, "unit rows of one point have 1, spread ones 0; above .9 samples are 26 degrees apart"),
        "collapse": Threshold(
            0.86, "c2 / a: what any two samples share, of what looks of one share; healthy runs: .84"
        ),
        "variation": Threshold(1e-3, "of the untrained encoder's: what is left of the rows' differences"),
        "information share": Threshold(0.01, "of the most that a batch can show; a healthy SwAV begins with .017"),
        "even share": Threshold(0.9, "of ln K: the entropy of a row, from which on codes are called uniform"),
        "looks rank": Threshold(
            2.15, "participation ratio: two opposite points have 1, two pairs 2; healthy runs: 2.3"
        ),
        "rank share": Threshold(0.25, "of the untrained encoder's effective rank on the same rows"),
        "loss rise": Threshold(0.5, "of the way from the first loss to the best one known, upwards"),
        "loss fall": Threshold(0.02, "of the way from the first loss to the best one known: less is nothing"),
        "kinship": Threshold(0.98, "linear CKA with the untrained encoder: a rotation has 1"),
        "records": Threshold(3, "records in a row, ten steps apart: one batch is an accident"),
        "begun": Threshold(0.15, "share of the training before which slowness is no news"),
    }
)


@dataclass(frozen=True)
class Evidence:
    """One number that speaks for a verdict: its value, the threshold that it is past, and since which step."""

    number: str
    value: float
    relation: str
    threshold: float
    since: int


@dataclass(frozen=True)
class Training:
    """What a verdict has to know of a training beside its records; `Prepared.facts` says it of a run."""

    method: str
    steps: int
    batch_size: int
    width: int
    landmarks: Mapping[str, float]


class Seen:
    """The numbers of the records, by name."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = records

    def of(self, name: str) -> list[tuple[int, float]]:
        """Return (step, number) of every record that has it, without the untrained encoder's."""
        found = [(int(r["step"]), r[name]) for r in self.records if r["step"] and r.get(name) is not None]
        return [(step, float(value)) for step, value in found if isfinite(value)]

    def first(self, name: str) -> float | None:
        """Return the untrained encoder's number."""
        value = self.records[0].get(name) if self.records and not self.records[0]["step"] else None
        return None if value is None else float(value)

    def stands(
        self, name: str, relation: str, threshold: float, *, times: int, points: list[tuple[int, float]] | None = None
    ) -> Evidence | None:
        """Return the evidence that the last `times` numbers at least are past a threshold, or None."""
        points = self.of(name) if points is None else points
        past: Callable[[float], bool] = (
            (lambda x: x >= threshold) if relation == "at least" else lambda x: x <= threshold
        )
        count, since = 0, 0
        for step, value in reversed(points):
            if not past(value):
                break
            count, since = count + 1, step
        if count < times or not points:
            return None
        return Evidence(name, round(points[-1][1], 6), relation, round(threshold, 6), since)


def _way(seen: Seen, training: Training) -> tuple[float, float]:
    """Return the first loss, and how far it is to the best one known (or its own size, where none is known)."""
    first = seen.of("loss")[0][1]
    best = training.landmarks.get("perfection")
    return first, max(abs(first - best) if best is not None else 0.0, 0.1 * abs(first), 1e-9)


def _divergence(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    first, way = _way(seen, training)
    ceiling = max([first, *[x for name, x in training.landmarks.items() if name != "perfection"]])
    limit = ceiling + THRESHOLDS["loss rise"].value * way
    return _all(seen.stands("loss", "at least", limit, times=often()))


def _point(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    by_looks = seen.stands("centre", "at least", THRESHOLDS["centre"].value, times=often())
    if by_looks:
        return (by_looks,)
    shared, kept = dict(seen.of("alignment")), seen.of("centre")
    # From the second record on: before training, strong looks at samples that are alike can share little more.
    points = [(step, centre / shared[step]) for step, centre in kept if step > 1 and shared.get(step, 0) > 0]
    name = "centre, of the alignment"
    by_share = seen.stands(name, "at least", THRESHOLDS["collapse"].value, times=2, points=points)
    if by_share and points[-1][1] >= points[-2][1] - _RECOVERY:
        return (by_share,)
    before = seen.first("variation")
    limit = THRESHOLDS["variation"].value * (before if before is not None else 1.0)
    return _all(seen.stands("variation", "at most", limit, times=2))


def _codes(seen: Seen, training: Training) -> tuple[Evidence, Evidence] | None:
    """Return the evidence that codes say nothing of a sample, and how even a row's probabilities are."""
    most = dict(seen.of("most_even"))
    shares = [(step, value / max(most[step], 1e-9)) for step, value in seen.of("information") if step in most]
    name = "information of the codes, of the most possible"
    empty = seen.stands(name, "at most", THRESHOLDS["information share"].value, times=often(), points=shares)
    if not empty:
        return None
    count = seen.of("categories")[-1][1]
    step, entropy = seen.of("entropy")[-1]
    even = Evidence(
        "entropy of a row, of ln K", round(entropy / log(count), 6), "", THRESHOLDS["even share"].value, step
    )
    return empty, even


def _uniform(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    found = _codes(seen, training)
    return found if found and found[1].value >= found[1].threshold else ()


def _one_code(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    found = _codes(seen, training)
    return found if found and found[1].value < found[1].threshold else ()


def _dimensional(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    by_looks = seen.stands("looks_rank", "at most", THRESHOLDS["looks rank"].value, times=1)
    before = seen.first("effective_rank")
    by_rank = before and seen.stands("effective_rank", "at most", THRESHOLDS["rank share"].value * before, times=2)
    return tuple(evidence for evidence in (by_looks, by_rank) if evidence)


def _shortcut(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before, best = seen.first("effective_rank"), training.landmarks.get("perfection")
    if before is None or best is None:
        return ()
    first, way = _way(seen, training)
    near = seen.stands("loss", "at most", first - 0.9 * way, times=often())
    poor = seen.stands("effective_rank", "at most", 0.5 * before, times=2)
    return (near, poor) if near and poor else ()


def _unmoved(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not _begun(seen, training):
        return ()
    return _all(seen.stands("kinship", "at least", THRESHOLDS["kinship"].value, times=2))


def _standing(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not _begun(seen, training):
        return ()
    first, way = _way(seen, training)
    limit = first - THRESHOLDS["loss fall"].value * way
    points = seen.of("loss")[1:]
    return _all(seen.stands("loss", "at least", limit, times=max(often(), len(points)), points=points))


RULES: Mapping[str, Callable[[Seen, Training], tuple[Evidence, ...]]] = MappingProxyType(
    {
        "divergence": _divergence,
        "point collapse": _point,
        "uniform codes": _uniform,
        "one code": _one_code,
        "dimensional collapse": _dimensional,
        "shortcut": _shortcut,
        "no better than the random encoder": _unmoved,
        "not yet learning": _standing,
    }
)


def _begun(seen: Seen, training: Training) -> bool:
    return seen.of("loss")[-1][0] >= THRESHOLDS["begun"].value * training.steps


# A share that falls by more than this between two records is a training that recovers.
_RECOVERY = 0.01


def often() -> int:
    """Return how many cheap records in a row a condition must hold."""
    return int(THRESHOLDS["records"].value)


def _all(evidence: Evidence | None) -> tuple[Evidence, ...]:
    return (evidence,) if evidence else ()
