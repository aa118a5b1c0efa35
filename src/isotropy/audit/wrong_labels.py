"""Labels that do not fit their rows, as issues: classes that read as another, misplaced rows, numbers far off."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.audit import labels as reading
from isotropy.audit import tails
from isotropy.audit.copies import Neighbours
from isotropy.audit.given import Given
from isotropy.audit.issue import Issue
from isotropy.batch import spread_out
from isotropy.evaluation.task import alone_in_class, class_name, has_label
from isotropy.io.written import written
from isotropy.search import neighbour_graph

_WIDEST = 1024  # columns that a linear classifier learns from
_AXIS_ROWS = 4096
# Standard errors: one in twenty labels that have nothing to do with their rows is read better than that.
_SURE = 1.645


def label_issues(of: Given, space: NDArray[np.float32], near: Neighbours, notes: list[str]) -> dict[str, Issue]:
    """Return labels that do not fit, and what of them is not audited as a note.

    Args:
        of: what is audited, with labels. space, near: the rows that neighbours are looked for among, and these.
    """
    assert of.labels is not None
    if of.task == "labels":
        notes.append(f"label {of.name}: several labels a row are not audited")
        return {}
    there = np.flatnonzero(has_label(of.labels))
    y, classes = pd.factorize(of.labels[there], sort=False)
    if len(there) < 3 * reading.FOLDS or len(classes) < 2:
        notes.append(f"label {of.name}: too few labels, or one class only: labels are not audited")
        return {}
    alone = alone_in_class(y)
    if of.task != "numbers" and 2 * alone > len(there):
        # Nothing else tells what such a label looks like; an identifier is no class.
        notes.append(f"label {of.name}: {alone:,} of {len(there):,} rows are alone in their class: not audited")
        return {}
    # Neighbours among the labelled rows alone.
    if len(there) < len(of.vectors):
        k = min(near[0].shape[1], len(there) - 1)
        near = neighbour_graph(space[there], k)
    groups = None if of.groups is None else pd.factorize(of.groups[there], use_na_sentinel=False)[0].astype(np.int64)
    raw = of.raw
    columns, codes = (None, None) if raw is None or raw.columns is None else (raw.columns[there], raw.codes)
    features = standardised(of.vectors[there])
    if of.task == "numbers":
        numbers = of.labels[there].astype(np.float64)
        found = reading.read_numbers(numbers, features, columns, codes, groups)
        _note_guessing(of, (numbers - numbers.mean()) ** 2 - (numbers - found.probabilities[:, 0]) ** 2, notes)
        return {"label": _wrong_numbers(numbers, found, there, len(of.vectors))}
    y = y.astype(np.int64)
    found = reading.read_classes(y, features, near, columns, codes, groups)
    _note_guessing(of, found.probabilities[np.arange(len(y)), y] - found.probabilities.mean(axis=0)[y], notes)
    labelled = _Labelled(there, len(of.vectors), y, [class_name(one) for one in classes])
    wrong = _wrong_classes(labelled, found)
    right = (found.probabilities.argmax(axis=1) == y).mean()
    if (named := int(wrong.issue.sum())) > tails.LEVEL * len(y):
        # Of labels alone nothing bounds how many of those that are named are right.
        notes.append(
            f"label {of.name}: {named:,} are named, for it is read right in {right:.0%} only; most of them may be as "
            "they should, so begin with the worst"
        )
    return {"label": wrong, "misplaced": _misplaced(labelled, near)}


def _note_guessing(of: Given, gain: NDArray[np.float64], notes: list[str]) -> None:
    """Note a label that is read no better than by guessing; `gain` (M,) is what reading a row is better by."""
    if gain.mean() <= _SURE * gain.std() / np.sqrt(len(gain)):
        notes.append(f"label {of.name}: read no better than by guessing, so what is likely wrong is guessed, too")


@dataclass(frozen=True)
class _Labelled:
    """Rows with a class: which they are of how many, their codes (M,), and the classes' names."""

    rows: NDArray[np.int64]
    count: int
    y: NDArray[np.int64]
    names: list[str]

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """The place of each row among those with a class, (N,); -1 where it has none."""
        place = np.full(self.count, -1)
        place[self.rows] = np.arange(len(self.rows))
        return place

    def spread(self, values: NDArray[Any], missing: Any) -> NDArray[Any]:
        """Return values of rows with a class as ones of all rows."""
        return _spread(values, self.rows, self.count, missing)


def _wrong_classes(of: _Labelled, found: reading.Read) -> Issue:
    """Return the labels that read as another class, out of fold."""
    y, names = of.y, of.names
    issue, likelier, score = reading.confident(found.probabilities, y)

    def reason(row: int) -> str:
        at = of.place[row]
        given_p, other_p = found.probabilities[at, y[at]], found.probabilities[at, likelier[at]]
        return f"labelled {names[y[at]]}, reads as {names[likelier[at]]} ({other_p:.0%} against {given_p:.0%})"

    predicted = found.probabilities.argmax(axis=1)
    named = np.full(of.count, None, dtype=object)
    named[of.rows] = [names[code] for code in predicted]
    method = f"out of fold by {found.by}, right in {(predicted == y).mean():.0%}"
    return Issue(of.spread(issue, False), of.spread(score, 1.0), reason, method, None, {"predicted_label": named})


def _misplaced(of: _Labelled, near: Neighbours) -> Issue:
    """Return the rows that sit among those of another class."""
    y, names, k = of.y, of.names, near[1].shape[1]
    sits, own, rival, most = reading.misplaced(y, near[1])

    def reason(row: int) -> str:
        at = of.place[row]
        same = round(own[at] * k) or "none"
        return f"{most[at]} of its {k} neighbours are labelled {names[rival[at]]}, {same} as it is ({names[y[at]]})"

    method = f"classes of {k} neighbours in the embedding"
    return Issue(of.spread(sits, False), of.spread(own, 1.0), reason, method)


def _wrong_numbers(y: NDArray[np.float64], read: reading.Read, there: NDArray[np.int64], rows: int) -> Issue:
    """Return the numbers (M,) of the rows `there`, of all `rows`, that are far from what is read, out of fold."""
    off = np.abs(y - read.probabilities[:, 0])
    # Both signs of a normal residual: its median is .6745 of a deviation.
    probability = tails.upper(np.log(np.maximum(off, 1e-12 + 1e-9 * float(off.max(initial=0.0)))))
    place = np.full(rows, -1)
    place[there] = np.arange(len(there))

    def reason(row: int) -> str:
        at = place[row]
        return f"labelled {written(y[at], 10)}, reads as {written(read.probabilities[at, 0])}"

    issue, score = tails.rare(probability), 1 - tails.lower_is_worse(off)
    predicted = _spread(read.probabilities[:, 0], there, rows, np.nan)
    return Issue(
        _spread(issue, there, rows, False), _spread(score, there, rows, 1.0), reason, f"out of fold by {read.by}", None,
        {"predicted_label": predicted},
    )  # fmt: skip


def _spread(values: NDArray[Any], rows: NDArray[np.int64], count: int, missing: Any) -> NDArray[Any]:
    """Return values of some rows as values of all `count` rows."""
    out = np.full(count, missing, dtype=np.asarray(values).dtype)
    out[rows] = values
    return out


def standardised(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features (N, D) with mean 0 and deviation 1, of wide ones the 1,024 leading principal axes."""
    spread = x.std(axis=0)
    kept = spread > 1e-6 * (1e-6 + np.abs(x.mean(axis=0)))
    z = (x[:, kept] - x[:, kept].mean(axis=0)) / spread[kept]
    if z.shape[1] <= _WIDEST:
        return z.astype(np.float32)
    some = z[spread_out(len(z), _AXIS_ROWS)]
    axes = np.linalg.eigh(some.T @ some)[1][:, -_WIDEST:]
    out = z @ axes
    return (out / out.std(axis=0).mean()).astype(np.float32)
