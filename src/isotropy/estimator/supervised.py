"""Pretraining on all rows and fine-tuning on those with a label, as a scikit-learn classifier and regressor."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from re import fullmatch
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from torch import nn

from isotropy.data.odd_values import refuse_complex
from isotropy.data.target_columns import brought_labels
from isotropy.data.written_labels import wanted_as_numbers
from isotropy.encoders import Encoder
from isotropy.errors import UserError
from isotropy.estimator.encoder import SelfSupervisedEncoder
from isotropy.evaluation.task import Task
from isotropy.finetuning import FineTuned
from isotropy.finetuning.finetune import finetune_rows, groups_of, settings_of
from isotropy.finetuning.rounds import SelfSupervised
from isotropy.finetuning.target import Target
from isotropy.methods import Method
from isotropy.modalities import MODALITIES
from isotropy.runs.auto import AUTO
from isotropy.runs.prepare import Prepared

_UNLABELLED = -1


class _Supervised(SelfSupervisedEncoder):
    """What classifier and regressor share: pretraining, then fine-tuning."""

    _task: Task

    def __init__(
        self,
        method: str | type[Method] = AUTO,
        *,
        encoder: str | type[Encoder] | nn.Module | None = None,
        modality: str | None = None,
        channels: int | str | None = None,
        kinds: Mapping[str, str] | None = None,
        init: Path | str | None = None,
        freeze: int | None = None,
        epochs: float | None = None,
        batch_size: int | None = None,
        method_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        view_options: Mapping[str, Any] | None = None,
        optim_options: Mapping[str, Any] | None = None,
        finetune_options: Mapping[str, Any] | None = None,
        embedding: str | None = None,
        device: str = "cpu",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            method, encoder=encoder, modality=modality, channels=channels, kinds=kinds, init=init, freeze=freeze,
            epochs=epochs, batch_size=batch_size,
            method_options=method_options, encoder_options=encoder_options, view_options=view_options,
            optim_options=optim_options, embedding=embedding, device=device, precision=precision,
            random_state=random_state,
        )  # fmt: skip
        self.finetune_options = finetune_options

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Train the encoder on all rows of `X`, then fine-tune it on those that have a label in `y`.

        Args:
            X: rows as `SelfSupervisedEncoder` takes them. y: (N,), with unlabelled rows.
            groups: (N,): rows of one group are learnt from or held out together while fine-tuning.

        Raises:
            ValueError: no `y`, or groups that are not one per row, one only, or missing.
        """
        if y is None:
            raise UserError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: give a label for some rows"
            )
        values, modality = self._checked(X, reset=True)
        labels = self._labels(_one_per_row(y))
        check_consistent_length(values, labels)
        # Before minutes of pretraining, not after.
        Target.of(labels, name="y", task=self._task)
        groups = groups_of(groups, len(labels))
        if not isinstance(self.finetune_options, Mapping | None):
            raise UserError(f"finetune_options = {self.finetune_options!r} must be a dictionary of settings")
        settings = settings_of(self.finetune_options or {})
        settings.check_views(MODALITIES[modality])
        SelfSupervisedEncoder.fit(self, X)
        made = self.representation_
        values, _ = self._checked(X, reset=False)
        joint = SelfSupervised(self._prepared.method, self._prepared.views) if settings.joint > 0 else None
        self.model_ = finetune_rows(
            made, made.preprocess.transform(values), labels, np.arange(len(labels)), label="y", task=self._task,
            groups=groups, settings=settings, seed=self.recipe_.train.seed, joint=joint,
        )  # fmt: skip
        del self._prepared
        self.representation_ = self.model_.representation
        return self

    def _keep(self, prepared: Prepared) -> None:
        self._prepared = prepared

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted classes or numbers (N,) of the rows of `X`."""
        model, rows = self._model(X)
        return model.target.decoded(model.outputs_stored(rows))

    def _model(self, X: Any) -> tuple[FineTuned, Any]:
        check_is_fitted(self)
        values, _ = self._checked(X, reset=False)
        return self.model_, self.model_.representation.preprocess.transform(values)

    def save(self, folder: Any) -> None:
        """Write the model into `folder`, from where `isotropy.load_finetuned` reads it without this class."""
        check_is_fitted(self)
        self.model_.save(folder)

    def _scored(
        self, metric: Callable[..., float], X: Any, y: NDArray[Any], there: NDArray[np.bool_], weight: Any
    ) -> float:
        """Return a metric of the predictions of the rows of `X` that have a label in `y`."""
        if not there.any():
            raise UserError("y has no label: there is nothing to score")
        predicted = self.predict(X)
        check_consistent_length(predicted, y, weight)
        weight = None if weight is None else np.asarray(weight)[there]
        return float(metric(_plainly(y[there]), predicted[there], sample_weight=weight))

    def _labels(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return the labels (N,), missing ones NaN or None."""
        raise NotImplementedError


def _one_per_row(y: Any, *, warn: bool = True) -> NDArray[Any]:
    """Return labels (N,) as an array, of whatever holds them; missing ones are NaN or None."""
    if isinstance(y, list | tuple | pd.Series) and any(isinstance(one, tuple | set | frozenset) for one in y):
        raise UserError("y holds several labels a row, and fine-tuning predicts one: give a column of 0 and 1 for each")
    listed = isinstance(y, list | tuple) and not any(np.ndim(one) for one in y)
    extended = isinstance(y, pd.Series) and not isinstance(y.dtype, np.dtype)
    if listed or extended or isinstance(y, np.ma.MaskedArray):
        y = brought_labels(y, len(y))
    refuse_complex(y, "y")
    y = column_or_1d(y, warn=warn)
    return brought_labels(y, len(y)) if y.dtype.kind in "OU" else y


class SelfSupervisedClassifier(ClassifierMixin, _Supervised):
    """Learns an encoder from all rows, and fine-tunes it into a classifier on the rows that have a label.

    In `y` NaN, None, masked values and -1 mean an unlabelled row, also as the texts that numpy makes of NaN and -1
    beside texts; -1 and 1 alone are two classes. Few labels spread over unlabelled rows as well. `score` is
    of the rows that have a label. `transform` gives the embeddings of the fine-tuned encoder.

    Args:
        finetune_options: settings of `isotropy.finetuning.FineTuning`, such as {"epochs": 50, "lr": 1e-4}.
        method, encoder, modality, channels, kinds, init, freeze, epochs, batch_size, method_options, encoder_options,
        view_options, optim_options, embedding, device, precision, random_state: of the encoder's training, as of
            `SelfSupervisedEncoder`.

    Attributes:
        classes_: the classes, sorted. model_: the `FineTuned` network, which `save` writes; its `detail` says how it
            was chosen. representation_: the fine-tuned encoder. recipe_, history_: of the encoder's training.

    Raises:
        ValueError: one class only, no label, or a setting that does not fit; in a line.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> some = np.where(np.arange(150) % 5 == 0, y, -1)
        >>> model = SelfSupervisedClassifier(epochs=2, finetune_options={"epochs": 5}, random_state=0).fit(x, some)
        >>> model.predict_proba(x[:2]).shape, model.score(x, y) > 0.8
        ((2, 3), True)
    """

    _task: Task = "classes"

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Train the encoder on all rows of `X`, then fine-tune it on those that have a class in `y`; see the class."""
        super().fit(X, y, groups)
        # The model's are Python's own; those of scikit-learn have the type of `y`.
        y = _one_per_row(y, warn=False)
        self.classes_ = np.unique(_plainly(y[~_unlabelled(y)]))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted classes (N,) of the rows of `X`."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the calibrated probability of each class of `classes_`, (N, K), of the rows of `X`."""
        model, rows = self._model(X)
        found: NDArray[np.float64] = model.predictions_stored(rows)
        return found[:, [model.classes.index(name) for name in self.classes_.tolist()]]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on the rows of `X` that have a class in `y`, as `fit` reads it."""
        check_is_fitted(self)
        y = _one_per_row(y)
        there = ~_unlabelled(y, self.classes_.tolist())
        return self._scored(accuracy_score, X, y, there, sample_weight)

    def _labels(self, y: NDArray[Any]) -> NDArray[Any]:
        missing = _unlabelled(y)
        if missing.all():
            raise UserError("y has no label: all of it is NaN, None or -1")
        if len({isinstance(name, str) for name in y[~missing]}) > 1:
            raise UserError("y mixes text with numbers: make all classes text")
        there = _plainly(y[~missing])
        if there.dtype.kind == "f" and not np.isfinite(there).all():
            raise UserError("y holds an infinite number, which is no class")
        check_classification_targets(there)
        labels = y.astype(object)
        labels[missing] = None
        return labels


def _plainly(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (N,), none missing, as an array of their own type where they are objects."""
    return np.array(labels.tolist()) if labels.dtype.kind == "O" else labels


def _unlabelled(y: NDArray[Any], classes: Sequence[Any] | None = None) -> NDArray[np.bool_]:
    """Return which rows have no class: missing ones, and -1 unless it is one of `classes` (by default beside 1)."""
    missing = np.asarray(pd.isna(y), dtype=bool)
    marked = ~missing & _marked(y)
    known = classes or [_UNLABELLED][: set(y[~missing & ~marked].tolist()) == {1}]
    return missing if _UNLABELLED in known or str(_UNLABELLED) in known else missing | marked


def _marked(y: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are -1, or the text that numpy makes of it beside texts, none of which is a number."""
    values = y.tolist()
    found = np.array([not isinstance(one, str | bool | None) and one == _UNLABELLED for one in values], dtype=bool)
    texts = {one for one in values if isinstance(one, str)}
    if str(_UNLABELLED) in texts and not any(fullmatch(r"-?\d+", one) for one in texts - {str(_UNLABELLED)}):
        found |= np.array([one == str(_UNLABELLED) for one in values], dtype=bool)
    return found


class SelfSupervisedRegressor(RegressorMixin, _Supervised):
    """Learns an encoder from all rows, and fine-tunes it into a regressor on the rows that have a number.

    In `y` NaN, None and masked values mean an unlabelled row; -1 is a number like any other, and amounts as text
    ("1,200.50 EUR") are numbers. The network learns
    standardised numbers. `score` is of the rows that have a number.

    Args:
        finetune_options: settings of `isotropy.finetuning.FineTuning`, such as {"epochs": 50, "lr": 1e-4}.
        method, encoder, modality, channels, kinds, init, freeze, epochs, batch_size, method_options, encoder_options,
        view_options, optim_options, embedding, device, precision, random_state: of the encoder's training, as of
            `SelfSupervisedEncoder`.

    Attributes:
        model_, representation_, recipe_, history_: as of `SelfSupervisedClassifier`.

    Raises:
        ValueError: no number, the same in every row, or a setting that does not fit; in a line.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(80, 3))
        >>> y = np.where(np.arange(80) % 2, x[:, 0], np.nan)
        >>> model = SelfSupervisedRegressor(epochs=2, finetune_options={"epochs": 5}, random_state=0).fit(x, y)
        >>> model.predict(x).shape, model.score(x, x[:, 0]) > 0.8
        ((80,), True)
    """

    _task: Task = "numbers"

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the R2 on the rows of `X` that have a number in `y`, as `fit` reads it."""
        numbers = self._labels(_one_per_row(y))
        return self._scored(r2_score, X, numbers, ~np.isnan(numbers), sample_weight)

    def _labels(self, y: NDArray[Any]) -> NDArray[Any]:
        if y.dtype.kind == "m" or any(isinstance(one, date | timedelta | pd.Period) for one in y.tolist()):
            raise UserError("y holds dates or durations: a regressor needs numbers, such as days since the first")
        try:
            numbers = pd.to_numeric(pd.Series(wanted_as_numbers(y))).to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"y holds what is no number ({error}): a regressor needs numbers") from None
        if np.isinf(numbers).any():
            raise UserError("y holds an infinite number")
        if not np.isfinite(numbers).any():
            raise UserError("y has no label: all of it is NaN or None")
        return numbers
