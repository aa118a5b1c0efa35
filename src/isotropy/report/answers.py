"""What the page says first: the headline, and the four questions that a reader has."""

import re
from collections.abc import Iterator
from shlex import quote
from typing import Any

from isotropy.diagnostics.answers import COLLAPSED, FREE, LEARNING, compared_lines, where
from isotropy.report.figures import typeset
from isotropy.runs.recipe import longer
from isotropy.runs.recommendation import advice, to_take

_COLLAPSED = 1.1  # directions in use
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z])")


def headline(summary: dict[str, Any]) -> dict[str, Any]:
    """Return {"outcome", "sentences"}: what is wrong, the verdict of the evidence, or what can be said without labels.

    Example:
        >>> headline({"health": {"last": {"effective_rank": None, "mean_norm": 1.0}}})["outcome"]
        'collapsed'
    """
    last, evidence = summary.get("health", {}).get("last", {}), summary.get("evidence", [])
    rank, norm = last.get("effective_rank"), last.get("mean_norm")
    sentences = [entry["sentence"] for entry in evidence]
    verdict = summary.get("verdict", {})
    if verdict.get("alarm") and verdict["name"] == "divergence":
        return {"outcome": "failed", "sentences": [verdict["sentence"], *sentences]}
    # A large common mean alone is no collapse: embeddings that end in a ReLU have one, and use many directions.
    if "effective_rank" in last and (rank is None or rank < _COLLAPSED):
        norm_said = "" if norm is None else f" (norm of the mean embedding {norm:.3f})"
        collapsed = f"The representation has collapsed: the embeddings use about one direction at most{norm_said}."
        return {"outcome": "collapsed", "sentences": [collapsed, *sentences]}
    if verdict.get("alarm"):
        return {"outcome": "collapsed", "sentences": [verdict["sentence"], *sentences]}
    if evidence:
        outcomes = {entry["outcome"] for entry in evidence}
        return {"outcome": outcomes.pop() if len(outcomes) == 1 else "mixed", "sentences": sentences}
    if "recipe" in summary and "model" not in summary:
        return {"outcome": "unfinished", "sentences": ["The run is not finished: there is no encoder yet."]}
    unproven = "No label was probed, so nothing here proves that the representation is useful."
    if rank is not None:
        out_of = f" of {summary['embeddings']['width']}" if "embeddings" in summary else ""
        unproven += f" It uses about {rank:.0f}{out_of} directions and has not collapsed."
    return {"outcome": "unproven", "sentences": [unproven]}


def first_sentence(text: str) -> tuple[str, str]:
    """Return a text's first sentence and the rest.

    Example:
        >>> first_sentence("digit: .992, the best is .989. From 10 a class it is ahead.")
        ('digit: .992, the best is .989.', 'From 10 a class it is ahead.')
        >>> first_sentence("digit: With 10 a class it reaches .9.")
        ('digit: With 10 a class it reaches .9.', '')
    """
    first, *rest = _SENTENCE.split(text, maxsplit=1)
    return first, "".join(rest)


def answers(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Return the four questions as {"question", "answer", "because", "kind"}; kind is "good", "bad" or "open".

    Example:
        >>> [one["answer"] for one in answers({"name": "r", "headline": {"outcome": "unproven"}})][:2]
        ['not known', 'not known']
    """
    return [_healthy(summary), _better(summary), _labels(summary), _next(summary)]


def _answer(question: str, answer: str, because: str, kind: str) -> dict[str, str]:
    return {"question": question, "answer": answer, "because": because, "kind": kind}


def _healthy(summary: dict[str, Any]) -> dict[str, str]:
    question, verdict = "Is it healthy?", summary.get("verdict")
    if summary["headline"]["outcome"] in ("collapsed", "failed"):
        said = verdict["sentence"] if verdict else summary["headline"]["sentences"][0]
        return _answer(question, "no", said, "bad")
    if not verdict:
        return _answer(question, "not known", "The run keeps no records of its training.", "open")
    good = verdict["name"] in ("healthy", "not collapsed")
    name = {"healthy": "yes", "not collapsed": "it has not collapsed"}.get(verdict["name"], verdict["name"])
    because = next((one["because"] for one in _asked(summary, COLLAPSED)), "")
    said = f"{verdict['sentence']} {because[:1].upper()}{because[1:]}".strip()
    return _answer(question, name, said, "good" if good else "open")


def _better(summary: dict[str, Any]) -> dict[str, str]:
    question, evidence = "Is it better than what is free?", summary.get("evidence", [])
    if not evidence:
        return _answer(question, "not known", "No label was probed, and only a label can tell.", "open")
    known = _asked(summary, FREE)
    kind = {"beats": "good", "loses": "bad"}
    if known:
        compared = [entry["label"] for entry in evidence if compared_lines(entry, untrained=False)]
        said = _of_labels(compared, [one["answer"] for one in known])
        return _answer(question, said, " ".join(_gains(evidence)), {"yes": "good", "no": "bad"}.get(said, "open"))
    outcomes = {entry["outcome"] for entry in evidence}
    return _answer(question, ", ".join(sorted(outcomes)), "", kind.get("".join(outcomes), "open"))


def _asked(summary: dict[str, Any], question: str) -> list[dict[str, str]]:
    return [one for one in summary.get("verdict", {}).get("answers", []) if one["question"] == question]


def _of_labels(labels: list[str], said: list[str]) -> str:
    """Return what is said of each label, once where it is the same of all."""
    if len(set(said)) == 1:
        return said[0]
    return "; ".join(f"{label}: {one}" for label, one in zip(labels, said, strict=True))


def _gains(evidence: list[dict[str, Any]]) -> Iterator[str]:
    """Yield, for each label, by how much the run is above the best that is free, and above itself untrained."""
    for entry in evidence:
        name = f"{entry['label']}: " if len(evidence) > 1 else ""
        for beside, untrained in (("the best free", False), ("itself untrained", True)):
            gaps = {
                use: line["difference"]["value"] for use, line in compared_lines(entry, untrained=untrained).items()
            }
            if gaps:
                said = ", ".join(f"{typeset(gap)} {where(use)}" for use, gap in gaps.items())
                yield f"{name}Minus {beside}: {said}."


def _labels(summary: dict[str, Any]) -> dict[str, str]:
    """Say at which numbers of labels the embedding is measurably ahead of everything free."""
    question, kind, said = "With how many labels?", "open", []
    curves = [(entry["label"], entry["few_labels"]) for entry in summary.get("evidence", []) if entry["few_labels"]]
    for _, line in curves:
        ahead = [one["size"] for one in line if one["difference"]["low"] > 0]
        said.append(f"ahead with {', '.join(ahead)}" if ahead else "ahead at no size")
        kind = "good" if ahead else kind
    if not said:
        return _answer(question, "not known", "No few-label curve was measured.", "open")
    because = "Ahead means: above everything free, and 0 is outside of the 95% interval."
    return _answer(question, _of_labels([label for label, _ in curves], said), because, kind)


def _instead(evidence: list[dict[str, Any]], run: str) -> str:
    """Say what to take for each label where nothing is ahead of it, and what could change that."""
    label = quote(str(evidence[0]["label"]))
    return (
        f"{_said(evidence)}Nothing that was measured of the run is ahead of what is free; more rows without labels or "
        f"another method may change that: isotropy compare DATA --label {label}. Similar rows are found all the same: "
        f"isotropy search {run}"
    )


def _said(evidence: list[dict[str, Any]]) -> str:
    """Return what to take for each label, as a sentence and a blank; empty where nothing was measured beside it."""
    found = "; ".join(filter(None, map(advice, evidence)))
    return f"{found[:1].upper()}{found[1:]}. " if found else ""


def _is_ahead(entry: dict[str, Any]) -> bool:
    """Return whether an embedding is measurably ahead of what is free for any use."""
    return any(one.ahead for one in to_take(entry))


def _next(summary: dict[str, Any]) -> dict[str, str]:
    question, run = "What next?", quote(summary.get("path", summary["name"]))
    verdict = summary.get("verdict", {})
    if advice := [one for one in verdict.get("advice", []) if not one.startswith("probe a label")]:
        return _answer(question, advice[0], " ".join(f"Or {one}." for one in advice[1:3]), "open")
    if summary["headline"]["outcome"] == "unfinished":
        return _answer(question, "finish it", f"isotropy fit --resume {run}", "open")
    if not summary.get("evidence"):
        return _answer(question, "probe a label", f"isotropy probe {run} DATA --label COLUMN", "open")
    if "recipe" in summary and any(one["answer"] == "yes" for one in _asked(summary, LEARNING)):
        more = longer(summary["recipe"]["train"]["epochs"])
        said = f"It still learns: isotropy fit --resume {run} {more}. {_said(summary['evidence'])}"
        return _answer(question, "train longer", said.strip(), "open")
    if not any(map(_is_ahead, summary["evidence"])):
        return _answer(question, "take what is free", _instead(summary["evidence"], run), "open")
    use = f"{_said(summary['evidence'])}isotropy embed {run} DATA --out embeddings.parquet"
    return _answer(question, "use it", use, "open")
