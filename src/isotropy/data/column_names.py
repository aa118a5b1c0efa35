"""Names of columns: as text, and none of them twice."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any


def column_name(name: Any) -> str:
    """Return a column's name as text; levels are joined by underscores.

    Example:
        >>> column_name(("pay", "q1")), column_name(("pay", "")), column_name(7)
        ('pay_q1', 'pay', '7')
    """
    if isinstance(name, tuple):
        return "_".join(str(level) for level in name if str(level))
    return str(name)


def numbered(names: Sequence[str]) -> list[str]:
    """Return names of which none stands twice: those that do are numbered, the first too, and a warning says so.

    Which of them is meant by the name alone cannot be known: a label that is asked for by it is not there.

    Example:
        >>> numbered(["a", "b"])
        ['a', 'b']
    """
    counts = Counter(names)
    twice = [name for name, times in counts.items() if times > 1]
    if not twice:
        return list(names)
    free = {name: _not_in(counts, name) for name in twice}
    found = [next(free[name]) if name in free else name for name in names]
    first = found[names.index(twice[0])]
    warnings.warn(
        f"{counts[twice[0]]} columns are called {twice[0]!r}: here they are {first!r} and so on", stacklevel=2
    )
    return found


def _not_in(names: Counter[str], name: str) -> Iterator[str]:
    return (new for number in count(1) if (new := f"{name} ({number})") not in names)
