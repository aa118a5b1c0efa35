"""Settings that may differ from look to look, checked once when a view maker is built."""

from collections.abc import Sequence

from isotropy.errors import UserError


def each(
    name: str, value: float | Sequence[float], looks: int, *, low: float = 0.0, high: float = 1.0
) -> tuple[float, ...]:
    """Return one float per look from one number for all looks or a sequence of `looks` numbers.

    Raises:
        UserError: where the count is wrong or a number is not within [low, high].

    Example:
        >>> each("blur", 0.5, 2)
        (0.5, 0.5)
        >>> each("blur", [1.0, 0.1], 2)
        (1.0, 0.1)
    """
    values = tuple(float(v) for v in value) if isinstance(value, Sequence) else (float(value),) * looks
    if len(values) != looks:
        raise UserError(f"{name}: {len(values)} values for {looks} looks; give one number, or one per look")
    for number in values:
        within(name, number, low, high)
    return values


def within(name: str, number: float, low: float, high: float) -> float:
    """Return `number` where low <= number <= high; raise a UserError that names it otherwise."""
    if not low <= number <= high:
        raise UserError(f"{name}: {number:g} is not between {low:g} and {high:g}")
    return number


def whole(name: str, number: int) -> int:
    """Return `number` where it is a whole number from 1 on; raise a UserError that names it otherwise."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise UserError(f"{name}: {number!r} is not a whole number from 1 on")
    return number
