"""Which of several runs on the same data is best? A label that all were probed on says it; nothing else does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from isotropy.errors import UserError
from isotropy.evaluation.score import deciding, evaluator_title
from isotropy.runs.diagnose import diagnose
from isotropy.runs.directory import Run

# Spearman's correlation with a linear probe, mean and 95% interval on data sets that the number was not chosen on
# (papers/diagnostics): inside one method, and across methods. A number would have to
# reach NEEDED with the lower end to name a winner.
NEEDED = 0.5
WITHIN = {"number": "alignment", "mean": 0.353, "low": -0.477, "high": 1.0}
ACROSS = {"number": "alpha", "mean": -0.197, "low": -1.0, "high": 1.0}


@dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
        run: its directory. verdict: the name of its verdict.
        score, low, high: the deciding evaluator's score on the common label with its interval; None without one.
    """

    run: str
    method: str
    verdict: str
    score: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What can be said of several runs, as plain data.

    Attributes:
        runs: best first where a label says so, else as they were given.
        label: the label that they were all probed on; empty where there is none.
        best: the run that is better than all others outside the intervals; None where none can be named.
        sentence: the same as a sentence.
    """

    runs: tuple[Compared, ...]
    label: str
    best: str | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a dictionary that JSON can hold."""
        return asdict(self)


def compare(folders: Sequence[Path | str]) -> Comparison:
    """Return what can be said of the runs in several run directories.

    Scores of the first label that all runs were probed on, with the same test rows, put them in order; the best one
    is named where its interval lies above all others'. Without such a label no winner is named: no number that needs
    no label ranks runs well enough on data that it was not chosen on (docs/diagnostics.md).

    Args:
        folders: at least two, as `isotropy fit` wrote them, of runs on the same data.

    Raises:
        UserError: fewer than two, one twice, one that is no run or damaged, or runs of other data.
    """
    if len(folders) < 2:
        raise UserError(f"a comparison needs at least two runs, not {len(folders)}")
    opened = [Run.opened(folder) for folder in folders]
    if twice := [run.folder for n, run in enumerate(opened) if run.folder in [one.folder for one in opened[:n]]]:
        raise UserError(f"{twice[0]} is given twice: a comparison needs different runs")
    about = [run.read_json("data.json") for run in opened]
    for run, facts in zip(opened[1:], about[1:]):
        own, other = (str(one.get("fingerprint")) for one in (facts, about[0]))
        # Fingerprints of version 0.1 are of another length, and say nothing beside those of today.
        if own != other if len(own) == len(other) else facts.get("rows") != about[0].get("rows"):
            raise UserError(
                f"{opened[0].folder} and {run.folder} were trained on different data: their runs cannot be compared"
            )
    runs = tuple(Compared(str(run.folder), run.recipe.method, diagnose(run.folder).name) for run in opened)
    probes = [run.read_comparisons() for run in opened]
    try:
        label = _common(probes)
        scores = [_score(_of(found, label)) for found in probes] if label else []
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise UserError(f"a probes.json is damaged, or of an older isotropy ({error!r}): probe again") from error
    if not label:
        said = unlabelled({one.method for one in runs})
        return Comparison(runs, "", None, f"{said} Probe a label: isotropy probe RUN PATH --label NAME")
    pairs = sorted(zip(runs, scores), key=lambda pair: -pair[1]["value"])
    ordered = tuple(replace(one, score=s["value"], low=s["low"], high=s["high"]) for one, s in pairs)
    first, second = ordered[:2]
    clear = all(pairs[0][1]["low"] > other["high"] for _, other in pairs[1:])
    evaluator = evaluator_title(pairs[0][1]["evaluator"])
    said = f"On {label} {first.run} is best by {evaluator}: "
    said += f"{first.score:.3f} [{first.low:.3f}, {first.high:.3f}]"
    said += f"; next {second.run} with {second.score:.3f} [{second.low:.3f}, {second.high:.3f}]"
    said += "." if clear else ": the intervals overlap, so that no winner can be named."
    return Comparison(ordered, label, first.run if clear else None, said)


def unlabelled(methods: set[str]) -> str:
    """Return why no winner is named without a label: what the numbers that need none were shown to say."""
    within = len(methods) == 1
    of = WITHIN if within else ACROSS
    return (
        "No winner can be named without a label that all were probed on, with the same test rows: "
        + ("inside one method" if within else "across methods")
        + f" the best number that needs none ({of['number']}) ranks runs with a correlation of {of['mean']:+.2f} "
        f"[{of['low']:+.2f}, {of['high']:+.2f}] with later probes; to name a winner, {NEEDED:+.2f} at the lower end "
        "would be needed."
    )


def _common(probes: Sequence[list[dict[str, Any]]]) -> str | None:
    """Return the first label that all were probed on, with as many test rows, the same seed and the same evaluator."""
    for entry in probes[0]:
        others = [_of(found, entry["label"]) for found in probes[1:]]
        if all(one and _conditions(one) == _conditions(entry) for one in others):
            return str(entry["label"])
    return None


def _conditions(comparison: dict[str, Any]) -> tuple[Any, ...]:
    return comparison["rows"], comparison["seed"], comparison["metric"]


def _of(probes: list[dict[str, Any]], label: str) -> dict[str, Any]:
    return next((entry for entry in probes if entry["label"] == label), {})


def _score(entry: dict[str, Any]) -> dict[str, Any]:
    return deciding(entry)[entry["ours"]]
