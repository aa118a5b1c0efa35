"""Texts of data as they are shown: characters that steer a terminal, or end a line, as their numbers."""

from typing import Any
from unicodedata import category

# Ends of lines, which are those of texts of our own, and what joins or parts letters and emoji.
_HARMLESS = "\n\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def visible(text: str) -> str:
    r"""Return a text with every character that steers a terminal as its number.

    Example:
        >>> visible("\x1b[31m red\t1\n")
        '\\x1b[31m red\\t1\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(repr(one)[1:-1] if _steers(one) else one for one in text)


def in_line(value: Any) -> str:
    r"""Return a value, a label or a name as it is shown within a line or a cell: `visible`, its ends of lines too.

    Example:
        >>> in_line("a\nb\tc")
        'a\\nb\\tc'
    """
    return visible(str(value)).replace("\n", "\\n")


def _steers(character: str) -> bool:
    return category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _HARMLESS
