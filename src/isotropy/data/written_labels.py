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
    places, texts = pd.factorize(labels)
    if labels.dtype != object or not len(texts) or not all(isinstance(one, str) for one in texts):
        return labels
    if pd.to_numeric(pd.Series(texts), errors="coerce").notna().all():
        return labels
    convention = NumberText.find(texts, np.bincount(places[places >= 0]))
    numbers = np.full(1, np.nan) if convention is None else convention.parse(texts)
    if np.isnan(numbers).any() or (len(texts) <= _FEW and (numbers == np.round(numbers)).all()):
        return labels
    return np.append(numbers, np.nan)[places]  # of a missing value the place is -1


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
