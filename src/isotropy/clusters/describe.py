"""What distinguishes each cluster in columns that a person knows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.io.written import written

MOST = 5  # traits of a cluster
_LEVELS = 200  # of a category, the commonest ones
_DEVIATIONS = 4.0  # of what chance gives, that a difference has at least
_DAY = 86400.0  # seconds
_LEAST = 0.2  # of a standard deviation: less is not worth a line


@dataclass(frozen=True)
class Trait:
    """What a cluster has more or less of than the other rows.

    Attributes:
        column: a column's name. value: of a category, None for a number.
        here, elsewhere: mean of the column in the cluster and in all other rows, in the user's unit (dates as texts),
            or the fraction of rows that have the value.
        difference: of the two, in standard deviations of all rows (of a category, of whether a row has the value).
        lift: how many times as frequent the value is here as in all rows; None for a number.
    """

    column: str
    value: str | None
    here: float | str
    elsewhere: float | str
    difference: float
    lift: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def describe(
    labels: NDArray[Any], columns: Mapping[str, Any], *, categories: Sequence[str] = (), most: int = MOST
) -> list[list[Trait]]:
    """Return what distinguishes each cluster, the largest differences first, at most so many columns.

    Left out is what chance would give (a difference below 4 standard errors) and what is below a fifth of a standard
    deviation. A column is named once, by the value that distinguishes most; a missing value is a value.

    Args:
        labels: (N,) clusters 0, 1, ..., -1 for none.
        columns: (N,) each, by name: numbers, dates, truth values or texts.
        categories: names of columns whose numbers are codes.

    Source: Cohen 1988 for standardised differences; Brin et al. 1997 for lift.

    Example:
        >>> labels = np.repeat([0, 1], 50)
        >>> columns = {"age": np.repeat([20.0, 40.0], 50), "job": np.repeat(["cook", "smith"], 50)}
        >>> [(one.column, one.value, one.here, one.difference, one.lift) for one in describe(labels, columns)[0]]
        [('age', None, 20.0, -2.0, None), ('job', 'cook', 1.0, 2.0, 2.0)]
    """
    count = int(labels.max()) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=count).astype(np.float64)
    found: list[list[Trait]] = [[] for _ in range(count)]
    for name, values in columns.items():
        column = pd.Series(np.asarray(values) if not isinstance(values, pd.Series) else values.to_numpy())
        dates = column.dtype.kind == "M"
        traits: list[list[Trait]] = [[] for _ in range(count)]
        if name not in categories and (dates or (column.dtype.kind in "iuf")):
            _of_numbers(name, column, labels, sizes, traits)
            gone = column.isna().to_numpy()
            if gone.any() and not gone.all():
                _of_value(name, "missing", gone, labels, sizes, traits)
        else:
            _of_category(name, column, labels, sizes, traits)
        for mine, new in zip(found, traits):
            mine += sorted(new, key=lambda one: -abs(one.difference))[:1]
    return [sorted(traits, key=lambda one: -abs(one.difference))[:most] for traits in found]


def _of_numbers(
    name: str, column: "pd.Series[Any]", labels: NDArray[Any], sizes: NDArray[np.float64], into: list[list[Trait]]
) -> None:
    gone = column.isna().to_numpy()
    dates = column.dtype.kind == "M"
    x = column.to_numpy(dtype="datetime64[s]").astype(np.float64) if dates else column.to_numpy(dtype=np.float64)
    there = ~gone & np.isfinite(x)
    if there.sum() < 2:
        return
    # Centred first: the sum of squares of large numbers would lose the differences.
    offset = float(np.median(x[there]))
    x, mine = x[there] - offset, labels[there]
    spread = float(x.std())
    if not spread > 4 * np.spacing(abs(offset)):
        return
    counts, sums = _per_cluster(mine, x, len(sizes))
    for number, (here, elsewhere) in enumerate(_means(counts, sums, float(len(x)), float(x.sum()))):
        difference = (here - elsewhere) / spread
        if _counts(difference, counts[number], len(x) - counts[number]):
            means = (here + offset, elsewhere + offset)
            digits = _digits(*means)
            said = [_date(mean, whole=spread > _DAY) if dates else float(f"{mean:.{digits}g}") for mean in means]
            into[number].append(Trait(name, None, said[0], said[1], round(difference, 3)))


def _of_category(
    name: str, column: "pd.Series[Any]", labels: NDArray[Any], sizes: NDArray[np.float64], into: list[list[Trait]]
) -> None:
    gone = column.isna().to_numpy()
    codes, names = pd.factorize(column.astype(object).where(~gone, None), use_na_sentinel=True)
    if len(names) > _LEVELS:
        # What is different in almost every row, as a name is, distinguishes nothing.
        common = np.argsort(-np.bincount(codes[codes >= 0]), kind="stable")[:_LEVELS]
    else:
        common = np.arange(len(names))
    for code in common.tolist():
        _of_value(name, _named(names[code]), codes == code, labels, sizes, into)
    if gone.any() and not gone.all():
        _of_value(name, "missing", gone, labels, sizes, into)


def _of_value(
    name: str,
    value: str,
    has: NDArray[np.bool_],
    labels: NDArray[Any],
    sizes: NDArray[np.float64],
    into: list[list[Trait]],
) -> None:
    overall = float(has.mean())
    spread = float(np.sqrt(overall * (1 - overall)))
    if spread == 0:
        return
    _, sums = _per_cluster(labels, has.astype(np.float64), len(sizes))
    for number, (here, elsewhere) in enumerate(_means(sizes, sums, float(len(has)), float(has.sum()))):
        difference = (here - elsewhere) / spread
        if _counts(difference, sizes[number], len(has) - sizes[number]):
            lift = round(here / overall, 2)
            into[number].append(Trait(name, value, round(here, 4), round(elsewhere, 4), round(difference, 3), lift))


def _per_cluster(labels: NDArray[Any], x: NDArray[np.float64], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    inside = labels >= 0
    mine = labels[inside]
    return (
        np.bincount(mine, minlength=count).astype(np.float64),
        np.bincount(mine, weights=x[inside], minlength=count),
    )


def _means(
    counts: NDArray[np.float64], sums: NDArray[np.float64], rows: float, total: float
) -> list[tuple[float, float]]:
    """Return the mean in each cluster and in all rows outside it, NaN where there is no row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return list(zip((sums / counts).tolist(), ((total - sums) / (rows - counts)).tolist()))


def _counts(difference: float, here: float, elsewhere: float) -> bool:
    """Return whether a standardised difference is larger than chance and worth a line."""
    if not here or not elsewhere or not np.isfinite(difference):
        return False
    return abs(difference) >= max(_LEAST, _DEVIATIONS * float(np.sqrt(1 / here + 1 / elsewhere)))


def told_apart(mean: float | str, other: float | str) -> str:
    """Return a mean of a trait as it is written beside the other one, so that both differ; dates are texts already.

    Example:
        >>> told_apart(35970.0, 20000.0), told_apart(1e12 + 1.5, 1e12), told_apart("1999-01-31", "1999-02-01")
        ('35,970', '1,000,000,000,001.5', '1999-01-31')
    """
    if isinstance(mean, str) or isinstance(other, str):
        return str(mean)
    return written(mean, _digits(mean, other))


def _digits(one: float, other: float) -> int:
    """Return how many significant digits tell two numbers apart: four, or as many as leave two of their difference."""
    largest, apart = max(abs(one), abs(other)), abs(one - other)
    # Floats have 17.
    return min(17, max(4, 3 + int(np.floor(np.log10(largest / apart))))) if apart else 4


def _date(seconds: float, *, whole: bool) -> str:
    """Return a date, to the day where dates differ by days."""
    moment = np.datetime64(round(seconds), "s")
    return str(moment.astype("datetime64[D]") if whole else moment).replace("T", " ")


def _named(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
