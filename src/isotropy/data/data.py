"""Data as they were read: values, and beside them, never in them, labels and parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.data.recordings.windows import Windows


@dataclass(frozen=True)
class Data:
    """Rows with what is known about them kept apart.

    Attributes:
        values: the rows: a DataFrame or (N, D); series (N, channels, time); images (N, channels, height, width) of
            any numeric type, which may be a file mapped to memory.
        modality: "table", "series", "image" or "array".
        labels: (N,) or None. A missing label is NaN among floats and None among objects; such rows are
            kept for training, and probes use the rows of `labelled`. Several labels a row are tuples of names.
        split: (N,) "train" or "test", or None.
        description: one line: what was taken for what.
        task: "classes", "numbers" or "labels" (several a row) where the user says what the labels are.
        more_labels: (N,) each, by name, where there are several; `labels` is the first.
        groups: (N,) what whole groups of rows belong to (a subject, a machine), or None.
        times: (N,) numbers that sort as the rows were recorded, or None.
        kinds: what the user says that columns are, by name; see `column_kinds.WANTED`.
        windows: where each row was cut from, where the rows are windows of recordings, or recordings.
        files: (N,) texts, the names of the files of images below their folder or in their column, or None.
        form: keywords of `read` that bring new data to the form that images in files were brought to.
        stream: all rows, as `blocks.Blocks` in their files, where `values` and what stands beside them are a sample.
        sampled: (N,) the numbers of the sample's rows among them, or None.
    """

    values: Any
    modality: str
    labels: NDArray[Any] | None = None
    split: NDArray[np.str_] | None = None
    description: str = ""
    task: str | None = None
    more_labels: dict[str, NDArray[Any]] = field(default_factory=dict)
    groups: NDArray[Any] | None = None
    times: NDArray[Any] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    windows: Windows | None = None
    files: NDArray[Any] | None = None
    form: dict[str, Any] = field(default_factory=dict)
    stream: Any = None
    sampled: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of rows of `values`."""
        return len(self.values)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label, (N,)."""
        if self.labels is None:
            return np.zeros(len(self), dtype=np.bool_)
        return ~np.asarray(pd.isna(self.labels), dtype=np.bool_)

    @property
    def origins(self) -> dict[str, NDArray[Any]]:
        """What says where rows are from, (N,) by name: `Windows.columns` of windows, "file" of images in files.

        Of streamed files "file" and "file_row", the number in it: rows are otherwise counted within the sample.
        """
        if self.windows is not None:
            return self.windows.columns()
        if self.stream is not None:
            return dict(self.stream.places(self.sampled))
        return {} if self.files is None else {"file": self.files}

    def part(self, name: str) -> NDArray[np.int64]:
        """Return the places of the rows of "train" or "test"; without a split all rows are "train"."""
        if self.split is None:
            return np.arange(len(self) if name == "train" else 0)
        return np.flatnonzero(self.split == name)

    def take(self, rows: NDArray[Any] | slice) -> "Data":
        """Return the data of some rows: (M,) places, (N,) booleans, or a slice (of arrays a view)."""
        values = self.values.iloc[rows] if isinstance(self.values, pd.DataFrame) else self.values[rows]
        beside = {name: getattr(self, name) for name in ("labels", "split", "groups", "times", "files")}
        more = {name: x[rows] for name, x in self.more_labels.items()}
        taken: dict[str, Any] = {name: x if x is None else x[rows] for name, x in beside.items()}
        windows = None if self.windows is None else self.windows.take(rows)
        taken |= {"stream": None, "sampled": None}
        return replace(self, values=values, more_labels=more, windows=windows, **taken)
