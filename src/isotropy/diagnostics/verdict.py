"""Is it collapsing, why, and what to do: one verdict on a training, from what it was watched by."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from isotropy.diagnostics.advice import advice_on
from isotropy.diagnostics.rules import RULES, Evidence, Seen, Training
from isotropy.diagnostics.thresholds import THRESHOLDS

VERDICTS = MappingProxyType(
    {
        "healthy": "The training is healthy: nothing that it is watched by is in a known state of failure.",
        "point collapse": "All samples are becoming one point: what the loss compares tells nothing apart.",
        "dimensional collapse": "The vectors are falling into few directions: most of their width says nothing.",
        "uniform codes": "Every sample is spread evenly over all categories: the codes tell nothing apart.",
        "one code": "All samples fall into one category, or into few: the codes tell hardly anything apart.",
        "shortcut": "The loss falls, and the vectors grow poorer: views agree by something that says little else.",
        "divergence": "The training diverges: its loss has left the range that it began in.",
        "not yet learning": "The loss stands where it began: nothing is learnt yet.",
        "no better than the random encoder": "Nothing shows that the encoder is better than before training.",
        "unknown": "Nothing can be said: the training is outside of what verdicts are made for.",
    }
)
ALARMS = ("point collapse", "dimensional collapse", "uniform codes", "one code", "divergence")


# Outside of these nothing is said: (least, most).
RANGES = MappingProxyType({"width": (8, 4096), "batch_size": (32, 4096), "steps": (100, 10_000_000)})


@dataclass(frozen=True)
class Verdict:
    """What is said of a training, as plain data.

    Attributes:
        name: one of `VERDICTS`. sentence: it in words. evidence: the numbers that it rests on.
        advice: one or two things to try, that name settings of the method.
    """

    name: str
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether going on as it is cannot help: a collapse or a divergence."""
        return self.name in ALARMS

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a dictionary that JSON can hold."""
        evidence = [asdict(one) for one in self.evidence]
        return {**asdict(self), "evidence": evidence, "advice": list(self.advice), "alarm": self.alarm}


def verdict(
    records: Sequence[Mapping[str, Any]],
    training: Training,
    *,
    probes: Sequence[Mapping[str, Any]] = (),
) -> Verdict:
    """Return the verdict on a training so far.

    The first of these that holds: divergence, unknown, point collapse, uniform codes, one code, no better than the
    random encoder, dimensional collapse, shortcut, not yet learning, healthy. Thresholds: `THRESHOLDS`.

    Args:
        records: the lines of diagnostics.jsonl, in order.
        training: what is trained and how long.
        probes: the comparisons of probes.json (format 2), where a label was probed.

    Example:
        >>> training = Training("simclr", steps=200, batch_size=256, width=128, reference_losses={})
        >>> records = [{"step": 10 * n, "loss": 6.2, "centre": 0.99, "alignment": 1.0} for n in range(1, 6)]
        >>> verdict(records, training).name
        'point collapse'
    """
    seen = Seen(records)
    if records and (stopped := records[-1].get("diverged")):
        return _made("divergence", training, (), str(stopped))
    if outside := _outside(seen, training):
        return _made("unknown", training, (), outside)
    for name, rule in RULES.items():
        if evidence := rule(seen, training):
            return _made(name, training, evidence)
    if probed := _probed(seen, probes):
        return _made(probed[0], training, (), probed[1])
    return _made("healthy", training, ())


def _made(name: str, training: Training, evidence: tuple[Evidence, ...], why: str = "") -> Verdict:
    sentence = f"{VERDICTS[name]} {why[:1].upper()}{why[1:]}." if why else VERDICTS[name]
    return Verdict(name, sentence, evidence, advice_on(name, training.method))


def _outside(seen: Seen, training: Training) -> str:
    for name, (least, most) in RANGES.items():
        if not least <= (value := getattr(training, name)) <= most:
            return f"{name} = {value}, and verdicts are for {least:,} to {most:,}"
    if len(seen.of("loss")) < THRESHOLDS["records"].value:
        return f"{len(seen.of('loss'))} records of the loss are too few"
    if not any(seen.of(name) for name in ("centre", "information", "effective_rank")):
        return "there is neither a centre nor an entropy of codes nor a rank"
    return ""


def _probed(seen: Seen, probes: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return what the probes of a finished run say beside the untrained encoder's: the worst of the labels."""
    found = None
    for entry in probes:
        for score in entry["scores"]:
            gap = score["difference"]
            if score["representation"] != "untrained encoder" or score["evaluator"] != entry["decided_by"]:
                continue
            said = f"On {entry['label']} it is {gap['low']:+.3f} to {gap['high']:+.3f} from the untrained encoder"
            losses = seen.of("loss")
            if gap["high"] < 0 and losses and losses[-1][1] < losses[0][1]:
                return "shortcut", said
            if gap["low"] <= 0:
                found = ("no better than the random encoder", said)
    return found
