"""A label as a network learns it: class codes, or standardised numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from isotropy.errors import UserError, plain
from isotropy.evaluation.metrics import leading_first
from isotropy.evaluation.task import Task, checked_task, class_name, encode, has_label, refuse_identifier

_MOST_CLASSES = (
    0.5  # of the labelled rows; where more of them are distinct, what is named a class is a number or a name
)


@dataclass(frozen=True)
class Target:
    """What a label is.

    Attributes:
        name: what it is called.
        task: "classes" or "numbers".
        classes: names in the order of the codes, plain values; empty for numbers.
        mean, spread: by which numbers are standardised.
    """

    name: str
    task: Task
    classes: tuple[Any, ...] = ()
    mean: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, labels: NDArray[Any], *, name: str = "label", task: Task | None = None) -> "Target":
        """Return the target of labels (N,), missing ones NaN or None.

        Raises:
            UserError: no label at all, one class only, where most rows have a label classes of which most rows have one
                to themselves, several labels a row, numbers of one value, or another task than the label's.

        Example:
            >>> Target.of(np.array(["b", "a", None], dtype=object)).classes
            ('a', 'b')
        """
        here = has_label(labels)
        if not here.any():
            raise UserError(f"label {name}: no training row has one: fine-tuning needs some")
        task = checked_task(labels, task, name)
        if task == "labels":
            raise UserError(
                f"label {name}: holds several labels a row, and fine-tuning predicts one: give a column of 0 and 1 for "
                "each"
            )
        there = np.asarray(labels)[here]
        if task == "numbers":
            numbers = there.astype(np.float64)
            if not np.ptp(numbers) > 0:
                raise UserError(f"label {name}: is {numbers[0]:g} in every training row: there is nothing to learn")
            return cls(name, task, mean=float(numbers.mean()), spread=float(numbers.std()))
        distinct = pd.unique(there)
        if len(distinct) < 2:
            raise UserError(
                f"label {name}: only the class {plain(there[0])!r} is in the training rows: at least two classes are "
                "needed"
            )
        # One label a class is enough where it is asked about many rows; of names almost every row has one.
        if len(there) > max(2, len(labels) / 2):
            refuse_identifier(there, name)
        classes = encode(there, there[:0])[2]
        if all(isinstance(value, float) for value in classes) and len(classes) > _MOST_CLASSES * len(there):
            raise UserError(
                f"label {name}: {len(classes):,} distinct numbers in {len(there):,} rows are no classes: task numbers"
            )
        # Whole numbers are floats where some rows have no label.
        whole = all(isinstance(value, float) and value.is_integer() for value in classes)
        return cls(name, task, tuple(int(value) for value in classes) if whole else tuple(classes))

    @property
    def width(self) -> int:
        """How many outputs a head has."""
        return len(self.classes) or 1

    def encoded(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return codes (N,) int64, -1 for an unknown class, or standardised numbers (N,) float64."""
        if self.task == "numbers":
            return (np.asarray(labels).astype(np.float64) - self.mean) / self.spread
        codes = {value: code for code, value in enumerate(self.classes)}
        return np.array([codes.get(value, -1) for value in np.asarray(labels).tolist()], dtype=np.int64)

    def codes(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return the codes (N,) of classes as anyone writes them, -1 for an unknown one.

        A class that the model holds as a number, a boolean or a date and the labels as text is the same by its name.

        Example:
            >>> Target("label", "classes", (0.0, 1.0)).codes(np.array(["1", "0", "7"])).tolist()
            [1, 0, -1]
        """
        found = self.encoded(labels)
        by_name = {class_name(value): code for code, value in enumerate(self.classes)}
        for place in np.flatnonzero(found < 0):
            value = plain(labels[place])
            if type(value) not in {type(name) for name in self.classes}:
                found[place] = by_name.get(class_name(value), -1)
        return found

    def leading(self, encoded: NDArray[Any]) -> str:
        """Return the metric that decides, of rows with these encoded labels (N,)."""
        majority = 0.0 if self.task == "numbers" else float(np.bincount(encoded.astype(np.int64)).max() / len(encoded))
        return leading_first(self.task, majority, len(self.classes))[0]

    def tensor(self, encoded: NDArray[Any]) -> Tensor:
        """Return encoded labels as the loss takes them."""
        return torch.from_numpy(encoded if self.task == "classes" else encoded.astype(np.float32))

    def loss(self, outputs: Tensor, encoded: Tensor) -> Tensor:
        """Return the mean loss of a head's outputs (B, width): cross entropy, or squared error."""
        if self.task == "classes":
            return cross_entropy(outputs, encoded)
        return ((outputs[:, 0] - encoded) ** 2).mean()

    def decoded(self, outputs: NDArray[np.float32]) -> NDArray[Any]:
        """Return class names or numbers (N,) of outputs (N, width)."""
        if self.task == "numbers":
            return outputs[:, 0].astype(np.float64) * self.spread + self.mean
        names = np.asarray(self.classes)
        if names.dtype.kind in "US" and not all(isinstance(name, str) for name in self.classes):
            names = np.empty(len(self.classes), dtype=object)
            names[:] = self.classes
        return names[outputs.argmax(axis=1)]
