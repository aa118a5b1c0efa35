"""What an audit finds of one kind, and all of it as one frame."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.io.visible import in_line

# Each kind of issue, in the order in which they are shown, and what its rows are.
KINDS = {
    "exact_duplicate": "copies of another row",
    "near_duplicate": "nearly another row",
    "twin": "test rows with a twin in training",
    "label": "likely wrong labels",
    "misplaced": "rows that sit in another class",
    "outlier": "unlike all others",
    "inconsistent": "values that do not go together",
    "group": "rows known by their group",
    "blank": "blank or constant rows",
}
# What `Audit` calls its own columns, and what those that say where a row is from are called.
_OWN = re.compile(
    r"row|part|rank|score|other|reason|is_\w+_issue|\w+_score|near_duplicate_set|nearest_row|predicted_label"
    r"|file|file_row|id|start|end"
)


def label_name(name: str) -> str:
    """Return what the column of a label is called, which has no name of another column.

    Example:
        >>> label_name("kind"), label_name("credit_score")
        ('kind', 'label credit_score')
    """
    return f"label {name}" if _OWN.fullmatch(name) else name


@dataclass(frozen=True)
class Issue:
    """One kind of issue, for all rows.

    Attributes:
        issue: (N,) which rows have it. score: (N,) in [0, 1], low is worse.
        reason: returns why a row has it. other: (N,) the row that it is about, -1 for none.
        method: how it was found. beside: further columns (N,) of the frame.
    """

    issue: NDArray[np.bool_]
    score: NDArray[np.float64]
    reason: Callable[[int], str] = field(compare=False)
    method: str
    other: NDArray[np.int64] | None = None
    beside: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def ranked(self) -> NDArray[np.int64]:
        """Return the rows that have it, worst first."""
        rows = np.flatnonzero(self.issue)
        return rows[np.argsort(self.score[rows], kind="stable")]


@dataclass(frozen=True)
class Audit:
    """What is wrong with the rows of a data set.

    Attributes:
        issues: by kind (a key of `KINDS`); what could not be looked for is missing.
        known: (N,) what is known of the rows, by name: part and label. notes: what a reader has to know.
    """

    issues: dict[str, Issue]
    known: dict[str, NDArray[Any]]
    notes: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each row: `row`, what is known, and of every kind X `is_X_issue` and `X_score`."""
        count = len(next(iter(self.issues.values())).score)
        columns: dict[str, Any] = {"row": np.arange(count), **self.known}
        for kind, found in self.issues.items():
            columns |= {f"is_{kind}_issue": found.issue, f"{kind}_score": found.score, **found.beside}
        return pd.DataFrame(columns)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each kind of issue."""
        return {kind: int(found.issue.sum()) for kind, found in self.issues.items()}

    def listed(self, kind: str, most: int | None = None) -> pd.DataFrame:
        """Return the rows with a kind of issue, worst first: rank, row, score, other (row), reason, what is known."""
        found = self.issues[kind]
        rows = found.ranked()[:most]
        columns: dict[str, Any] = {"rank": np.arange(1, len(rows) + 1), "row": rows, "score": found.score[rows]}
        if found.other is not None:
            columns["other"] = found.other[rows]
        columns["reason"] = [in_line(found.reason(int(row))) for row in rows]
        return pd.DataFrame(columns | {name: values[rows] for name, values in self.known.items()})
