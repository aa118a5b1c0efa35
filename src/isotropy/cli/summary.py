"""The end of `isotropy fit` in five lines: few labels, all labels, search, the verdict, and what to do next."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from isotropy.diagnostics.answers import LEARNING, NOT_KNOWN, few_label_line
from isotropy.diagnostics.verdict import Verdict
from isotropy.evaluation.beside import compared
from isotropy.evaluation.score import SEARCH, by_chance, number
from isotropy.runs.recommendation import advice

_HELPS = {"yes": "would still help", "no": "would hardly help", NOT_KNOWN: "may or may not help"}
_PROBE = "probe a label: isotropy probe RUN PATH --label NAME"


def summary(evidence: Sequence[dict[str, Any]], verdict: Verdict, folder: Path, page: Path, longer: str) -> list[str]:
    """Return the lines.

    Several labels get a line each, with all labels; `isotropy diagnose` has the tables.

    Args:
        evidence: the comparison of each label. page: the report. longer: the options that train the run longer.
    """
    if len(evidence) == 1:
        lines = list(_of_label(evidence[0]))
    else:
        width = max((len(entry["label"]) for entry in evidence), default=0)
        lines = [f"{entry['label']:<{max(width, 10)}}  {said}" for entry in evidence for said in _all_labels(entry)]
    return [
        *lines,
        f"verdict     {verdict.name}; {_advice(verdict, folder, longer, probed=bool(evidence))}",
        f"next        {'; '.join(filter(None, [*map(advice, evidence), _open(page, folder)]))}",
    ]


def _open(page: Path, folder: Path) -> str:
    return f"open {page}, or isotropy search {folder}; all tables: isotropy diagnose {folder}"


def notes_of(evidence: Sequence[dict[str, Any]], said: Sequence[str]) -> list[str]:
    """Return the notes of all labels that were not `said` before, each once; what is not of every label names its own.

    Example:
        >>> one, two = {"label": "y", "notes": ["Rough.", "Rare."]}, {"label": "z", "notes": ["Rough."]}
        >>> notes_of([one, two], [])
        ['Rough.', 'label y: rare.']
    """
    of_all = set.intersection(*(set(entry["notes"]) for entry in evidence)) if evidence else set()
    notes = [
        text if text in of_all or text.startswith("label ") else f"label {entry['label']}: {_inside(text)}"
        for entry in evidence
        for text in entry["notes"]
        if text not in said
    ]
    return list(dict.fromkeys(notes))


def _inside(sentence: str) -> str:
    """Return a sentence as it stands behind a colon; abbreviations keep their capitals."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def _advice(verdict: Verdict, folder: Path, longer: str, *, probed: bool) -> str:
    """Return the first thing to try, and what more time would do."""
    said = list(verdict.advice[:1]) or [_PROBE] * (not probed)
    if not verdict.alarm:
        answer = verdict.answer(LEARNING).answer
        # Nobody needs to know how to do what would hardly help.
        how = "" if answer == "no" else f" (isotropy fit --resume {folder} {longer})"
        said.append(f"more time {_HELPS[answer]}{how}")
    return "; ".join(said)


def _of_label(found: dict[str, Any]) -> Iterator[str]:
    metric = found["metric"]
    if few := few_label_line(found):
        others = [
            one
            for one in found["scores"]
            if one["evaluator"] == "few_labels" and one["detail"]["size"] == few["size"] and _is_beside(one, found)
        ]
        reached = f"{metric} {number(few['ours'])}{by_chance(found, metric)} with {few['size']}"
        yield f"few labels  {reached}, {compared(others)}"
    for line in _all_labels(found):
        yield f"all labels  {line}"
    searched = [one for one in found["scores"] if one["evaluator"] == "search" and one["metric"] == SEARCH]
    ours = next((one for one in searched if one["representation"] == found["ours"]), None)
    if ours and (others := [one for one in searched if _is_beside(one, found)]):
        yield f"search      {SEARCH} {number(ours['value'])}{by_chance(found, SEARCH)}, {compared(others)}"


def _is_beside(line: dict[str, Any], found: dict[str, Any]) -> bool:
    return bool(line["representation"] != found["ours"] and line["difference"] is not None)


def _all_labels(found: dict[str, Any]) -> Iterator[str]:
    """Yield the line of the score with all labels, where there is one and something free beside it."""
    ours = next((line for line in found["ranking"] if line["representation"] == found["ours"]), None)
    if ours and (others := [line for line in found["ranking"] if _is_beside(line, found)]):
        reached = f"{found['metric']} {number(ours['value'])}{by_chance(found, found['metric'])}"
        said = f"{reached} on {found['rows']['test']:,} test rows"
        yield f"{said}, {compared(others)}"
