"""What is learnt on the training rows before any network sees them; one subclass per modality."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isotropy.batch import Batch, without_mask
from isotropy.data.recordings.format import Format
from isotropy.errors import UserError
from isotropy.io.json_file import check_arguments


class Preprocess:
    """From values as they were read to rows as they are stored, and from these to an encoder's input.

    Attributes:
        modality: what it is of.
        noun: what its data are called in a message, as "images".
        takes_frames: whether values may be a DataFrame, text included; else they are an array of numbers.
        lengths_vary: whether rows of one data set may differ in their last axis, NaN standing behind the shorter ones.
        column_names: the columns of a frame that are used.
        text_columns: those that are read as text, whatever a part of them looks like.
    """

    modality: ClassVar[str]
    noun: ClassVar[str]
    takes_frames: ClassVar[bool] = False
    lengths_vary: ClassVar[bool] = False
    column_names: Sequence[str] = ()
    text_columns: Sequence[str] = ()

    @classmethod
    def infers(cls, array: NDArray[Any]) -> bool:
        """Return whether an array without a named modality is of this one; by default it must be named."""
        return False

    @classmethod
    def arrange(cls, array: NDArray[Any], scale: str | None = None) -> tuple[NDArray[Any], str]:
        """Return an array in the form that `learn` and `transform` take, and words for what it was taken for.

        With `scale` training has decided how numbers are read. UserError: a shape that is none of this modality.
        """
        raise NotImplementedError

    @classmethod
    def concatenate(cls, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of both arrays in one."""
        return np.concatenate([first, second])

    @classmethod
    def learn(cls, values: Any, rows: NDArray[np.int64] | None = None, *, any_length: bool = False) -> Self:
        """Return what is learnt on the training rows alone, which are `rows` (M,) of the values, or None for all.

        With `any_length` the encoder takes rows of another length, where a row has one.
        """
        raise NotImplementedError

    @classmethod
    def learn_blocks(
        cls, sample: Any, rows: NDArray[np.int64], training: Any, *, any_length: bool = False, **told: Any
    ) -> Self:
        """Return what is learnt on training rows that are read block by block; by default as of one array in pieces.

        Args:
            sample: values of some rows in memory, of which `rows` (M,) are training rows.
            training: all training rows, a `blocks.TrainingRows`.
        """
        if len(rows) == len(training):
            return cls.learn(sample, rows, any_length=any_length, **told)
        return cls.learn(training.array, any_length=any_length, **told)

    @property
    def shape(self) -> dict[str, Any]:
        """What an encoder must know of a row, as plain JSON values."""
        raise NotImplementedError

    @property
    def trained_on(self) -> str:
        """What the training rows were, for a message; by default the noun."""
        return self.noun

    def read_options(self, *, folder: bool) -> dict[str, Any]:
        """Return the arguments of `isotropy.data.read` that bring new data, a folder or not, to the training's form."""
        return {}

    def of_recordings(self, format: Format) -> Self:
        """Return the same for rows that were cut from recordings in this form; by default nothing of it is kept."""
        return self

    def with_form(self, form: dict[str, Any]) -> Self:
        """Return the preprocessing whose `read_options` bring new data to the training's `Data.form`."""
        return self

    def with_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Return the preprocessing with the mean and deviation that pretrained weights were made for, if it has any."""
        return self

    def transform(self, values: Any) -> Tensor | Batch:
        """Return rows as they are stored and batched."""
        raise NotImplementedError

    def departure(self, values: Any) -> str | None:
        """Return in what new values differ from all training rows although they are taken; by default in nothing."""
        return None

    def to_input(self, rows: Any) -> Tensor | Batch:
        """Return stored rows as the float32 input of an encoder; by default as they are."""
        return rows

    def together(self, rows: Tensor | Batch) -> list[tuple[Tensor, Tensor | Batch]]:
        """Return stored rows in groups that an encoder embeds at once: the places (M,) of each, and its rows.

        What group a row is in and what form it has there depend on the row alone, so that its embedding does, too. By
        default all rows are one.
        """
        return [(torch.arange(len(rows)), rows)]

    def features(self, rows: Any) -> NDArray[np.float32]:
        """Return stored rows as raw features (N, F) for baselines; by default flattened."""
        values = without_mask(rows, f"{type(self).__name__}.features")
        return np.asarray(values.detach().cpu().flatten(1).numpy(), dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the modality and what was learnt as JSON values, exactly; by default the arguments of `__init__`."""
        learnt = {name: getattr(self, name) for name in signature(type(self)).parameters}
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in learnt.items()}
        return {"modality": self.modality, **lists}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the preprocessing that `to_json` wrote; UserError if it is not one."""
        try:
            named = signature(cls).parameters
            # What an older version did not write has the default that it had then.
            learnt = {name: data[name] for name, one in named.items() if name in data or one.default is one.empty}
            check_arguments(cls, learnt)
            if any(deviation <= 0 for deviation in learnt.get("std", ())):
                raise ValueError("a deviation (std) is not above 0")
            return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in learnt.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"this is no {cls.modality} preprocessing of isotropy: {error}") from error
