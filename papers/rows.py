"""The rows of results: read, chosen, and compared over seeds.

A row is flat: study, data, variant, seed, digest of its settings, numbers.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

Row = dict[str, Any]
Rows = list[Row]


def read_rows(path: Path) -> Rows:
    """Return the rows of a file of results, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key_of(row: Row) -> tuple[str, str, str, int]:
    """Return what names a row."""
    return row["study"], row["data"], row["variant"], row["seed"]


def select(rows: Rows, **values: Any) -> Rows:
    """Return the rows with these values."""
    return [row for row in rows if all(row.get(name) == value for name, value in values.items())]


def by_seed(rows: Rows, column: str, **values: Any) -> dict[int, float]:
    """Return a number of the selected rows by seed."""
    return {row["seed"]: row[column] for row in select(rows, **values) if row.get(column) is not None}


def mean(rows: Rows, column: str, **values: Any) -> float:
    """Return the mean of a number over the selected rows."""
    return float(np.mean([row[column] for row in select(rows, **values)]))


def short(value: float | None, style: str = ".4f") -> float | None:
    """Return a number with four digits, None where there is none."""
    return None if value is None or not np.isfinite(value) else float(f"{value:{style}}")


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences with its 95% t-interval over seeds; without bounds for one pair."""

    mean: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if self.pairs < 2:
            return f"{self.mean:+.3f} (one seed)"
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def t_interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the mean with its 95% t-interval, which one value leaves open."""
    found = np.array(list(values), dtype=np.float64)
    center, count = float(found.mean()), len(found)
    half = float(t.ppf(0.975, count - 1) * found.std(ddof=1) / count**0.5) if count > 1 else float("inf")
    return center, center - half, center + half


def paired(
    rows: Rows, one: str, other: str, column: str = "linear", than: str = "", **values: Any
) -> Difference | None:
    """Return a number of a variant minus that (or number `than`) of another, over their common seeds, if any."""
    first, second = by_seed(rows, column, variant=one, **values), by_seed(rows, than or column, variant=other, **values)
    return differences(first, second)


def differences(first: dict[int, float], second: dict[int, float]) -> Difference | None:
    """Return first minus second over the seeds that both have; None where they have none in common."""
    seeds = sorted(first.keys() & second.keys())
    return Difference(*t_interval(first[seed] - second[seed] for seed in seeds), len(seeds)) if seeds else None
