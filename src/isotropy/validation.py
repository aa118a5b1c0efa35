"""Arguments that are refused: one vocabulary for constructors, settings and views, one line for each mistake.

Comparisons let NaN and infinity pass (min(nan, 1) < 0 is false, and infinity is above 0), so every check asks for a
finite number first.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from numbers import Integral, Real

import torch

from isotropy.errors import UserError


def finite(**values: float) -> None:
    """Raise a UserError that names the first of `values` that is not a finite number.

    Example:
        >>> finite(temperature=0.5, weight=2)
        >>> finite(temperature=float("nan"))
        Traceback (most recent call last):
        isotropy.errors.UserError: temperature must be a finite number, not nan
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
            raise UserError(f"{name} must be a finite number, not {value!r}")


def _refuse(values: dict[str, float], fits: Callable[[float], bool], wanted: str) -> None:
    finite(**values)
    for name, value in values.items():
        if not fits(value):
            raise UserError(f"{name} must be {wanted}, not {value!r}")


def positive(**values: float) -> None:
    """Raise a UserError that names the first of `values` that is not a finite number above 0.

    Example:
        >>> positive(temperature=0.0)
        Traceback (most recent call last):
        isotropy.errors.UserError: temperature must be above 0, not 0.0
    """
    _refuse(values, lambda value: value > 0, "above 0")


def nonnegative(**values: float) -> None:
    """Raise a UserError that names the first of `values` that is not a finite number of at least 0.

    Example:
        >>> nonnegative(covariance=-1.0)
        Traceback (most recent call last):
        isotropy.errors.UserError: covariance must be at least 0, not -1.0
    """
    _refuse(values, lambda value: value >= 0, "at least 0")


def fraction(**values: float) -> None:
    """Raise a UserError that names the first of `values` that is not in [0, 1).

    Example:
        >>> fraction(dropout=1.0)
        Traceback (most recent call last):
        isotropy.errors.UserError: dropout must be at least 0 and below 1, not 1.0
    """
    _refuse(values, lambda value: 0 <= value < 1, "at least 0 and below 1")


def inside(low: float, high: float, /, **values: float) -> None:
    """Raise a UserError that names the first of `values` that is not above `low` and below `high`.

    Example:
        >>> inside(0, 1, mask_ratio=1.0)
        Traceback (most recent call last):
        isotropy.errors.UserError: mask_ratio must be above 0 and below 1, not 1.0
    """
    _refuse(values, lambda value: low < value < high, f"above {low:g} and below {high:g}")


def some_weight(**values: float) -> None:
    """Raise a UserError where one of the weights `values` is not at least 0, or where all are 0.

    Example:
        >>> some_weight(invariance=0.0, variance=0.0)
        Traceback (most recent call last):
        isotropy.errors.UserError: invariance and variance must not all be 0
    """
    nonnegative(**values)
    if not any(values.values()):
        raise UserError(f"{' and '.join(values)} must not all be 0")


def at_least(least: int, /, **values: int) -> None:
    """Raise a UserError that names the first of `values` that is not a whole number of `least` or more.

    Example:
        >>> at_least(1, width=0)
        Traceback (most recent call last):
        isotropy.errors.UserError: width must be a whole number of at least 1, not 0
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}")


def whole_below(most: int, /, **values: int) -> None:
    """Raise a UserError that names the first of `values` that is not a whole number of at least 0 and below `most`.

    Example:
        >>> whole_below(1 << 32, seed=-1)
        Traceback (most recent call last):
        isotropy.errors.UserError: seed must be a whole number of at least 0 and below 2^32, not -1
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= value < most:
            power = most.bit_length() - 1
            raise UserError(f"{name} must be a whole number of at least 0 and below 2^{power}, not {value!r}")


def within(low: float, high: float, /, **values: float) -> None:
    """Raise a UserError that names the first of `values` that is not between `low` and `high`, both included.

    Example:
        >>> within(0, 1, blur=1.5)
        Traceback (most recent call last):
        isotropy.errors.UserError: blur: 1.5 is not between 0 and 1
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
            raise UserError(f"{name}: {value:g} is not between {low:g} and {high:g}")


def per_view(
    name: str, value: float | Sequence[float], views: int, *, low: float = 0.0, high: float = 1.0
) -> tuple[float, ...]:
    """Return one float per view from one number for all views or a sequence of `views` numbers.

    Raises: UserError where the count is wrong or a number is not within [low, high].

    Example:
        >>> per_view("blur", 0.5, 2), per_view("blur", [1.0, 0.1], 2)
        ((0.5, 0.5), (1.0, 0.1))
    """
    values = tuple(float(v) for v in value) if isinstance(value, Sequence) else (float(value),) * views
    if len(values) != views:
        raise UserError(f"{name}: {len(values)} values for {views} views; give one number, or one per view")
    for number in values:
        within(low, high, **{name: number})
    return values


def find_device(device: torch.device | str, name: str = "device") -> torch.device:
    """Return a device by its name; UserError for one that is unknown or not here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
        >>> find_device("gpu")
        Traceback (most recent call last):
        isotropy.errors.UserError: device gpu: unknown (valid: cpu, cuda, cuda:N)
    """
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError):
        raise UserError(f"{name} {device}: unknown (valid: cpu, cuda, cuda:N)") from None
    if place.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{name} {device}: no GPU was found here; use cpu")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise UserError(f"{name} {device}: there are {torch.cuda.device_count()} GPUs here, counted from 0")
    return place
