"""What is known of a run, question by question: its metrics answer two of them, and labels the other two."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isotropy.diagnostics.learning import trend
from isotropy.diagnostics.rules.point_collapse import NEAR_ONE_POINT
from isotropy.diagnostics.rules.records import Evidence, Finding, Records, RunFacts

COLLAPSED, LEARNING, UNTRAINED, FREE = (
    "collapsed",
    "still learning",
    "better than untrained",
    "better than free",
)
NOT_KNOWN = "not known"
_NO_LABEL = "no label was probed"
# Variation and effective rank of the embeddings, over those before training, from which on they have not collapsed,
# however short the run. Healthy: .3 and .21; faults: 0.001 and .11.
KEPT = 0.2
# The most by which an encoder may be better than the untrained one, by the upper end of its interval, to be called no
# better: a wider interval says that too few rows were probed.
NO_BETTER = 0.01
# Of so many test rows that two encoders read alike, 1% may be read otherwise with 95% confidence: Hanley and
# Lippman-Hand 1983, If nothing goes wrong, is everything all right? (the rule of three).
_LEAST_ROWS = 3 / NO_BETTER
# Half of the last digit with which scores are shown: what is less is no difference to anybody.
TOLD = 5e-4
_UNTRAINED = "untrained encoder"
_TEN = "10 a class"
_ALL, _SEARCH = "all labels", "search"
_IN = {_ALL: "with all labels", _SEARCH: "in search"}


@dataclass(frozen=True)
class Answer:
    """One question about a run: "yes", "no", "not known" or, with labels, "no measurable difference"; and why."""

    question: str
    answer: str
    because: str


def numbers(records: Records) -> str:
    """Return the newest numbers of the embeddings, and what they were before training."""
    said = []
    for metric, name in (("effective_rank", "effective rank"), ("variation", "variation")):
        if series := records.series(metric):
            before = records.untrained(metric)
            said.append(f"{name} {series.last:.3g}" + ("" if before is None else f" (untrained {before:.3g})"))
    if ratio := records.collapse_ratio():
        said.append(f"collapse ratio of the views {ratio.last:.2f}")
    if entropy := records.marginal_entropy():
        said.append(f"marginal entropy of the codes {entropy.last:.2f} of its maximum")
    return ", ".join(said)


def kept(records: Records) -> bool:
    """Return whether embeddings and views are measurably not collapsed, which needs no more than one record."""
    for metric in ("effective_rank", "variation"):
        series, before = records.series(metric), records.untrained(metric)
        if not series or not before or series.last < KEPT * before:
            return False
    ratio = records.collapse_ratio()
    return not ratio or ratio.last < NEAR_ONE_POINT


def learning(records: Records, facts: RunFacts) -> Answer:
    """Return whether more time would still help."""
    return Answer(LEARNING, *trend(records, facts.parts))


def better(probes: Sequence[Mapping[str, Any]]) -> Iterator[Answer]:
    """Yield, for every label, whether the encoder is better than untrained, and than the best of what is free.

    Args:
        probes: the comparisons of probes.json (format 3).
    """
    for question in (UNTRAINED, FREE):
        said = [answer for entry in probes for answer in [_better(question, entry)] if answer is not None]
        yield from said or [Answer(question, NOT_KNOWN, _NO_LABEL)]


def _better(question: str, entry: Mapping[str, Any]) -> Answer | None:
    lines = compared_lines(entry, untrained=question == UNTRAINED)
    if not lines:
        return None
    found = {use: _outcome(line["difference"]) for use, line in lines.items()}
    parts = [f"{_shown(line['difference'])} from {line['representation']} {where(use)}" for use, line in lines.items()]
    answers = {said: [use for use in found if found[use] == said] for said in found.values()}
    answer = ", ".join(
        said if len(answers) == 1 else f"{said} {' and '.join(_IN.get(use, 'with few') for use in uses)}"
        for said, uses in answers.items()
    )
    rows = entry["rows"]["test"]
    return Answer(question, answer, f"on {entry['label']} {', '.join(parts)} ({rows:,} test rows)")


def where(use: str) -> str:
    """Return a key of `compared_lines` as a sentence says it.

    Example:
        >>> where("search"), where("10 a class")
        ('in search', 'with 10 a class')
    """
    return _IN.get(use, f"with {use}")


def no_gain(probes: Sequence[Mapping[str, Any]], step: int) -> Evidence:
    """Return the evidence, of the first label that has it, that the encoder is not better than before training.

    Where few labels or a search show that it is, all labels may leave nothing to gain, and are no evidence.
    """
    for entry in probes:
        lines = compared_lines(entry, untrained=True)
        line = lines.get(_ALL)
        if line is None or _ahead_elsewhere(lines) or entry["rows"]["test"] < _LEAST_ROWS:
            continue
        if line["difference"]["low"] <= 0 and line["difference"]["high"] <= NO_BETTER:
            return (_finding(entry, line, NO_BETTER, step),)
    return ()


def behind(probes: Sequence[Mapping[str, Any]], step: int) -> Evidence:
    """Return the evidence, one finding per label, that what is free is better on all labels.

    None where ours is ahead with few labels or in a search of one of them, and where what is free is not measurably
    better than guessing.
    """
    found = []
    for entry in probes:
        lines = compared_lines(entry, untrained=False)
        line = lines.get(_ALL)
        if line is None or _outcome(line["difference"]) != "no" or _ahead_elsewhere(lines) or _guesses(entry, line):
            return ()
        found.append(_finding(entry, line, 0.0, step))
    return tuple(found)


def best_free(entry: Mapping[str, Any]) -> str:
    """Return the name of what is free and scores highest with all labels; empty where there is none."""
    line = compared_lines(entry, untrained=False).get(_ALL)
    return "" if line is None else str(line["representation"])


def few_label_line(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the line of the few-label curve for 10 labels a class, else its middle one; None without a curve."""
    return _shown_size([one for one in entry.get("few_labels", ()) if one["difference"] is not None])


def _shown_size(lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((one for one in lines if one["size"] == _TEN), lines[len(lines) // 2] if lines else None)


def compared_lines(entry: Mapping[str, Any], *, untrained: bool) -> dict[str, Mapping[str, Any]]:
    """Return what ours is compared with by use (all labels, a number of them, search): representation, difference.

    That is the untrained encoder, or the best that is free, which the untrained one is not.
    """
    scores = [one for one in entry.get("scores", ()) if one["difference"] is not None]
    few = few_label_line(entry)
    if untrained:
        sizes = [
            {**one, "size": one["detail"]["size"]}
            for one in scores
            if one["evaluator"] == "few_labels" and one["representation"] == _UNTRAINED
        ]
        same = [one for one in sizes if few is not None and one["size"] == few["size"]]
        few = _shown_size(same or sizes)
    elif few:
        few = {**few, "representation": few["best"]}
    searched = [one for one in scores if one["evaluator"] == _SEARCH and one["metric"] == "precision at 10"]
    ranked = [one for one in entry["ranking"] if one["difference"] is not None]
    found = {_ALL: _nearest(ranked, untrained), **({few["size"]: few} if few else {})}
    found |= {_SEARCH: _nearest(searched, untrained)}
    return {use: line for use, line in found.items() if line is not None}


def _nearest(lines: Sequence[Mapping[str, Any]], untrained: bool) -> Mapping[str, Any] | None:
    """Return the line of the untrained encoder, or of the others the one that ours is least ahead of."""
    some = [one for one in lines if (one["representation"] == _UNTRAINED) == untrained]
    return min(some, key=lambda one: one["difference"]["value"], default=None)


def _ahead_elsewhere(lines: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(_outcome(line["difference"]) == "yes" for use, line in lines.items() if use != _ALL)


def _guesses(entry: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    """Return whether the interval of a line's score holds that of guessing."""
    guess = entry.get("majority")
    return guess is not None and any(
        one["low"] <= guess for one in entry["ranking"] if one["representation"] == line["representation"]
    )


def _outcome(gap: Mapping[str, float]) -> str:
    if abs(gap["value"]) < TOLD:
        return "no measurable difference"
    if gap["low"] > 0:
        return "yes"
    return "no" if gap["high"] < 0 else "no measurable difference"


def _shown(gap: Mapping[str, float]) -> str:
    return f"{gap['value']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]"


def _finding(entry: Mapping[str, Any], line: Mapping[str, Any], threshold: float, step: int) -> Finding:
    gap = line["difference"]
    number = f"the upper end of the score on {entry['label']} minus that of {line['representation']}"
    return Finding(number, round(gap["high"], 6), "at most", threshold, since=step)
