"""Is it collapsing, why, and what to do: one verdict on a run, and what is known of it beside."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from isotropy.diagnostics import answers
from isotropy.diagnostics.answers import COLLAPSED, NOT_KNOWN, Answer
from isotropy.diagnostics.rules import RULES, no_gain
from isotropy.diagnostics.rules.records import WINDOW, Evidence, Records, RunFacts
from isotropy.diagnostics.rules.rule import CHECK_VIEWS, TRAIN_LONGER, suited

HEALTHY, UNKNOWN, NOT_COLLAPSED, BEHIND = "healthy", "unknown", "not collapsed", "worse than free"
# What the metrics of a run alone can say: the instrument that was tested (docs/diagnostics.md).
FAILURES = MappingProxyType(
    {
        HEALTHY: "No known failure detected.",
        **{rule.name: rule.sentence for rule in RULES.values()},
        UNKNOWN: "No verdict: the run is outside the range on which verdicts were tested.",
    }
)
VERDICTS = MappingProxyType(
    {
        **FAILURES,
        NOT_COLLAPSED: "The embeddings have not collapsed; the run is outside the range on which more can be said.",
        BEHIND: "What needs no training scores higher on test rows than the trained encoder.",
    }
)
# Outside of these no failure is named: (least, most).
RANGES = MappingProxyType({"width": (8, 4096), "batch_size": (32, 4096), "steps": (100, 10_000_000)})
_PROBE = "probe a label: isotropy probe RUN PATH --label NAME"
_COMPARE = "compare methods: isotropy compare PATH --label NAME"


@dataclass(frozen=True)
class Verdict:
    """What is said of a run.

    Attributes:
        name: in `VERDICTS`. sentence: the same as a sentence. evidence: the numbers that it rests on; every verdict but
            those of a run in which nothing is wrong, or nothing can be said, has some.
        advice: what to try, that the method has the means for.
        answers: what is known, question by question: "collapsed", "still learning", "better than untrained" and
            "better than free", the last two once for every label.
    """

    name: str
    sentence: str
    evidence: Evidence = ()
    advice: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether going on as it is cannot help: a collapse or a divergence."""
        return self.name in RULES and RULES[self.name].alarm

    def answer(self, question: str) -> Answer:
        """Return the first answer to a question; "not known" where there is none."""
        unknown = Answer(question, NOT_KNOWN, "")
        return next((one for one in self.answers if one.question == question), unknown)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a dictionary that JSON can hold."""
        return {**asdict(self), "advice": list(self.advice), "alarm": self.alarm} | {
            name: [asdict(one) for one in getattr(self, name)] for name in ("evidence", "answers")
        }


def verdict(
    lines: Sequence[Mapping[str, Any]], facts: RunFacts, *, probes: Sequence[Mapping[str, Any]] = ()
) -> Verdict:
    """Return the verdict on a run so far, and what is known of it.

    A `failure` that the metrics show comes first. Without one, labels may show that the encoder is no better than the
    untrained one, or worse than what is free.

    Args:
        lines: of diagnostics.jsonl, in order. facts: what is trained and how long.
        probes: the comparisons of probes.json (format 3), where a label was probed.

    Example:
        >>> facts = RunFacts("simclr", steps=200, batch_size=256, width=128)
        >>> lines = [{"step": 10 * n, "loss": 6.2, "centre": 0.99, "alignment": 1.0} for n in range(1, 6)]
        >>> found = verdict(lines, facts)
        >>> found.name, found.answer("better than free").answer
        ('point collapse', 'not known')
    """
    records = Records(lines)
    found = failure(lines, facts)
    if found.name == UNKNOWN and answers.kept(records):
        because = found.sentence.removeprefix(FAILURES[UNKNOWN])
        found = replace(found, name=NOT_COLLAPSED, sentence=VERDICTS[NOT_COLLAPSED] + because)
    if found.name not in RULES:
        found = _probed(found, records, facts, probes) or found
    known = (_collapsed(found, records), answers.learning(records, facts), *answers.better(probes))
    advice = (_PROBE,) if found.name in (UNKNOWN, NOT_COLLAPSED) and not probes else found.advice
    return replace(found, answers=known, advice=advice)


def failure(lines: Sequence[Mapping[str, Any]], facts: RunFacts) -> Verdict:
    """Return what the metrics of a run show: the first that holds of unknown, the `RULES` in their order, and healthy.

    A loss that is not finite is a divergence in any run; the others need a run inside of `RANGES`. This is what
    papers/diagnostics tests; `verdict` adds what else is known.

    Example:
        >>> failure([], RunFacts("simclr", steps=200, batch_size=256, width=128)).name
        'unknown'
    """
    records = Records(lines)
    if lines and (stopped := lines[-1].get("diverged")):
        return _failed("divergence", facts, because=str(stopped))
    if outside := _outside(records, facts):
        return Verdict(UNKNOWN, _sentence(UNKNOWN, outside))
    for name, rule in RULES.items():
        if evidence := rule.when(records, facts):
            return _failed(name, facts, evidence)
    return Verdict(HEALTHY, VERDICTS[HEALTHY])


def _failed(name: str, facts: RunFacts, evidence: Evidence = (), because: str = "") -> Verdict:
    return Verdict(name, _sentence(name, because), evidence, RULES[name].advise(facts))


def _probed(found: Verdict, records: Records, facts: RunFacts, probes: Sequence[Mapping[str, Any]]) -> Verdict | None:
    """Return what labels show of a run that has no failure; None where they show nothing against it."""
    losses = records.series("loss")
    step = losses.points[-1][0] if losses else 0
    if evidence := answers.no_gain(probes, step):
        name = no_gain.RULE.name
        tried = RULES[name].advise(facts)
        if answers.learning(records, facts).answer == "no":
            tried = tuple(one for one in tried if one != TRAIN_LONGER.text) or (_COMPARE,)
        return Verdict(name, VERDICTS[name], evidence, tried)
    if evidence := answers.behind(probes, step):
        instead = f"use {answers.best_free(probes[0])} instead, or {_COMPARE}"
        longer = answers.learning(records, facts).answer == "yes"
        advice = (instead, *(suited([TRAIN_LONGER if longer else CHECK_VIEWS], facts.parts)))
        return Verdict(BEHIND, VERDICTS[BEHIND], evidence, advice)
    return None


def _collapsed(found: Verdict, records: Records) -> Answer:
    said = answers.numbers(records)
    if found.alarm and found.name != "divergence":
        return Answer(COLLAPSED, "yes", f"{found.name}; {said}")
    if found.name in (UNKNOWN, "divergence"):
        return Answer(COLLAPSED, NOT_KNOWN, said or "nothing was recorded")
    return Answer(COLLAPSED, "no", said)


def _sentence(name: str, because: str) -> str:
    return f"{VERDICTS[name]} {because[:1].upper()}{because[1:]}." if because else VERDICTS[name]


def _outside(records: Records, facts: RunFacts) -> str:
    """Return why no verdict can be given, or nothing where one can."""
    for name, (least, most) in RANGES.items():
        if not least <= (value := getattr(facts, name)) <= most:
            said = {"width": "the width is {}", "batch_size": "batches are of {} rows", "steps": "there were {} steps"}
            end = f"{least:,} is the least" if value < least else f"{most:,} is the most"
            return f"{said[name].format(f'{value:,}')}, and {end}"
    if (count := len(records.series("loss").points)) < WINDOW:
        return f"{count} records of the loss are too few"
    if not any(records.series(name) for name in ("centre", "information", "effective_rank")):
        return "there is neither a centre nor an entropy of codes nor a rank"
    return ""
