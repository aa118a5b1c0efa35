"""Values that Python takes and no column does: complex numbers, and halves of letters of UTF-16 (lone surrogates)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from isotropy.errors import UserError


def refuse_odd_values(values: Iterable[Any], what: str) -> None:
    r"""Raise UserError, naming what they are, where one of values is complex, or a text with half a letter.

    Example:
        >>> refuse_odd_values(["caf\ud800"], "label")
        Traceback (most recent call last):
        isotropy.errors.UserError: label holds 'caf\ud800', half a letter of UTF-16, which no file takes: leave it out
    """
    if isinstance(values, pd.Series):
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = pd.Series(values.cat.categories)
        if types.is_complex_dtype(values.dtype):
            raise UserError(f"{what} holds complex numbers: split it into two real columns")
        # Others are real, or of Arrow.
        if not types.is_object_dtype(values.dtype):
            return
    with naming_half_letters(what):
        for one in values:
            if isinstance(one, str):
                if not one.isascii():
                    one.encode()
            elif isinstance(one, complex | np.complexfloating):
                raise UserError(f"{what} holds complex numbers, as {complex(one)}: split it into two real columns")


def refuse_complex(values: Any, what: str) -> None:
    """Raise UserError for an array of complex numbers, in the words that scikit-learn wants, which go over many lines.

    Example:
        >>> refuse_complex(np.array([1j]), "y")
        Traceback (most recent call last):
        isotropy.errors.UserError: Complex data not supported: split y into real and imaginary parts
    """
    # Not by numpy's function, which not all that hold values take.
    if getattr(getattr(values, "dtype", None), "kind", "") == "c":
        raise UserError(f"Complex data not supported: split {what} into real and imaginary parts")


@contextmanager
def naming_half_letters(what: str) -> Iterator[None]:
    """Turn what a library raises for half a letter into a line that names what holds it."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise UserError(
            f"{what} holds {error.object!r}, half a letter of UTF-16, which no file takes: leave it out"
        ) from error
