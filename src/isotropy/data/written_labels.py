"""Labels that are numbers as people write them: "$1,200", "12,5", "7 %"."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.number_text import NumberText

# So few different whole numbers are names of classes, however they are written: "10 %", "20 %" and "50 %" of a dose.
_FEW = 20


def numbers_of_texts(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (N,) as numbers, NaN where missing, where all are texts of numbers in one way of writing them.

    Columns of a table are read so, too. Texts that are plain numbers stay what they are, as do few whole ones.

    Example:
        >>> numbers_of_texts(np.array(["1.234,50", None, "7,25"], dtype=object)).tolist()
        [1234.5, nan, 7.25]
        >>> numbers_of_texts(np.array(["10 %", "50 %"], dtype=object)).tolist()
        ['10 %', '50 %']
    """
    if labels.dtype != object or pd.to_numeric(pd.Series(pd.factorize(labels)[1]), errors="coerce").notna().all():
        return labels
    numbers = wanted_as_numbers(labels)
    if numbers.dtype == object:
        return labels
    there = np.unique(numbers[~np.isnan(numbers)])
    return labels if len(there) <= _FEW and (there == np.round(there)).all() else numbers


def wanted_as_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (N,) of which numbers are wanted: texts of numbers as numbers, NaN where missing.

    As they are where not all are texts of numbers in one way of writing them.

    Example:
        >>> wanted_as_numbers(np.array(["10 %", None, "50 %"], dtype=object)).tolist()
        [10.0, nan, 50.0]
        >>> wanted_as_numbers(np.array(["ten", "50 %"], dtype=object)).tolist()
        ['ten', '50 %']
    """
    if labels.dtype != object:
        return labels
    places, texts = pd.factorize(labels)
    if not len(texts) or not all(isinstance(one, str) for one in texts):
        return labels
    convention = NumberText.find(texts, np.bincount(places[places >= 0]))
    numbers = np.full(1, np.nan) if convention is None else convention.parse(texts)
    return labels if np.isnan(numbers).any() else np.append(numbers, np.nan)[places]  # missing ones are at -1


def said_of_labels(source: str, given: Any, labels: NDArray[Any]) -> str:
    """Return what a description says of labels (N,) that were read from `source` as they were `given`.

    Example:
        >>> said_of_labels("price", ["$1,200", "$7.50"], np.array([1200, 7.5]))
        "labels from price, numbers as '$1,200'"
    """
    missing = int(pd.isna(labels).sum())
    said = f"labels from {source}"
    if labels.dtype.kind == "f":
        text = next((one for one in given if isinstance(one, str)), None)
        said += "" if text is None else f", numbers as {text!r}"
    return said + (f" ({missing} missing)" if missing else "")
