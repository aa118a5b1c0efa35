"""What each failure looks like in the numbers of a training: rules that return the evidence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from statistics import median
from types import MappingProxyType
from typing import Any

from isotropy.diagnostics.thresholds import THRESHOLDS, often

MARGINAL = "marginal entropy of the codes, of the most possible"


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
    reference_losses: Mapping[str, float]


class Seen:
    """The numbers of the records, by name."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = records

    def of(self, name: str) -> list[tuple[int, float]]:
        """Return (step, number) of every record that has it, without the untrained encoder's."""
        found = [(int(r["step"]), r[name]) for r in self.records if r["step"] and r.get(name) is not None]
        return [(step, float(value)) for step, value in found if isfinite(value)]

    def settled(self, name: str, points: list[tuple[int, float]] | None = None) -> list[tuple[int, float]]:
        """Return the median of every number and the two before it; none of the first step, which nothing was learnt at.

        Args:
            name: of the numbers. points: the numbers themselves, where no record has them by that name.
        """
        points = [(step, value) for step, value in (self.of(name) if points is None else points) if step > 1]
        places = range(often() - 1, len(points))
        return [(points[n][0], median(value for _, value in points[n + 1 - often() : n + 1])) for n in places]

    def share(self) -> list[tuple[int, float]]:
        """Return c2 / a: what any two samples share, of what views of one sample share."""
        alignment = dict(self.of("alignment"))
        return [(step, centre / alignment[step]) for step, centre in self.of("centre") if alignment.get(step, 0) > 0]

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
    best = training.reference_losses.get("perfection")
    return first, max(abs(first - best) if best is not None else 0.0, 0.1 * abs(first), 1e-9)


def _divergence(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    first, way = _way(seen, training)
    ceiling = max([first, *[x for name, x in training.reference_losses.items() if name != "perfection"]])
    limit = ceiling + THRESHOLDS["loss rise"].value * way
    return _all(seen.stands("loss", "at least", limit, times=often()))


def _point(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before = seen.first("variation")
    limit = THRESHOLDS["variation"].value * (before if before is not None else 1.0)
    if still := seen.stands("variation", "at most", limit, times=2):
        return (still,)
    share = seen.share()
    near = _past(seen, "c2 / a", "at least", "near one point", share)
    if not near or not _begun(seen, training):
        return ()
    # Views that were one point from the first are of one row: they have nothing to lose.
    one = _past(seen, "c2 / a", "at least", "one point", share)
    if one and share[0][1] >= one.threshold:
        return (one,)
    second = _unpulled(seen) if seen.of("eta") else _lost(seen)
    if second and seen.of("information"):
        # Codes may tell samples apart that are near to each other: they have to become fewer, too.
        fewer = _past(seen, MARGINAL, "at most", "fewer codes", _of_most(seen, "marginal_entropy"))
        second = (*second, fewer) if fewer else ()
    return (near, *second) if second else ()


def _unpulled(seen: Seen) -> tuple[Evidence, ...]:
    """Return the evidence that a predictor does not pull: eta is gone, and no centre has been pulled back."""
    pull, share = _past(seen, "eta", "at most", "pull"), seen.settled("", seen.share())
    if not pull or not share:
        return ()
    peak = max(value for _, value in share)
    if peak < THRESHOLDS["some centre"].value:
        return (pull,)
    high = [(step, value / peak) for step, value in share[-1:]]
    held = seen.stands("c2 / a, of its highest", "at least", THRESHOLDS["peak"].value, times=1, points=high)
    return (pull, held) if held else ()


def _lost(seen: Seen) -> tuple[Evidence, ...]:
    """Return the evidence that what tells samples apart is going, in a method that has no predictor."""
    apart = [(step, 1 - value) for step, value in seen.share()]
    rest = [(step, value / max(apart[0][1], 1e-9)) for step, value in apart]
    return _all(_past(seen, "1 - c2 / a, of the first step's", "at most", "lost", rest))


def _uniform(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not seen.of("information") or not _begun(seen, training, "even so far"):
        return ()
    even = [(step, value / log(seen.of("categories")[-1][1])) for step, value in seen.of("entropy")]
    # One record more than else: codes are even for a while in healthy trainings, too.
    flat = seen.stands("", "at least", THRESHOLDS["even share"].value, times=often() + 1, points=even[1:])
    full = _past(seen, "entropy of a row, of ln K", "at least", "even share", even)
    stuck = _costs(seen, training, "uniform codes", "at uniform")
    said = [value for _, value in seen.of("information")]
    rising = said[-1] > THRESHOLDS["regained"].value * max(min(said), 1e-9)
    return (full, *stuck) if flat and full and stuck and not rising else ()


def _one_code(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    return _all(_past(seen, MARGINAL, "at most", "few codes", _of_most(seen, "marginal_entropy")))


def _dimensional(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before = seen.first("effective_rank")
    limit = THRESHOLDS["rank share"].value * (before or 0.0)
    if by_rank := seen.stands("effective_rank", "at most", limit, times=2):
        return (by_rank,)
    if not _begun(seen, training):
        return ()
    flat = _past(seen, "views_rank", "at most", "views rank")
    if not seen.of("eta"):
        # Codes begin at what point collapse costs.
        blown = () if seen.of("information") else _costs(seen, training, "point collapse", "given up")
        second = _met(seen, training, "half way") or blown
    elif second := _unpulled(seen):
        # Nothing but eta says that a predictor does not work where there never was a centre: flatter views have to.
        flat = flat if len(second) > 1 else _past(seen, "views_rank", "at most", "one line")
    return (flat, *second) if flat and second else ()


def _met(seen: Seen, training: Training, least: str) -> tuple[Evidence, ...]:
    """Return the evidence that the loss has come a share of the way to the best one known."""
    first, way = _way(seen, training)
    # Small batches may begin below the best that is known of them.
    if not training.reference_losses.get("perfection", first) < first:
        return ()
    done = [(step, (first - value) / way) for step, value in seen.of("loss")]
    return _all(_past(seen, "loss, of the way to the best one known", "at least", least, done))


def _costs(seen: Seen, training: Training, state: str, least: str) -> tuple[Evidence, ...]:
    """Return the evidence that the loss stands at what a known state of failure costs."""
    best, worst = (training.reference_losses.get(name) for name in ("perfection", state))
    if best is None or worst is None or worst <= best:
        return ()
    stands = [(step, (value - best) / (worst - best)) for step, value in seen.of("loss")]
    return _all(_past(seen, f"loss, of the way from the best one to {state}", "at least", least, stands))


def _shortcut(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before = seen.first("effective_rank")
    if before is None:
        return ()
    poor = seen.stands("effective_rank", "at most", THRESHOLDS["poor rank"].value * before, times=2)
    return (poor, *met) if poor and (met := _met(seen, training, "met")) else ()


def _unmoved(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not _begun(seen, training):
        return ()
    if teacher := seen.stands("teacher_way", "at most", THRESHOLDS["teacher's way"].value, times=2):
        return (teacher,)
    kin = seen.stands("linear_cka", "at least", THRESHOLDS["linear_cka"].value, times=2)
    # A recurrent network may learn much by moving little: its loss says so.
    return (kin, *still) if kin and (still := _still(seen, training)) else ()


def _standing(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    # Where no views are compared a loss that stands is no evidence: its encoder may be on its way.
    still = _still(seen, training) if _begun(seen, training) else ()
    return still if len(still) > 1 else ()


def _still(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    """Return the evidence that the loss has never fallen by a share of its way, and views have not come together."""
    first, way = _way(seen, training)
    points, limit = seen.settled("loss"), first - THRESHOLDS["loss fall"].value * way
    loss = seen.stands("loss", "at least", limit, times=max(1, len(points)), points=points)
    if not loss or not (alignment := seen.of("alignment")):
        return _all(loss)
    # The loss of codes that grow surer and of a teacher that moves may stand while views come together.
    begin = alignment[0][1]
    nearer = [(step, (value - begin) / max(1 - begin, 1e-9)) for step, value in alignment]
    apart = _past(seen, "alignment, of the way from the first step's to 1", "at most", "nearer", nearer)
    return (loss, apart) if apart else ()


RULES: Mapping[str, Callable[[Seen, Training], tuple[Evidence, ...]]] = MappingProxyType(
    {
        "divergence": _divergence,
        "point collapse": _point,
        "uniform codes": _uniform,
        "one code": _one_code,
        "no better than the random encoder": _unmoved,
        "dimensional collapse": _dimensional,
        "shortcut": _shortcut,
        "not yet learning": _standing,
    }
)


def _begun(seen: Seen, training: Training, since: str = "begun") -> bool:
    return seen.of("loss")[-1][0] >= THRESHOLDS[since].value * training.steps


def _past(
    seen: Seen, name: str, relation: str, threshold: str, points: list[tuple[int, float]] | None = None
) -> Evidence | None:
    """Return the evidence that the last median of a number is past a threshold, or None."""
    settled = seen.settled(name, points)
    return seen.stands(name, relation, THRESHOLDS[threshold].value, times=1, points=settled)


def _of_most(seen: Seen, name: str) -> list[tuple[int, float]]:
    """Return an entropy of the codes over the most that the batch can show."""
    most = dict(seen.of("most_even"))
    return [(step, value / max(most[step], 1e-9)) for step, value in seen.of(name) if step in most]


def _all(evidence: Evidence | None) -> tuple[Evidence, ...]:
    return (evidence,) if evidence else ()
