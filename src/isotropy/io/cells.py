"""Texts as cells of a CSV file that a spreadsheet shows and never computes."""

from typing import Any

# With these a cell begins that a spreadsheet reads as a formula; the wide ones where it runs in Japanese or Chinese.
_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def harmless(value: Any) -> Any:
    """Return a value as a cell holds it: a text that would be read as a formula gets an apostrophe before it.

    Numbers stay as they are, those that are written as text too.

    Example:
        >>> harmless("=1+1"), harmless("-5.2"), harmless("a=1"), harmless(-3)
        ("'=1+1", '-5.2', 'a=1', -3)
    """
    if not isinstance(value, str) or not value.startswith(_FORMULAS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
