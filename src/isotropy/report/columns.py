"""What is known of the rows on the map, column by column: classes, numbers, dates or texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.report.packed import codes, packed

_WHOLE_CLASSES = 20  # distinct whole numbers up to which they are classes
_TEXT = 120  # signs of a text that are kept
_TEXTS = 400_000  # signs of all texts of one column


@dataclass(frozen=True)
class Column:
    """One value a row.

    Attributes:
        source: "label", "run", "audit" or "data".
        kind: "classes" (few texts), "texts", "numbers" or "dates".
        values: (N,) codes into `levels`, -1 where missing; or float64 (of dates seconds since 1970), NaN where missing.
    """

    name: str
    source: str
    kind: str
    values: NDArray[Any]
    levels: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as the page's script reads it; a code of 0 is a missing value."""
        about = {"name": self.name, "source": self.source, "kind": self.kind}
        if self.kind == "dates":
            return about | {"values": packed(self.values, "f64")}
        if self.kind != "numbers":
            return about | {"levels": self.levels, "codes": codes(self.values + 1, len(self.levels))}
        exact = np.array_equal(self.values.astype(np.float32).astype(np.float64), self.values, equal_nan=True)
        whole = np.isfinite(self.values).all() and (self.values == np.rint(self.values)).all()
        return about | {"values": packed(self.values, "f64" if whole and not exact else "f32")}

    @property
    def size(self) -> int:
        """About how many bytes it takes in the page."""
        if self.kind == "numbers":
            return len(self.values) * 4 * 4 // 3
        if self.kind == "dates":
            return len(self.values) * 8 * 4 // 3
        each = 1 if len(self.levels) < 255 else 2 if len(self.levels) < 65535 else 4
        return len(self.values) * each * 4 // 3 + sum(len(level) + 3 for level in self.levels)


def column(name: str, values: Any, source: str, task: str | None = None) -> Column | None:
    """Return a column as the page shows it; None where it holds arrays, or texts too long to be kept.

    Args:
        values: (N,) of any kind. task: "numbers" or "classes" where that is known, as of a label.

    Example:
        >>> found = column("kind", ["b", None, "a"], "label")
        >>> found.kind, found.levels, found.values.tolist()
        ('classes', ('a', 'b'), [1, -1, 0])
    """
    series = pd.Series(values).reset_index(drop=True)
    if task == "numbers":
        series = pd.to_numeric(series, errors="coerce")
    if task is None and pd.api.types.is_datetime64_any_dtype(series.dtype):
        # As its user's clock has them.
        moments = series.dt.tz_localize(None).to_numpy(dtype="datetime64[ms]")
        seconds = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1000)
        return Column(name, source, "dates", seconds)
    if pd.api.types.is_bool_dtype(series.dtype):
        series = series.astype("string")
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype):
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.unique(numbers[np.isfinite(numbers)])
        whole = len(known) <= _WHOLE_CLASSES and bool((known == np.rint(known)).all())
        if task != "classes" and not (whole and source in ("label", "run") and len(known)):
            return Column(name, source, "numbers", np.where(np.isfinite(numbers), numbers, np.nan))
        order = {f"{value:.0f}" if whole else f"{value:g}": value for value in known}
        levels = tuple(order)
        places = np.searchsorted(known, np.where(np.isfinite(numbers), numbers, known[0]))
        return Column(name, source, "classes", np.where(np.isfinite(numbers), places, -1), levels)
    if series.map(lambda one: isinstance(one, list | tuple | dict | np.ndarray)).any():
        return None
    texts = series.map(lambda one: None if pd.isna(one) else str(one)[:_TEXT])
    placed, found = pd.factorize(texts, sort=True)
    order_ = _natural(found)
    levels = tuple(str(found[place]) for place in order_)
    if sum(map(len, levels)) > _TEXTS:
        return None
    rank = np.empty(len(found), dtype=np.int64)
    rank[order_] = np.arange(len(found))
    values = np.where(placed < 0, -1, rank[placed]) if len(found) else np.full(len(series), -1)
    kind = "classes" if len(levels) <= max(_WHOLE_CLASSES, len(series) // 20) else "texts"
    return Column(name, source, kind, np.asarray(values, dtype=np.int64), levels)


def within(columns: Iterable[Column], size: int) -> tuple[list[Column], list[str]]:
    """Return the first columns that take `size` bytes together, and the names of those that are left out."""
    kept: list[Column] = []
    left: list[str] = []
    for one in columns:
        if size >= one.size:
            kept.append(one)
            size -= one.size
        else:
            left.append(one.name)
    return kept, left


def _natural(levels: Iterable[Any]) -> list[int]:
    """Return the order of texts in which numbers go by their value, before all others."""

    def key(pair: tuple[int, Any]) -> tuple[bool, float, str]:
        try:
            return False, float(pair[1]), ""
        except ValueError:
            return True, 0.0, str(pair[1])

    return [place for place, _ in sorted(enumerate(levels), key=key)]
