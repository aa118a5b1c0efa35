"""What each failure looks like in the numbers of a training: rules that return the evidence, and their thresholds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from statistics import median
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Threshold:
    """A number that a verdict turns on, and why it is that number."""

    value: float
    reason: str


THRESHOLDS = MappingProxyType(
    {
        "one point": Threshold(0.98, "c2 / a: looks of two samples are as alike as looks of one"),
        "near one point": Threshold(0.8, "c2 / a: what any two samples share, of what looks of one share"),
        "lost": Threshold(0.6, "1 - c2 / a, of what it was at the first step: what tells samples apart is going"),
        "recovery": Threshold(2.0, "1 - c2 / a, of its least so far: above, the samples part again"),
        "pull": Threshold(0.25, "eta: a predictor that works pulls the centre back, in SimSiam by about a half"),
        "peak": Threshold(0.7, "c2 / a, of its highest so far: below, the centre has been pulled back"),
        "some centre": Threshold(0.05, "c2 / a: less is noise, and no sign of a centre"),
        "variation": Threshold(1e-3, "of the untrained encoder's: what is left of the rows' differences"),
        "few codes": Threshold(0.65, "marginal entropy of the codes, of the most that a batch can show"),
        "even share": Threshold(0.95, "of ln K: the entropy of a row, from which on codes are called uniform"),
        "information share": Threshold(0.05, "of the most that a batch can show: what is left for codes to say"),
        "regained": Threshold(1.2, "information of the codes, of its least so far: above, they learn to say more"),
        "looks rank": Threshold(2.2, "participation ratio: one line has 1, two lines 2; says nothing alone"),
        "met": Threshold(0.9, "of the way from the first loss to the best one known: the loss asks for no more"),
        "given up": Threshold(0.95, "of the way from the best loss to that of point collapse: nothing is told apart"),
        "rank share": Threshold(0.25, "of the untrained encoder's effective rank on the same rows"),
        "poor rank": Threshold(0.35, "the same, while the loss is met: a shortcut"),
        "teacher's way": Threshold(0.01, "how far the teacher has come of its student's way: 0 never moved"),
        "kinship": Threshold(0.995, "linear CKA with the untrained encoder: a rotation has 1"),
        "loss rise": Threshold(0.5, "of the way from the first loss to the best one known, upwards"),
        "loss fall": Threshold(0.02, "of the way from the first loss to the best one known: less is nothing"),
        "nearer": Threshold(0.1, "of the way from the first alignment to 1: looks of a sample come together"),
        "records": Threshold(3, "records, of which the median is taken: one batch is an accident"),
        "begun": Threshold(0.15, "share of the training before which slowness, or a low, is no news"),
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

    def settled(self, name: str, points: list[tuple[int, float]] | None = None) -> list[tuple[int, float]]:
        """Return the median of every number and the two before it; none of the first step, which nothing was learnt at.

        Args:
            name: of the numbers. points: the numbers themselves, where no record has them by that name.
        """
        points = [(step, value) for step, value in (self.of(name) if points is None else points) if step > 1]
        places = range(often() - 1, len(points))
        return [(points[n][0], median(value for _, value in points[n + 1 - often() : n + 1])) for n in places]

    def share(self) -> list[tuple[int, float]]:
        """Return c2 / a: what any two samples share, of what looks of one sample share."""
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
    best = training.landmarks.get("perfection")
    return first, max(abs(first - best) if best is not None else 0.0, 0.1 * abs(first), 1e-9)


def _divergence(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    first, way = _way(seen, training)
    ceiling = max([first, *[x for name, x in training.landmarks.items() if name != "perfection"]])
    limit = ceiling + THRESHOLDS["loss rise"].value * way
    return _all(seen.stands("loss", "at least", limit, times=often()))


def _point(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    share = seen.share()
    one = _past(seen, "c2 / a", "at least", "one point", share)
    # A predictor's outputs may begin as near to one point as this, unless the first of them already were.
    if one and (not seen.of("eta") or share[0][1] >= one.threshold):
        return (one,)
    before = seen.first("variation")
    limit = THRESHOLDS["variation"].value * (before if before is not None else 1.0)
    if still := seen.stands("variation", "at most", limit, times=2):
        return (still,)
    near = _past(seen, "c2 / a", "at least", "near one point", share)
    if not near or not _begun(seen, training):
        return ()
    return (near, *second) if (second := _unpulled(seen) if seen.of("eta") else _lost(seen)) else ()


def _unpulled(seen: Seen) -> tuple[Evidence, ...]:
    """Return the evidence that a predictor has stopped to pull the centre back, which stands at its highest."""
    share = seen.share()
    pull = _past(seen, "eta", "at most", "pull")
    if not pull or not share or share[-1][1] < THRESHOLDS["some centre"].value:
        return ()
    peak, last = max(value for _, value in share), [value for _, value in share[-often() :]]
    high = [(step, max(last) / peak) for step, _ in share[-1:]]
    held = seen.stands("c2 / a, of its highest", "at least", THRESHOLDS["peak"].value, times=1, points=high)
    return (pull, held) if held else ()


def _lost(seen: Seen) -> tuple[Evidence, ...]:
    """Return the evidence that what tells samples apart is going, in a method that has no predictor."""
    apart = [(step, 1 - value) for step, value in seen.share()]
    first, least = apart[0][1], min(max(value, 1e-9) for _, value in apart)
    rest = [(step, value / max(first, 1e-9)) for step, value in apart]
    gone = _past(seen, "1 - c2 / a, of the first step's", "at most", "lost", rest)
    return (gone,) if gone and apart[-1][1] <= THRESHOLDS["recovery"].value * least else ()


def _uniform(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not seen.of("information") or not _begun(seen, training):
        return ()
    even = [(step, value / log(seen.of("categories")[-1][1])) for step, value in seen.of("entropy")]
    said = _of_most(seen, "information")
    # One record more than else: codes are even for a while in healthy trainings, too.
    flat = seen.stands("", "at least", THRESHOLDS["even share"].value, times=often() + 1, points=even[1:])
    full = _past(seen, "entropy of a row, of ln K", "at least", "even share", even)
    empty = _past(seen, "information of the codes, of the most possible", "at most", "information share", said)
    least = min(value for _, value in said)
    rising = said[-1][1] > THRESHOLDS["regained"].value * max(least, 1e-9)
    return (full, empty) if flat and full and empty and not rising else ()


def _one_code(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    name = "marginal entropy of the codes, of the most possible"
    return _all(_past(seen, name, "at most", "few codes", _of_most(seen, "marginal_entropy")))


def _dimensional(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before = seen.first("effective_rank")
    limit = THRESHOLDS["rank share"].value * (before or 0.0)
    if by_rank := seen.stands("effective_rank", "at most", limit, times=2):
        return (by_rank,)
    if not _begun(seen, training):
        return ()
    flat = _past(seen, "looks_rank", "at most", "looks rank")
    second = _unpulled(seen) if seen.of("eta") else _met(seen, training) or _given_up(seen, training)
    return (flat, *second) if flat and second else ()


def _met(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    """Return the evidence that the loss has nearly reached the best one known."""
    if "perfection" not in training.landmarks:
        return ()
    first, way = _way(seen, training)
    done = [(step, (first - value) / way) for step, value in seen.of("loss")]
    return _all(_past(seen, "loss, of the way to the best one known", "at least", "met", done))


def _given_up(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    """Return the evidence that the loss stands at what point collapse costs; of codes, that is where it begins."""
    best, worst = (training.landmarks.get(name) for name in ("perfection", "point collapse"))
    if best is None or worst is None or worst <= best or seen.of("information"):
        return ()
    stands = [(step, (value - best) / (worst - best)) for step, value in seen.of("loss")]
    return _all(_past(seen, "loss, of the way from the best one to point collapse", "at least", "given up", stands))


def _shortcut(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    before = seen.first("effective_rank")
    if before is None:
        return ()
    poor = seen.stands("effective_rank", "at most", THRESHOLDS["poor rank"].value * before, times=2)
    return (poor, *met) if poor and (met := _met(seen, training)) else ()


def _unmoved(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not _begun(seen, training):
        return ()
    teacher = seen.stands("teacher_way", "at most", THRESHOLDS["teacher's way"].value, times=2)
    return _all(teacher or seen.stands("kinship", "at least", THRESHOLDS["kinship"].value, times=2))


def _standing(seen: Seen, training: Training) -> tuple[Evidence, ...]:
    if not _begun(seen, training):
        return ()
    first, way = _way(seen, training)
    limit = first - THRESHOLDS["loss fall"].value * way
    points = seen.of("loss")[1:]
    loss = seen.stands("loss", "at least", limit, times=max(often(), len(points)), points=points)
    if not loss or not (alignment := seen.of("alignment")):
        return _all(loss)
    # The loss of codes that grow surer and of a teacher that moves may stand while looks come together.
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


def _begun(seen: Seen, training: Training) -> bool:
    return seen.of("loss")[-1][0] >= THRESHOLDS["begun"].value * training.steps


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


def often() -> int:
    """Return of how many records the median is taken, and how many in a row a loss must stand."""
    return int(THRESHOLDS["records"].value)


def _all(evidence: Evidence | None) -> tuple[Evidence, ...]:
    return (evidence,) if evidence else ()
