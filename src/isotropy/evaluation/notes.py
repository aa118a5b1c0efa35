"""What a reader of scores has to know of the rows, their classes and what was not measured, one sentence each."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.errors import counted, listed
from isotropy.evaluation.evaluators import ONE_CLASS_A_ROW
from isotropy.evaluation.problem import LEAST_ROWS, Problem, size_text
from isotropy.evaluation.score import evaluator_title
from isotropy.evaluation.task import has_label

Array = NDArray[Any]


def notes_on(train_y: Array, test_y: Array, problem: Problem, rows: tuple[Array, Array], label: str) -> list[str]:
    """Return what a reader of the scores has to know of the rows and their classes, one sentence each."""
    unseen = unseen_notes(test_y[rows[1]], problem.test_y, label) if problem.task == "classes" else []
    if problem.task == "labels":
        unseen = unseen_labels(train_y[rows[0]], test_y[rows[1]], label)
    return [*row_notes(train_y, test_y, rows), *unseen, *_class_notes(problem)]


def unseen_notes(test_y: Array, codes: Array, label: str) -> list[str]:
    """Return a line where classes are in the test part alone.

    Args:
        test_y: labels of the test rows (M,), none missing. codes: the same as `task.encode` gives them, -1 for a class
            that no training row has. label: what it is called.

    Example:
        >>> unseen_notes(np.array(["a", "late"]), np.array([0, -1]), "kind")
        ["label kind: in the test part alone: 'late' (1 row), which no probe can learn: errors in every score"]
    """
    alone = pd.Series(test_y[codes < 0]).value_counts()
    if not len(alone):
        return []
    rows = counted(int(alone.sum()), "row")
    names = listed(alone.index.tolist(), 3)
    return [f"label {label}: in the test part alone: {names} ({rows}), which no probe can learn: errors in every score"]


def unseen_labels(train_y: Array, test_y: Array, label: str) -> list[str]:
    """Return a line where labels of rows with several each are in the test part alone.

    Args:
        train_y, test_y: tuples of names (N,) and (M,), none missing. label: what they are called together.

    Example:
        >>> rows = [("a", "b"), ("b", "late")]
        >>> unseen_labels(rows[:1], rows[1:], "tags")
        ["label tags: in the test part alone: 'late' (1 row), which no probe can learn: left out of the scores"]
    """
    known = {name for row in train_y for name in row}
    uses = Counter(name for row in test_y for name in row if name not in known)
    if not uses:
        return []
    rows = counted(sum(not known.issuperset(row) for row in test_y), "row")
    names = listed([name for name, _ in uses.most_common()], 3)
    return [
        f"label {label}: in the test part alone: {names} ({rows}), which no probe can learn: left out of the scores"
    ]


def row_notes(train_y: Array, test_y: Array, rows: tuple[Array, Array]) -> list[str]:
    """Return which rows are left out, one sentence each."""
    notes = []
    for part, given, used in zip(("training", "test"), (train_y, test_y), rows, strict=True):
        there = int(has_label(given).sum())
        if there < len(given):
            notes.append(f"{len(given) - there:,} of {len(given):,} {part} rows have no label and were left out.")
        if len(used) < there:
            notes.append(f"Probed on {len(used):,} of {there:,} {part} rows, the same ones for all representations.")
    return notes


def _class_notes(problem: Problem) -> list[str]:
    notes = []
    if problem.task == "classes":
        share = float(np.bincount(problem.train_y).max() / len(problem.train_y))
        if problem.leading != "accuracy":
            commonest = problem.classes[int(np.bincount(problem.train_y).argmax())]
            notes.append(
                f"{share:.0%} of the training rows are {commonest!r}: {problem.leading} decides, not accuracy."
            )
    if len(problem.test_y) < 100:
        notes.append(f"Only {counted(len(problem.test_y), 'test row')}: the intervals are rough.")
    return notes


def left_out(problem: Problem, evaluators: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Return what was asked for and not measured, and why; `taken` are the evaluators with those that were added."""
    asked = [evaluator_title(name) for name in evaluators if name in ONE_CLASS_A_ROW]
    if problem.task == "labels" and asked:
        return [f"Rows have several labels each: {', '.join(asked)} need one class a row and are left out."]
    possible, others = problem.possible_sizes()
    if "few_labels" not in evaluators or not others:
        alone = ", ".join(evaluator_title(name) for name in evaluators)
        added = [evaluator_title(name) for name in taken if name not in evaluators]
        return [f"{alone} alone would tell nothing of the representation here: the {one} is added." for one in added]
    there = ", ".join(size_text(size, problem.task) for size in possible) or "no size"
    small = [size for size in others if problem.task == "numbers" and 1 <= size < LEAST_ROWS]
    large = [size for size in others if size not in small]
    said = [f"A few-label curve of a number begins at {LEAST_ROWS} rows, not at {size_text(1, 'numbers')}"] * bool(
        small
    )
    if large:
        left = ", ".join(size_text(size, problem.task) for size in large)
        said.append(f"Too few training labels for {left} on the few-label curve")
    return [f"{text}; shown: {there}." for text in said]
