"""Is it collapsing, why, and what to do: one verdict on a run, from its records."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from isotropy.diagnostics.rules import RULES
from isotropy.diagnostics.rules.records import WINDOW, Evidence, Records, RunFacts

HEALTHY, UNKNOWN = "healthy", "unknown"
VERDICTS = MappingProxyType(
    {
        HEALTHY: "No known failure detected.",
        **{rule.name: rule.sentence for rule in RULES.values()},
        UNKNOWN: "No verdict: the run is outside the range on which verdicts were tested.",
    }
)
# Outside of these no verdict is given: (least, most).
RANGES = MappingProxyType({"width": (8, 4096), "batch_size": (32, 4096), "steps": (100, 10_000_000)})
_PROBE = ("without a verdict, probe a label: isotropy probe RUN PATH --label NAME",)


@dataclass(frozen=True)
class Verdict:
    """What is said of a run: a name in `VERDICTS`, its sentence, the numbers that it rests on, and what to try."""

    name: str
    sentence: str
    evidence: Evidence = ()
    advice: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether going on as it is cannot help: a collapse or a divergence."""
        return self.name in RULES and RULES[self.name].alarm

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a dictionary that JSON can hold."""
        evidence = [asdict(finding) for finding in self.evidence]
        return {**asdict(self), "evidence": evidence, "advice": list(self.advice), "alarm": self.alarm}


def verdict(
    lines: Sequence[Mapping[str, Any]], facts: RunFacts, *, probes: Sequence[Mapping[str, Any]] = ()
) -> Verdict:
    """Return the verdict on a run so far: the first that holds of unknown, the `RULES` in their order, and healthy.

    A loss that is not finite is a divergence in any run; the others need a run inside of `RANGES`.

    Args:
        lines: of diagnostics.jsonl, in order. facts: what is trained and how long.
        probes: the comparisons of probes.json (format 2), where a label was probed.

    Example:
        >>> facts = RunFacts("simclr", steps=200, batch_size=256, width=128)
        >>> lines = [{"step": 10 * n, "loss": 6.2, "centre": 0.99, "alignment": 1.0} for n in range(1, 6)]
        >>> verdict(lines, facts).name
        'point collapse'
    """
    records = Records(lines)
    if lines and (stopped := lines[-1].get("diverged")):
        return _verdict("divergence", facts, because=str(stopped))
    if outside := _outside(records, facts):
        return Verdict(UNKNOWN, _sentence(UNKNOWN, outside), advice=_PROBE)
    for name, rule in RULES.items():
        if evidence := rule.when(records, facts):
            return _verdict(name, facts, evidence)
    if probed := _probed(records, probes):
        return _verdict(probed[0], facts, because=probed[1])
    return Verdict(HEALTHY, VERDICTS[HEALTHY])


def _verdict(name: str, facts: RunFacts, evidence: Evidence = (), because: str = "") -> Verdict:
    return Verdict(name, _sentence(name, because), evidence, RULES[name].advise(facts))


def _sentence(name: str, because: str) -> str:
    return f"{VERDICTS[name]} {because[:1].upper()}{because[1:]}." if because else VERDICTS[name]


def _outside(records: Records, facts: RunFacts) -> str:
    """Return why no verdict can be given, or nothing where one can."""
    for name, (least, most) in RANGES.items():
        if not least <= (value := getattr(facts, name)) <= most:
            return f"{name} = {value}, and verdicts are for {least:,} to {most:,}"
    if (count := len(records.series("loss").points)) < WINDOW:
        return f"{count} records of the loss are too few"
    if not any(records.series(name) for name in ("centre", "information", "effective_rank")):
        return "there is neither a centre nor an entropy of codes nor a rank"
    return ""


def _probed(records: Records, probes: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return what the probes of a finished run say beside the untrained encoder's: the worst of the labels."""
    no_gain = None
    losses = records.series("loss")
    for entry in probes:
        for line in entry["ranking"]:
            gap = line["difference"]
            if line["representation"] != "untrained encoder" or gap is None:
                continue
            because = f"On {entry['label']} it is {gap['low']:+.3f} to {gap['high']:+.3f} from the untrained encoder"
            if gap["high"] < 0 and losses and losses.last < losses.first:
                return "shortcut", because
            if gap["low"] <= 0:
                no_gain = ("no better than the random encoder", because)
    return no_gain
