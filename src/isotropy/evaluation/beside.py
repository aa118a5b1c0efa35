"""How a trained embedding compares with two things: the best that is free, and itself untrained.

They answer two questions: whether to take the embedding, and whether its training was worth it. Itself untrained is
joined with the same free features, so it is no baseline that anybody has without this library.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from isotropy.diagnostics.answers import TOLD
from isotropy.evaluation.baselines import UNTRAINED
from isotropy.evaluation.score import number

LEVEL = "no measurable difference"
Line = Mapping[str, Any]  # representation, value, and difference: ours minus this one with its interval, or None


def best_free(lines: Iterable[Line]) -> Line | None:
    """Return the line with the highest value of those that are free; None where there is none.

    Example:
        >>> lines = [{"representation": "PCA", "value": 0.7}, {"representation": "untrained encoder", "value": 0.8}]
        >>> best_free(lines)["representation"]
        'PCA'
    """
    return max((one for one in lines if one["representation"] != UNTRAINED), key=lambda one: one["value"], default=None)


def untrained(lines: Iterable[Line]) -> Line | None:
    """Return the line of ours before it was trained; None where it was not measured."""
    return next((one for one in lines if one["representation"] == UNTRAINED), None)


def compared(lines: Iterable[Line]) -> str:
    """Return how ours compares with both, by the intervals of the differences; empty where there is neither.

    Args:
        lines: of everything but ours.

    Example:
        >>> ahead, level = {"value": 0.2, "low": 0.1, "high": 0.3}, {"value": 0.0, "low": -0.1, "high": 0.1}
        >>> compared([{"representation": "PCA", "value": 0.7, "difference": ahead},
        ...           {"representation": "untrained encoder", "value": 0.9, "difference": level}])
        'ahead of the best free (.700, PCA), not measurably different from itself untrained (.900)'
    """
    lines = list(lines)
    parts = []
    if free := best_free(lines):
        parts.append((free["difference"], f"the best free ({number(free['value'])}, {free['representation']})"))
    if own := untrained(lines):
        parts.append((own["difference"], f"itself untrained ({number(own['value'])})"))
    said = dict.fromkeys(_HOW[outcome(gap)] for gap, _ in parts)
    return ", ".join(
        f"{how} {' and '.join(shown for gap, shown in parts if _HOW[outcome(gap)] == how)}" for how in said
    )


def outcome(gap: Mapping[str, float]) -> str:
    """Return what the interval of a difference says: "beats", "loses" or "no measurable difference".

    Example:
        >>> outcome({"value": 0.02, "low": -0.01, "high": 0.05}), outcome({"value": 1e-5, "low": 1e-6, "high": 2e-5})
        ('no measurable difference', 'no measurable difference')
    """
    if abs(gap["value"]) < TOLD:
        return LEVEL
    if gap["low"] > 0:
        return "beats"
    return "loses" if gap["high"] < 0 else LEVEL


_HOW = {"beats": "ahead of", "loses": "behind", LEVEL: "not measurably different from"}
