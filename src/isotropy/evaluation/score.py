"""A score and what it was measured with: flat, so that whoever shows scores need not know what was measured."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isotropy.evaluation.metrics import first

if TYPE_CHECKING:
    from isotropy.evaluation.problem import Problem


SEARCH = "precision at 10"  # decides among what search measures


@dataclass(frozen=True)
class Measurement:
    """One number that an evaluator found, before anything is known of its interval.

    Attributes:
        metric: what it is, as "accuracy" or "R2".
        labels: how many training labels were used.
        terms: (M, c), one row per test row, whose means make the score; or (D, M, c), one such table per draw of the
            training labels. The rows and draws are the same for every representation, so that differences are paired.
        detail: what was chosen and how, for JSON.
        notes: what a reader has to know, each to follow the name of the representation.
        value: the score from means of the terms, (..., c) -> (...); by default the mean of the only one.
        validation: the same score on training rows that were held out, where probes are to be chosen among.
        predicted: classes or numbers of the test rows (M,), where they are predicted.
        ends: the lowest and the highest score that there is, as (0, 1) of a part of the rows, without which few rows
            that are all right have an interval of no width; None where there are none, as of an error.
    """

    metric: str
    labels: int
    terms: NDArray[np.float64]
    detail: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]] = first
    validation: float | None = None
    predicted: NDArray[Any] | None = None
    ends: tuple[float, float] | None = None


class Evaluator(Protocol):
    """Measures a candidate: `Features` of a representation, or what another baseline learns from (see `baselines`)."""

    def __call__(self, candidate: Any, problem: "Problem") -> Iterable[Measurement]:
        """Return or yield measurements, the same ones for every representation; none of what it cannot read."""
        ...


@dataclass(frozen=True)
class Score:
    """A measurement of one representation, with its 95% interval.

    Attributes:
        representation, width: whose features, and how many columns they have.
        evaluator: its name in `EVALUATORS`. metric, labels, validation, detail: as in `Measurement`.
        value, low, high: the score and its interval.
        difference: value, low and high of the trained representation minus this one, paired; None for itself.
        seconds: wall time of the evaluator.
    """

    representation: str
    width: int
    evaluator: str
    metric: str
    labels: int
    value: float
    low: float
    high: float
    difference: dict[str, float] | None = None
    validation: float | None = None
    seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the score as a dictionary that JSON can hold."""
        return dict(vars(self))


_LONG = 1e5  # from here on a score, as R2 with an outlier among the labels, fits no column of a table

# Titles of evaluators as users read them; another evaluator is called by its name.
_TITLES = {"linear": "linear probe", "knn": "k-NN", "mlp": "MLP probe"}


def evaluator_title(name: str) -> str:
    """Return the title of an evaluator as tables and sentences say it.

    Example:
        >>> evaluator_title("linear"), evaluator_title("few_labels")
        ('linear probe', 'few labels')
    """
    return _TITLES.get(name, name.replace("_", " "))


def extras(comparison: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what was measured beside the ranking and the few-label curve: the first metric of each other evaluator.

    Example:
        >>> scores = [{"evaluator": "linear", "metric": "R2"}, {"evaluator": "search", "metric": "precision at 10"}]
        >>> extras({"scores": scores, "ranking": [{"evaluator": "linear"}]})
        [('search', 'precision at 10')]
    """
    ranked = {line["evaluator"] for line in comparison["ranking"]} | {"linear", "knn", "trees", "mlp", "few_labels"}
    found: dict[str, str] = {}
    for score in comparison["scores"]:
        if score["evaluator"] not in ranked:
            found.setdefault(score["evaluator"], score["metric"])
    return list(found.items())


def lookup(comparison: dict[str, Any], representation: str, evaluator: str, metric: str) -> dict[str, Any] | None:
    """Return the score of a representation by an evaluator, None where it was not measured."""
    wanted = representation, evaluator, metric
    found = (s for s in comparison["scores"] if (s["representation"], s["evaluator"], s["metric"]) == wanted)
    return next(found, None)


def guessed(comparison: Mapping[str, Any]) -> dict[str, float]:
    """Return metric -> the score of guessing, of the metrics that tables show and of which it is known.

    Example:
        >>> guessed({"metric": "AUROC", "majority": 0.5, "search_by_chance": 0.853})
        {'AUROC': 0.5, 'precision at 10': 0.853}
    """
    found = {comparison["metric"]: comparison.get("majority"), SEARCH: comparison.get("search_by_chance")}
    return {metric: value for metric, value in found.items() if value is not None}


def by_chance(comparison: Mapping[str, Any], metric: str) -> str:
    """Return what stands behind a score where one class is so common that guessing scores much; else nothing.

    Example:
        >>> by_chance({"task": "classes", "metric": "AUROC", "majority": 0.5}, "AUROC")
        ' (.500 by guessing)'
        >>> by_chance({"task": "classes", "metric": "accuracy", "majority": 0.1}, "accuracy")
        ''
    """
    guess = guessed(comparison).get(metric)
    if guess is None or comparison["task"] != "classes" or comparison["metric"] == "accuracy":
        return ""
    return f" ({number(guess)} by guessing)"


def curves(comparison: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the few-label curves as representation -> size, as "10 a class" -> score; fewest labels first.

    Example:
        >>> few = {"representation": "us", "evaluator": "few_labels"}
        >>> scores = [few | {"labels": n, "detail": {"size": f"{n // 2} a class"}} for n in (20, 2)]
        >>> list(curves({"scores": scores})["us"])
        ['1 a class', '10 a class']
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    few = [score for score in comparison["scores"] if score["evaluator"] == "few_labels"]
    for score in sorted(few, key=lambda one: int(one["labels"])):
        found.setdefault(score["representation"], {})[score["detail"].get("size", f"{score['labels']} labels")] = score
    return found


def deciding(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return representation -> its line of the ranking with all labels, or at the largest size that was measured."""
    if comparison["ranking"]:
        return {line["representation"]: line for line in comparison["ranking"]}
    most = max(score["labels"] for score in comparison["scores"])
    return {score["representation"]: score for score in comparison["scores"] if score["labels"] == most}


def read_comparison(written: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of probes.json in format 3, whichever format it was written in.

    Example:
        >>> row = {"name": "us", "width": 2, "linear": {"score": 0.5, "low": 0.4, "high": 0.6, "C": 1.0}}
        >>> old = {"label": "kind", "score_name": "accuracy", "rows": {"train": 9, "test": 9}, "representations": [row]}
        >>> read_comparison(old)["scores"][0]["value"]
        0.5
    """
    if "ranking" in written:
        return written
    if "scores" in written:
        return _ranked(written)
    scores = []
    for row in written["representations"]:
        gaps = row.get("difference", {})
        for name, found in row.items():
            if not isinstance(found, dict) or name == "difference":
                continue
            detail = {key: value for key, value in found.items() if key not in ("score", "low", "high", "seconds")}
            scores.append(
                {
                    "representation": row["name"],
                    "width": row.get("width", 0),
                    "evaluator": name,
                    "metric": written.get("score_name", ""),
                    "labels": written["rows"]["train"],
                    **_renamed(found),
                    "difference": _renamed(gaps[name]) if name in gaps else None,
                    "seconds": found.get("seconds", 0.0),
                    "detail": detail,
                }
            )
    facts = {key: value for key, value in written.items() if key != "representations"}
    return _ranked({**facts, "decided_by": "linear", "scores": scores})


def _ranked(written: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of format 2, where one evaluator decided for all representations, in format 3."""
    decisive: dict[str, dict[str, Any]] = {}
    for score in written["scores"]:
        best = decisive.get(score["representation"])
        if score["evaluator"] == written["decided_by"] and (best is None or score["labels"] > best["labels"]):
            decisive[score["representation"]] = score
    names = ("representation", "evaluator", "value", "low", "high", "difference")
    ranking = [{name: score[name] for name in names} for score in decisive.values()]
    metric = next((score["metric"] for score in decisive.values()), "")
    facts = {name: value for name, value in written.items() if name not in ("decided_by", "chance")}
    lines = sorted(ranking, key=lambda line: -float(line["value"]))
    return {
        **facts,
        "format": 3,
        "metric": metric,
        "majority": written.get("chance"),
        "ranking": lines,
        "few_labels": [],
    }


def _renamed(old: dict[str, float]) -> dict[str, float]:
    return {"value": old["score"], "low": old["low"], "high": old["high"]}


def number(value: float) -> str:
    """Return a score with three digits and without the zero in front, as the field writes it.

    Example:
        >>> number(0.8456), number(1.0), number(-0.02), number(-38359447112.0)
        ('.846', '1.000', '-.020', '-3.84e+10')
    """
    if abs(value) >= _LONG:
        return f"{value:.3g}"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.3f}"


def signed(value: float) -> str:
    """Return a difference of scores as `number` does, with its sign.

    Example:
        >>> signed(0.0123), signed(-0.5)
        ('+.012', '-.500')
    """
    return number(value) if value < 0 else f"+{number(value)}"


def with_interval(gap: dict[str, float]) -> str:
    """Return a difference of scores and its interval.

    Example:
        >>> with_interval({"value": 0.01, "low": -0.002, "high": 0.02})
        '+.010 [-.002, +.020]'
    """
    return f"{signed(gap['value'])} [{signed(gap['low'])}, {signed(gap['high'])}]"
