"""A label to be read from frozen features: its rows and classes, how predictions are scored, draws of few labels."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from isotropy.errors import UserError, counted, nearest, plain
from isotropy.evaluation.metrics import METRICS, leading_first
from isotropy.evaluation.score import Measurement
from isotropy.evaluation.splits import stratified
from isotropy.evaluation.task import Task, encode, encode_sets, refuse_constant, refuse_unasked, task_of

Rows = NDArray[np.int64]
Size = int | float
PER_CLASS: tuple[Size, ...] = (1, 2, 5, 10, 50, 200, 0.01, 0.1)
OF_NUMBERS: tuple[Size, ...] = (20, 50, 200, 1000, 0.1)
LEAST_ROWS = 2  # from which a number is learnt
DRAWS = 20
DRAWN_TEST_ROWS = 5000  # of a few-label curve: so many rows and 20 draws already say more than the draws differ


@dataclass(frozen=True)
class Problem:
    """A label on training and test rows, without missing ones.

    Attributes:
        task: "classes", "numbers", or "labels": several labels a row.
        train_y, test_y: class codes (N,) and (M,), -1 for a class that was never trained on; or numbers; or which of L
            labels each row has, (N, L) and (M, L) of 0 and 1.
        classes: the class names, in the order of the codes, or names of the labels; empty for numbers.
        metrics: names in `metrics.METRICS`, the one that decides first.
        seed: of every draw.
        sizes: of a few-label curve: labels a class (or rows, where the label is a number), or fractions of the rows.
        draws: how many times few labels are drawn.
        device: where large fits are computed.
        groups: of the training rows, (N,) codes, for choices among them that keep groups apart; or None.
        further_y: labels as `train_y` of further training rows (F, ...), from which the linear probe alone learns.
    """

    task: Task
    train_y: NDArray[Any]
    test_y: NDArray[Any]
    classes: tuple[Any, ...] = ()
    metrics: tuple[str, ...] = ("accuracy",)
    seed: int = 0
    sizes: tuple[Size, ...] = ()
    draws: int = DRAWS
    device: str = field(default="cpu", compare=False)
    groups: Rows | None = None
    further_y: NDArray[Any] | None = None

    @classmethod
    def of(
        cls, train_y: ArrayLike, test_y: ArrayLike, *, task: Task | None = None, metric: str | None = None,
        seed: int = 0, sizes: tuple[Size, ...] | None = None, draws: int = DRAWS, device: str = "cpu",
        groups: ArrayLike | None = None, further_y: ArrayLike | None = None,
    ) -> "Problem":  # fmt: skip
        """Return the problem of labels (N,) and (M,), none of them missing; `groups` are those of the training rows.

        Classes and labels that no training row has are not learnt from `further_y` (F,), either.

        Raises:
            UserError: one class only, a number that is the same in every row of a part, several labels of which no
                test row has any, or a metric of the other task.
        """
        train_y, test_y = np.asarray(train_y), np.asarray(test_y)
        beside = test_y if further_y is None else np.concatenate([test_y, np.asarray(further_y)])
        task = task or task_of(np.concatenate([train_y.astype(object), test_y.astype(object)]))
        train: NDArray[Any]
        test: NDArray[Any]
        classes: list[Any]
        if task == "numbers":
            train, test = (_numbers(part) for part in (train_y, beside))
            refuse_constant(train, "training")
            refuse_constant(test[: len(test_y)], "test")
            classes, majority = [], 0.0
        elif task == "labels":
            train, test, classes = encode_sets(train_y, beside)
            refuse_unasked(test[: len(test_y)], classes)
            majority, sizes = 0.0, ()
        else:
            train, test, classes = encode(train_y, beside)
            majority = float(np.bincount(train).max() / len(train))
        metrics = leading_first(task, majority, len(classes))
        if metric is not None:
            if metric not in metrics:
                raise UserError(f"metric {metric!r} is none of {task}{nearest(metric, metrics)}")
            metrics = [metric, *(name for name in metrics if name != metric)]
        if task != "labels":
            sizes = sizes or (PER_CLASS if task == "classes" else OF_NUMBERS)
        codes = None if groups is None else pd.factorize(np.asarray(groups), use_na_sentinel=False)[0].astype(np.int64)
        further = None if further_y is None else test[len(test_y) :]
        return cls(
            task, train, test[: len(test_y)], tuple(classes), tuple(metrics), seed, sizes or (), draws, device, codes,
            further,
        )  # fmt: skip

    @property
    def leading(self) -> str:
        """The metric that decides."""
        return self.metrics[0]

    def measured(
        self,
        predicted: NDArray[Any],
        *,
        labels: int | None = None,
        validation: float | None = None,
        detail: dict[str, Any] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Iterator[Measurement]:
        """Yield one measurement per metric of predictions of the test rows.

        Args:
            predicted: probabilities (M, K) or numbers (M,); of several labels a row a probability of each, (M, L).
            labels: how many were learnt from; by default all.
            validation: the leading metric on training rows that were held out, by which probes are chosen among.
            detail, notes: as in `Measurement`; notes go with the leading metric.
        """
        labels = len(self.train_y) if labels is None else labels
        for name in self.metrics:
            metric = METRICS[self.task][name]
            lead = name == self.leading
            yield Measurement(
                name, labels, metric.terms(self.test_y, predicted), detail or {}, notes if lead else (),
                value=metric.value, validation=validation if lead else None,
                predicted=predicted.argmax(axis=1) if self.task == "classes" else predicted, ends=metric.ends,
            )  # fmt: skip

    def of_label(self, number: int) -> "Problem":
        """Return the problem of one of several labels a row: whether a row has it, as two classes.

        Example:
            >>> rows = np.empty(2, dtype=object)
            >>> rows[:] = [("a", "b"), ("b",)]
            >>> Problem.of(rows, rows).of_label(0).train_y.tolist()
            [1, 0]
        """
        train, test = self.train_y[:, number], self.test_y[:, number]
        return replace(self, task="classes", train_y=train, test_y=test, classes=(False, True), metrics=("accuracy",))

    def group_folds(self, folds: int) -> Rows | None:
        """Return the fold of each training row, (N,), whole groups in each; None without groups, or with too few.

        Example:
            >>> Problem.of([0, 1] * 3, [0, 1], groups=list("aabbcc")).group_folds(3).tolist()
            [1, 1, 2, 2, 0, 0]
        """
        number = 0 if self.groups is None else int(self.groups.max()) + 1
        if self.groups is None or number < folds:
            return None
        fold = np.empty(number, dtype=np.int64)
        fold[np.random.default_rng(self.seed).permutation(number)] = np.arange(number) % folds
        return fold[self.groups]

    def drawn_test_rows(self) -> Rows:
        """Return the test rows on which few labels are scored: at most 5,000, the same for every draw."""
        count = len(self.test_y)
        if count <= DRAWN_TEST_ROWS:
            return np.arange(count)
        if self.task == "classes":
            return stratified(self.test_y, DRAWN_TEST_ROWS, seed=self.seed)
        return np.sort(np.random.default_rng(self.seed).permutation(count)[:DRAWN_TEST_ROWS])

    def possible_sizes(self) -> tuple[list[Size], list[Size]]:
        """Return the sizes of the curve that the training rows allow, and the others."""
        possible, rows = [], []
        for size in self.sizes:
            count = len(self.draw(size, 0)) if self._allows(size) else 0
            if count and count not in rows and count < len(self.train_y):
                possible.append(size)
                rows.append(count)
        return possible, [size for size in self.sizes if not self._allows(size)]

    def size_limits(self) -> str:
        """Return which sizes of the curve the training rows allow, as people read it, "" where they allow none.

        Example:
            >>> Problem.of([0, 1] * 30, [0, 1]).size_limits(), Problem.of([0.5, 0.7] * 30, [0.5, 0.7]).size_limits()
            ('1 to 29 a class, or 7 % of the rows or more', '2 to 59 rows')
        """
        count = len(self.train_y)
        if self.task == "numbers":
            return f"{LEAST_ROWS} to {count - 1:,} rows" if count > LEAST_ROWS else ""
        members = np.sort(np.bincount(self.train_y))[::-1]
        # More than half of the classes have so many rows, and one has more, or all rows would be drawn.
        most = min(int(members[len(members) // 2]), int(members[0]) - 1)
        share = math.ceil(100 * 2 * len(members) / count)
        said = [f"1 to {most:,} a class"] * (most > 0) + [f"{share} % of the rows or more"] * (share < 100)
        return ", or ".join(said)

    def _allows(self, size: Size) -> bool:
        count = len(self.train_y)
        if self.task == "numbers":
            return LEAST_ROWS <= (size if size >= 1 else size * count) <= count
        members = np.bincount(self.train_y)
        # A class with fewer rows than asked gives all of them; where most do, the size is another one than it says.
        return (members >= size).mean() > 0.5 if size >= 1 else size * count >= 2 * len(members)

    def draw(self, size: Size, number: int) -> Rows:
        """Return the training rows of draw `number` of a size, (n,): a function of labels and seed alone."""
        seed = int(np.random.default_rng([self.seed, int(size * 10_000), number]).integers(1 << 31))
        count = len(self.train_y)
        if size < 1 and self.task == "classes":
            return stratified(self.train_y, round(size * count), seed=seed)
        order = np.random.default_rng(seed).permutation(count)
        if self.task == "numbers":
            return order[: int(size) if size >= 1 else round(size * count)]
        return np.concatenate([order[self.train_y[order] == k][: int(size)] for k in range(len(self.classes))])


def _numbers(labels: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.asarray(labels).astype(np.float64)
    except (TypeError, ValueError):
        held = plain(labels[0])
        raise UserError(f"the label is to be read as numbers, and holds {held!r}: take it as classes") from None


def size_text(size: Size, task: Task = "classes") -> str:
    """Return a size as people read it.

    Example:
        >>> size_text(10), size_text(0.01), size_text(200, "numbers"), size_text(1, "numbers")
        ('10 a class', '1 %', '200 rows', '1 row')
    """
    if size < 1:
        return f"{size * 100:g} %"
    return f"{size:,} a class" if task == "classes" else counted(int(size), "row")


def parse_sizes(text: str) -> tuple[Size, ...]:
    """Return the sizes in "1,10,50,1%".

    Raises:
        UserError: what is neither a whole number from 1 on nor a percentage below 100.

    Example:
        >>> parse_sizes("1,10,5%")
        (1, 10, 0.05)
    """
    sizes: list[Size] = []
    for part in text.replace(" ", "").split(","):
        number = part.removesuffix("%")
        share = part.endswith("%")
        try:
            size: Size = float(number) / 100 if share else int(number)
        except ValueError:
            size = 0
        if not (0 < size < 1 if share else size >= 1):
            raise UserError(f"label budget {part!r} is no size: write labels a class or a percentage, as in 1,10,50,1%")
        sizes.append(size)
    return tuple(dict.fromkeys(sizes))


def label_budget(given: str | Size | Sequence[Size] | None) -> tuple[Size, ...] | None:
    """Return the sizes of a few-label curve that a user gives as text ("1,10,1%"), numbers or one; None for None.

    Raises:
        UserError: no size, or what is neither a whole number from 1 on nor a fraction between 0 and 1.

    Example:
        >>> label_budget("1,10,1%"), label_budget([50, 0.1]), label_budget(10), label_budget(None)
        ((1, 10, 0.01), (50, 0.1), (10,), None)
    """
    if given is None or isinstance(given, str):
        return None if given is None else parse_sizes(given)
    sizes: list[Any] = [given] if isinstance(given, int | float | np.number) else list(given)
    wrong = [size for size in sizes if not _is_size(size)]
    if wrong or not sizes:
        what = f"{wrong[0]!r} is no size" if wrong else "has no size"
        raise UserError(f"label budget {what}: give labels a class, or fractions of the rows, as in [1, 10, 0.01]")
    return tuple(int(size) if size >= 1 else float(size) for size in dict.fromkeys(sizes))


def _is_size(size: Any) -> bool:
    if not isinstance(size, int | float | np.integer | np.floating):
        return False
    return bool(0 < size < 1 or (size >= 1 and float(size).is_integer()))
