"""What a person knows of the rows of a run: their columns, or what series and images are summarised by."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.data import Data
from isotropy.data.frames import as_frame
from isotropy.evaluation.task import task_of
from isotropy.runs import columns
from isotropy.runs.embedded import Embedded
from isotropy.runs.settings import label_names

Column = NDArray[Any]

_CHANNELS = 16  # that are summarised
_WHERE = ("file", "id", "group")  # of what is known of windows, what can distinguish some


def labels_of(found: Embedded) -> dict[str, Column]:
    """Return the labels of a run, (N,) each, by the user's names; numbers where they are no classes."""
    first = label_names(found.run.recipe.data)[0]
    known = {name: x for name, x in found.beside.items() if not _of_windows(name, found)}
    names = {name: first if name == "label" and name not in found.sources else _name(name, found) for name in known}
    return {names[name]: _as_numbers(x) for name, x in known.items()}


def kept_of(found: Embedded) -> dict[str, Column]:
    """Return what embeddings.parquet keeps of the user's columns, of groups and of windows, by the user's names.

    Files of one row each say nothing of clusters.
    """
    beside = {
        name: x
        for name, x in found.beside.items()
        if _of_windows(name, found) and _name(name, found) in _WHERE and len(pd.unique(x)) < len(x)
    }
    return {_name(name, found): x for name, x in (beside | found.columns).items()}


def codes_among(found: Embedded) -> tuple[str, ...]:
    """Return the columns of a table whose numbers are codes of categories."""
    schema = getattr(found.representation.preprocess, "schema", None)
    return () if schema is None else tuple(one.source for one in schema.columns if one.kind == "categorical")


def summaries(data: Data) -> dict[str, Column]:
    """Return columns (N,) that summarise rows in their own units: those of a table as they are.

    Series: mean, deviation, extremes and mean step of each of the first 16 channels, its mean frequency (in Hz where
    the rate is known, else in cycles a series), and the length. Images: brightness, contrast and, of
    three channels, each one's mean. Other arrays: mean and deviation.

    Example:
        >>> data = Data(np.arange(8.0).reshape(2, 1, 4), "series")
        >>> [(name, x.tolist()) for name, x in summaries(data).items()][:2]
        [('mean', [1.5, 5.5]), ('deviation', [1.1180340051651, 1.1180340051651])]
    """
    if data.modality == "table":
        frame, _ = as_frame(data.values)
        return {str(name): frame.iloc[:, place].to_numpy() for place, name in enumerate(frame.columns)}
    if data.modality == "series":
        return _in_pieces(data, lambda x: _of_series(x, data))
    return _in_pieces(data, _of_images if data.modality == "image" else _of_arrays)


def _in_pieces(data: Data, summary: Callable[[NDArray[np.float32]], dict[str, Column]]) -> dict[str, Column]:
    """Return the summaries of all rows, of which 32 MiB are read at a time."""
    row_bytes = 4 * int(np.prod(np.shape(data.values)[1:]))
    parts = [
        summary(np.asarray(data.values[piece], dtype=np.float32))
        for piece in batched(len(data), row_bytes=4 * row_bytes)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _of_series(x: NDArray[np.float32], data: Data) -> dict[str, Column]:
    format = None if data.windows is None else data.windows.format
    there = np.isfinite(x)
    found: dict[str, Column] = {}
    for channel in range(min(x.shape[1], _CHANNELS)):
        named = f"channel {channel}" if format is None else format.channels[channel]
        of = "" if x.shape[1] == 1 else f" of {named}"
        known = there[:, channel]
        here = np.where(known, x[:, channel], np.nan)
        empty = ~known.any(axis=1)
        here[empty] = 0.0
        middle = np.nanmean(here, axis=1)
        columns = {
            "mean": middle,
            "deviation": np.nanstd(here, axis=1),
            "minimum": np.nanmin(here, axis=1),
            "maximum": np.nanmax(here, axis=1),
        }
        filled = np.where(np.isnan(here), middle[:, None], here) - middle[:, None]
        if x.shape[2] > 1:
            columns["mean step"] = np.abs(np.diff(filled, axis=1)).mean(axis=1)
            power = np.abs(np.fft.rfft(filled, axis=1)) ** 2
            per = 1.0 if format is None or format.rate is None else format.rate / x.shape[2]
            total = power.sum(axis=1)
            centre = (power * np.arange(power.shape[1])).sum(axis=1) / np.where(total > 0, total, 1)
            columns["mean frequency"] = np.where(total > 0, centre * per, np.nan)
        found |= {name + of: np.where(empty, np.nan, values) for name, values in columns.items()}
    steps = x.shape[2] - np.argmax(np.asarray(there.any(axis=1))[:, ::-1], axis=1)
    return found | {"length": steps}


def _of_images(x: NDArray[np.float32]) -> dict[str, Column]:
    flat = x.reshape(len(x), x.shape[1], -1)
    found = {"brightness": flat.mean(axis=(1, 2)), "contrast": flat.mean(axis=1).std(axis=1)}
    if x.shape[1] == 3:
        found |= {name: flat[:, place].mean(axis=1) for place, name in enumerate(("red", "green", "blue"))}
    return found


def _of_arrays(x: NDArray[np.float32]) -> dict[str, Column]:
    flat = x.reshape(len(x), -1)
    return {"mean": flat.mean(axis=1), "deviation": flat.std(axis=1)}


def _name(name: str, found: Embedded) -> str:
    return found.sources.get(name, name)


def _of_windows(name: str, found: Embedded) -> bool:
    """Return whether a column says where a row was cut from; in older files by its name alone."""
    if name in found.sources:
        return found.roles[name] == columns.WINDOW
    return found.run.read_json("data.json", {}).get("windows") is not None and (
        name in (*_WHERE, "start", "end") or name.startswith("fraction of ")
    )


def _as_numbers(x: Column) -> Column:
    """Return a label as numbers where that is what it is; older versions kept all as text."""
    numbers = pd.to_numeric(pd.Series(x, dtype=object), errors="coerce")
    gone = pd.isna(pd.Series(x, dtype=object))
    if gone.all() or numbers[~gone].isna().any():
        return x
    return numbers.to_numpy(dtype=np.float64) if task_of(numbers[~gone].to_numpy()) == "numbers" else x
