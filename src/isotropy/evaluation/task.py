"""What labels are: classes, numbers or several labels a row, which are missing, and how a prediction is scored."""

from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.errors import UserError, counted, nearest, plain
from isotropy.io.json_file import MOST_NUMBER

Task = Literal["classes", "numbers", "labels"]
Array = NDArray[Any]
TASKS: tuple[Task, ...] = ("classes", "numbers", "labels")
_FEW = 20  # distinct whole numbers that are classes whatever they are: grades, digits
_EACH = 5  # rows of a class on average, of codes
_UNLABELLED = -1  # what scikit-learn's semi-supervised estimators take for no label
_RAREST = 20  # times fewer rows than the average: ages and counts have tails, classes hardly so thin ones


def has_label(labels: Array) -> NDArray[np.bool_]:
    """Return which labels are there: not NaN, None or NaT; (N,) booleans.

    Example:
        >>> has_label(np.array(["a", None, "b"], dtype=object)).tolist()
        [True, False, True]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise UserError(f"labels must be one value per row, and have shape {labels.shape}: pick one column")
    return np.asarray(~pd.isna(labels), dtype=bool)


def task_of(labels: Array) -> Task:
    """Return the task of all labels of a column, (N,): a part of them may look like another one.

    Tuples are "labels": any number of names a row (multi-label). Text, booleans and categories are classes; numbers of
    which one is not whole are "numbers" (a regression). Whole numbers (a column of them becomes float as soon as one is
    missing, so the type says little) are classes where there are at most 20 distinct ones, and beyond that where they
    look like codes: they begin at 0 or 1, at least nine tenths of the values up to the largest occur, with five rows
    each on average, and the rarest has at least a twentieth of that average. So the identities 0 to 39 with six rows
    each are classes; years, ages, counts and prices are numbers.

    Example:
        >>> task_of(np.array([0, 1, 1, 0])), task_of(np.array([0.1, 2.5])), task_of(np.array(["a", "b"]))
        ('classes', 'numbers', 'classes')
        >>> task_of(np.arange(240) // 6), task_of(1950 + np.arange(3000) // 50)
        ('classes', 'numbers')
    """
    values = _present(labels)
    if values.dtype.kind not in "iuf":
        return "labels" if len(values) and isinstance(values[0], tuple) else "classes"
    if not _whole(values):
        return "numbers"
    distinct, counts = np.unique(values, return_counts=True)
    return "classes" if len(distinct) <= _FEW or _look_like_codes(distinct, counts) else "numbers"


def decided(labels: Array, task: Task | None = None, name: str = "label") -> Task:
    """Return the task of all labels of a column: the one given, or else what they look like.

    Raises:
        UserError: an unknown task; numbers are wanted, and a label is none; or several labels a row, and there is one,
            or the reverse; or classes of which most rows have one to themselves, as an identifier that some rows share.
    """
    values = _present(labels)
    task = checked_task(labels, task, name)
    if task == "classes" and len(values) > 2:
        refuse_identifier(values, name)
    return task


def checked_task(labels: Array, task: Task | None = None, name: str = "label") -> Task:
    """Return what `decided` does, of classes of which most rows have one to themselves, too."""
    values = _present(labels)
    if task is not None and task not in TASKS:
        raise UserError(f"task = {task!r} is unknown{nearest(str(task), TASKS)}")
    several = bool(len(values)) and isinstance(values[0], tuple)
    if task is not None and several != (task == "labels"):
        what = "holds several labels a row" if several else f"holds one value a row, such as {plain(values[0])!r}"
        raise UserError(
            f"label {name} {what}, so it is no label of the task {task}: use {'labels' if several else 'classes'}"
        )
    task = task or task_of(labels)
    if task == "numbers":
        _refuse_no_numbers(values, name)
    return task


def _refuse_no_numbers(values: Array, name: str) -> None:
    """Raise UserError for dates and texts that are no numbers, and for numbers that cannot be squared."""
    if any(isinstance(one, date) for one in values[:1]):
        raise UserError(f"label {name}: holds dates, which are no numbers: give days or seconds since the first")
    if values.dtype.kind not in "biuf":
        wrong = pd.isna(pd.to_numeric(pd.Series(values), errors="coerce")).to_numpy()
        if wrong.any():
            raise UserError(
                f"label {name}: {plain(values[wrong.argmax()])!r} is no number, and task numbers needs them: "
                "use classes"
            )
    wrong = ~(np.abs(values.astype(np.float64)) < MOST_NUMBER)
    if wrong.any():
        raise UserError(
            f"label {name}: {plain(values[wrong.argmax()])!r} in {counted(int(wrong.sum()), 'row')} is no number that "
            "can be predicted: give another one there, or none"
        )


def refuse_identifier(values: Array, name: str) -> None:
    """Raise UserError where most of these labels (N,), none of them missing, are those of one row alone."""
    alone = alone_in_class(values)
    if alone == len(values):
        refuse_all_different(values, name)
    if 2 * alone > len(values):
        other = ", or use numbers" if values.dtype.kind in "iuf" else ""
        raise UserError(
            f"label {name}: {alone:,} of its {len(values):,} rows are alone in their class, as with an identifier: "
            f"name another column{other}"
        )


def alone_in_class(values: Array) -> int:
    """Return how many of these labels (N,), none of them missing, no other row has.

    Example:
        >>> alone_in_class(np.array(["a", "b", "b", "c"]))
        2
    """
    return int((np.bincount(pd.factorize(values)[0]) == 1).sum())


def refuse_all_different(values: Array, name: str) -> None:
    """Raise UserError: no two of these labels are the same."""
    other = ": use numbers" if values.dtype.kind in "iuf" else ""
    raise UserError(f"label {name}: no two of its {len(values):,} rows have the same, so there are no classes{other}")


def task_note(labels: Array, task: Task, name: str = "label") -> str:
    """Return one line where whole numbers could be either task, or classes are many and small, "" where none is needed.

    Example:
        >>> task_note(np.arange(240) // 6, "classes", "who")
        'label who: 40 whole numbers (0 to 39) taken as classes; --task numbers for a regression'
    """
    values = _present(labels)
    if values.dtype.kind not in "iuf":
        return _many_note(values, name) if task == "classes" else ""
    if not len(values) or not _whole(values):
        return ""
    distinct, counts = np.unique(values, return_counts=True)
    plain = len(distinct) <= 2 or (len(distinct) <= _FEW and _look_like_codes(distinct, counts))
    if plain or (task == "numbers" and counts.mean() < _EACH):
        return ""
    other = "--task numbers for a regression" if task == "classes" else "--task classes where each is a name"
    if task == "classes" and distinct[0] == _UNLABELLED:
        other += "; -1 is a class like the others: leave the label of rows that have none empty, or say --na=-1"
    span = f"{distinct[0]:.0f} to {distinct[-1]:.0f}"
    return f"label {name}: {len(distinct):,} whole numbers ({span}) taken as {task}; {other}"


def _many_note(names: Array, name: str) -> str:
    """Return a line where so many names are so rare that whole numbers would be no classes."""
    count = len(pd.unique(names))
    if count <= _FEW or len(names) >= _EACH * count:
        return ""
    return (
        f"label {name}: {count:,} classes in {len(names):,} rows, which takes long to probe and says little: is "
        "another column meant?"
    )


def _present(labels: Array) -> Array:
    """Return the labels that are there, as numbers where all of them are."""
    values = np.asarray(labels)[has_label(labels)]
    if values.dtype.kind == "O" and len(values):
        numeric = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values)
        return values.astype(float) if numeric else values
    return values


def _whole(values: Array) -> bool:
    return values.dtype.kind != "f" or np.array_equal(values, np.round(values))


def _look_like_codes(distinct: Array, counts: Array) -> bool:
    span = float(distinct[-1]) - float(distinct[0]) + 1
    mean = counts.mean()
    return bool(
        distinct[0] in (0, 1) and len(distinct) >= 0.9 * span and mean >= _EACH and counts.min() >= mean / _RAREST
    )


def encode(train: Array, test: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Any]]:
    """Return training codes, test codes and the classes in order of their names; -1 is a class never trained on.

    A class that one part holds as a number or a boolean and the other as text (1 and "1") is one class.

    Raises:
        UserError: where the training labels have fewer than two classes, or the test labels are of another type and
            have none of them.
    """
    classes = sorted(pd.unique(np.asarray(train)).tolist(), key=lambda value: (str(type(value)), value))
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no class at all"
        raise UserError(f"the label has {only} in the training part: a probe needs at least two classes")
    index = pd.Index(classes, dtype=object)
    codes = [index.get_indexer(pd.Index(np.asarray(part).tolist(), dtype=object)) for part in (train, test)]
    return codes[0].astype(np.int64), _codes_by_name(codes[1].astype(np.int64), test, classes), classes


def refuse_unknown(codes: NDArray[np.int64], test: Array) -> None:
    """Raise UserError where none of the test labels is a class of the training part, by their codes (M,)."""
    if (codes < 0).all():
        strange = np.asarray(test).tolist()[0]
        raise UserError(
            f"no class of the {len(codes):,} test rows, such as {strange!r}, is in the training part: divide the rows "
            "in another way"
        )


def refuse_one_class(codes: NDArray[np.int64], test: Array) -> None:
    """Raise UserError where all test labels are one class, of which no ranking can be right or wrong."""
    if len(codes) and (codes == codes[0]).all():
        only = np.asarray(test).tolist()[0]
        raise UserError(
            f"the label is {only!r} in every test row: scores need two classes there, so give more rows of the others "
            "or divide the rows in another way"
        )


def refuse_constant(numbers: Array, part: str) -> None:
    """Raise UserError where all numbers of a part of the rows are the same: none can be learnt there, or scored."""
    if not np.ptp(numbers.astype(np.float64)) ** 2 > 0:
        why = "R2 needs labels that vary" if part == "test" else "there is nothing to learn"
        raise UserError(f"the label is {float(numbers[0]):g} in every {part} row: {why}")


def refuse_unasked(asked: NDArray[np.int64], names: list[str]) -> None:
    """Raise UserError where no test row has one of the labels that are learnt, by which rows have them (M, L)."""
    if not asked.any():
        raise UserError(f"no test row has a label that is learnt, such as {names[0]!r}: divide the rows in another way")


def _codes_by_name(codes: NDArray[np.int64], labels: Array, classes: list[Any]) -> NDArray[np.int64]:
    """Return codes where a label that no class equals, and is of another type than all, has that of the same name."""
    strange = np.flatnonzero(codes < 0)
    text = {isinstance(value, str) for value in classes}
    if not len(strange) or len(text) > 1:
        return codes
    values = np.asarray(labels)[strange].tolist()
    other = [isinstance(value, str) not in text for value in values]
    by_name = {class_name(value): code for code, value in enumerate(classes)}
    codes[strange] = [
        by_name.get(class_name(value), -1) if kind else -1 for value, kind in zip(values, other, strict=True)
    ]
    if all(other) and (codes < 0).all():
        raise UserError(
            f"the test labels, such as {values[0]!r}, are of another type than those of the training, such as "
            f"{classes[0]!r}, and none is the same: bring both to one type"
        )
    return codes


def class_name(value: Any) -> str:
    """Return a class as text, a whole float as the integer is.

    Example:
        >>> class_name(1.0), class_name(True), class_name("a")
        ('1', 'True', 'a')
    """
    return str(int(value)) if isinstance(value, float | np.floating) and value.is_integer() else str(value)


def encode_sets(train: Array, test: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Return which labels training and test rows have, (N, L) and (M, L) of 0 and 1, and the labels' names.

    Labels that no training row has, or every one, cannot be learnt and are left out.

    Raises:
        UserError: where no label is left.

    Example:
        >>> rows = np.empty(3, dtype=object)
        >>> rows[:] = [("a", "b"), ("b",), ()]
        >>> encode_sets(rows, rows)[2], encode_sets(rows, rows)[0].tolist()
        (['a', 'b'], [[1, 1], [0, 1], [0, 0]])
    """
    names = sorted({name for row in train for name in row})
    known, asked = (
        np.array([[name in row for name in names] for row in part], dtype=np.int64).reshape(len(part), len(names))
        for part in (train, test)
    )
    there = (known.sum(axis=0) > 0) & (known.sum(axis=0) < len(known))
    if not there.any():
        raise UserError("the label has no name that some rows of the training part have and others do not")
    return known[:, there], asked[:, there], [name for name, kept in zip(names, there, strict=True) if kept]


def score_terms(task: Task, truth: Array, predicted: Array) -> NDArray[np.float64]:
    """Return the per-row terms (N, c) whose means make the score: see `score`."""
    if task == "classes":
        return (np.asarray(truth) == np.asarray(predicted)).astype(np.float64)[:, None]
    truth = np.asarray(truth, dtype=np.float64)
    error = truth - np.asarray(predicted, dtype=np.float64)
    # About the median the variance of a resample is E[y^2] - E[y]^2 without cancellation: without an outlier, too.
    centred = truth - np.median(truth)
    return np.stack([error**2, centred**2, centred], axis=1)


def score(task: Task, means: Array) -> Array:
    """Return the score for means of the terms, (..., c) -> (...): accuracy, or R2 = 1 - E[error^2] / Var[y].

    One term alone is the score itself, whatever the task: accuracy of rows, or scores of draws.

    Example:
        >>> truth, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])
        >>> round(float(score("numbers", score_terms("numbers", truth, predicted).mean(0))), 3)
        0.5
    """
    if task == "classes" or means.shape[-1] == 1:
        return np.asarray(means[..., 0])
    variance = means[..., 1] - means[..., 2] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - means[..., 0] / variance, np.nan)
