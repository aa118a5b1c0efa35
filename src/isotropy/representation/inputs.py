"""Data as users have it, brought to what the preprocessing of a trained encoder takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from isotropy.data import Data, Preprocess, SeriesPreprocess, read
from isotropy.data.frames import as_pandas
from isotropy.data.infer import infer_modality
from isotropy.data.other_kind import as_trained_on
from isotropy.data.readers import options_for
from isotropy.data.recordings.paths import named_by_path
from isotropy.data.stream import stream
from isotropy.data.unequal import LAST, as_values, series_columns
from isotropy.modalities import MODALITIES
from isotropy.representation.streaming import gathered


def values_for(preprocess: Preprocess, values: Any) -> Any:
    """Return values, as `Representation.transform` takes them, in the form that the preprocessing takes."""
    with as_trained_on(preprocess, values):
        return _values(preprocess, values, options_for(preprocess, _place(values)))


def _values(preprocess: Preprocess, values: Any, options: dict[str, Any]) -> Any:
    if named_by_path(values) or (isinstance(values, pd.DataFrame) and "like" in options):
        values = read(values, modality=preprocess.modality, **options)
    if isinstance(values, Data):
        return values.values
    values = as_pandas(values)
    if isinstance(values, pd.DataFrame):
        if preprocess.takes_frames:
            return values
        held = series_columns(values, preprocess.read_options(folder=False).get("series_columns"))
        values = (values[held] if held else values).to_numpy()
    array = as_values(values)
    if isinstance(preprocess, SeriesPreprocess) and options.get("channels") == LAST:
        # Rows of `isotropy.read` have their channels in front already.
        array = array if _arranged(array, preprocess.channels) else as_values(values, LAST)
    return infer_modality(array, preprocess.modality, scale=options.get("scale"))[0]


def pieces_for(preprocess: Preprocess, values: Any, most: int) -> Iterator[Any]:
    """Yield values, as `Representation.encode` takes them, in pieces that `transform` takes.

    A file is read in pieces where its format allows it, and single rows are gathered, at most `most` of them.
    """
    if named_by_path(values) and "like" not in options_for(preprocess, None):
        yield from stream(values, preprocess).pieces
    elif isinstance(values, (Data, pd.DataFrame, np.ndarray, Tensor, str, Path)) or named_by_path(values):
        yield values
    else:
        shape = MODALITIES[preprocess.modality].example_rows(preprocess.shape, 1).shape[1:]
        yield from gathered(values, tuple(shape), most)


def read_for(preprocess: Preprocess, dataset: Any, **reading: Any) -> Data:
    """Return data read as those that the preprocessing was learnt on; `reading` are further keywords of `read`."""
    options = options_for(preprocess, _place(dataset), reading.get("key"))
    with as_trained_on(preprocess, dataset, reading.get("key")):
        return read(dataset, **{"modality": preprocess.modality, **options, **reading})


def _place(values: Any) -> Path | None:
    return Path(values).expanduser() if isinstance(values, (str, Path)) else None


def _arranged(array: NDArray[Any], channels: int) -> bool:
    """Return whether an array is (N, C, T) and cannot be (N, T, C)."""
    return array.ndim != 3 or (array.shape[1] == channels and array.shape[2] != channels)
