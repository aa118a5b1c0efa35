"""Several labels of the same rows: the mean of what was found on each."""

from collections.abc import Sequence
from typing import Any

from isotropy.evaluation.score import deciding, number


def mean_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each metric that several labels share: the mean score of each representation, best first.

    Args:
        found: what `evaluate` returned for each label. Of a representation that not all of them have, nothing is said.

    Example:
        >>> line = {"representation": "us", "value": 0.5}
        >>> one = {"label": "a", "metric": "R2", "ours": "us", "ranking": [line]}
        >>> mean_lines([one, {**one, "label": "b", "ranking": [{**line, "value": 0.7}]}])
        ['mean R2 over 2 labels (a, b): us .600']
    """
    lines = []
    for metric in dict.fromkeys(entry["metric"] for entry in found):
        same = [entry for entry in found if entry["metric"] == metric]
        if len(same) < 2:
            continue
        tables = [deciding(entry) for entry in same]
        shared = [name for name in tables[0] if all(name in table for table in tables)]
        means = {name: sum(float(table[name]["value"]) for table in tables) / len(tables) for name in shared}
        best = sorted(means, key=lambda name: -means[name])
        labels = ", ".join(str(entry["label"]) for entry in same)
        scores = ", ".join(f"{name} {number(means[name])}" for name in best)
        lines.append(f"mean {metric} over {len(same)} labels ({labels}): {scores}")
    return lines
