"""Lists of rows beside the map: what an audit found, and the exemplars of clusters."""

import re
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isotropy.clusters.describe import told_apart
from isotropy.errors import UserError
from isotropy.io.written import written
from isotropy.runs.directory import Run

AUDIT, CLUSTERS = "audit.parquet", "clusters.json"
MOST = 24  # rows of a list that are shown
_EXEMPLARS = 8
# The columns of audit.parquet of which there is one for each kind; a kind names a file, so it is a word.
_FLAG, _SCORE = r"is_(\w+)_issue", r"\w+_score"


@dataclass(frozen=True)
class RowList:
    """Rows of the data with a title; `of` is how many there are in all, `said` one text for each of `rows`."""

    name: str
    title: str
    rows: tuple[int, ...]
    of: int
    said: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def on_map(self, shown: NDArray[np.int64]) -> "RowList":
        """Return the list with places among the sorted rows that are `shown`, without those that are not."""
        places = np.searchsorted(shown, self.rows)
        there = [at for at, row in enumerate(self.rows) if places[at] < len(shown) and shown[places[at]] == row]
        said = tuple(self.said[at] for at in there) if self.said else ()
        return replace(self, rows=tuple(int(places[at]) for at in there), said=said)


def read_audit(run: Run) -> pd.DataFrame | None:
    """Return audit.parquet with a row for each row of the data; None where there is none.

    Raises:
        UserError: it cannot be read.
    """
    path = run.folder / AUDIT
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        for field in table.schema:
            flag, score = re.fullmatch(_FLAG, field.name), re.fullmatch(_SCORE, field.name)
            if flag and field.type != pa.bool_() or score and not pa.types.is_floating(field.type):
                raise ValueError(f"the column {field.name!r} is {field.type}")
        return table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}): audit the run again") from error


def audit_lists(audit: pd.DataFrame | None, run: Run | None = None) -> list[RowList]:
    """Return a list for each column `is_X_issue` that is true anywhere, the worst `X_score` first (low is worse).

    Args:
        audit: see `read_audit`. run: whose audit.json says what each kind is, and whose audit/X.csv has the reasons.

    Example:
        >>> frame = pd.DataFrame({"is_outlier_issue": [False, True, True], "outlier_score": [0.9, 0.2, 0.1]})
        >>> audit_lists(frame)[0].rows, audit_lists(frame)[0].said
        ((2, 1), ('score 0.1', 'score 0.2'))
    """
    found: list[RowList] = []
    if audit is None:
        return found
    about = {} if run is None else run.read_json("audit.json", {}).get("issues", {})
    for flag, kind in [(one[0], one[1]) for name in audit if (one := re.fullmatch(_FLAG, str(name)))]:
        flagged = np.flatnonzero(audit[flag].fillna(False).to_numpy(dtype=bool))
        if not len(flagged):
            continue
        scores = np.zeros(len(flagged))
        if f"{kind}_score" in audit:
            scores = audit[f"{kind}_score"].to_numpy(dtype=np.float64)[flagged]
        order = np.argsort(scores, kind="stable")[:MOST]
        reasons = {} if run is None else _reasons(run.folder / "audit" / f"{kind}.csv")
        rows = tuple(int(row) for row in flagged[order])
        said = tuple(reasons.get(row, f"score {score:.3g}") for row, score in zip(rows, scores[order]))
        title = str(about.get(kind, {}).get("what", kind.replace("_", " ")))
        found.append(RowList(f"audit-{kind}", title, rows, len(flagged), said))
    return found


def _reasons(path: Path) -> dict[int, str]:
    """Return the reason of each row of a list of the audit; none where the list is not as an audit writes it."""
    try:
        frame = pd.read_csv(path, nrows=MOST, keep_default_na=False)
        return {int(row): str(reason) for row, reason in zip(frame["row"], frame["reason"])}
    except (OSError, ValueError, KeyError):
        return {}


def cluster_lists(run: Run) -> list[RowList]:
    """Return the clusters of clusters.json with their exemplars and what distinguishes them; none where it is absent.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    found = run.read_json(CLUSTERS, {"clusters": []})
    codes = (found.get("codes") or {}).get("clusters", [])
    return [_cluster(one, beside) for one, beside in zip_longest(found["clusters"], codes[: len(found["clusters"])])]


def _cluster(one: dict[str, Any], codes: list[dict[str, Any]] | None) -> RowList:
    """Return a cluster with what distinguishes it, in columns and, at most once, in the codes of the run's method."""
    notes = [
        f"{label}: " + ", ".join(f"{value} {fraction:.0%}" for value, fraction in commonest)
        for label, commonest in one.get("labels", {}).items()
    ]
    means = one.get("means", {}).items()
    notes += [f"{label} is {written(mean)} on average" for label, mean in means if mean is not None]
    notes += [_trait(trait) for trait in [*one.get("traits", []), *(codes or [])[:1]]]
    rows = tuple(int(row) for row in one.get("exemplars", [])[:_EXEMPLARS])
    return RowList(f"cluster-{one['cluster']}", f"cluster {one['cluster']}", rows, int(one["rows"]), notes=tuple(notes))


def _trait(trait: dict[str, Any]) -> str:
    """Return what distinguishes a cluster: how far a mean is away, or how much more frequent a value is."""
    here, elsewhere = trait["here"], trait["elsewhere"]
    if trait["value"] is not None:
        lift = "" if trait.get("lift") is None else f", {written(trait['lift'], 2)} times as often as in all rows"
        return f"{trait['column']} is {trait['value']} in {here:.0%} of its rows, elsewhere in {elsewhere:.0%}{lift}"
    means = f"is {told_apart(here, elsewhere)} on average, elsewhere {told_apart(elsewhere, here)}"
    sign = "+" if trait["difference"] > 0 else ""
    return f"{trait['column']} {means} ({sign}{written(trait['difference'], 2)} deviations)"
