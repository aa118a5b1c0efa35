"""embeddings.parquet as a run writes it: every row's embedding, and what stands beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.evaluation.task import class_name
from isotropy.representation import Representation
from isotropy.runs import columns
from isotropy.runs.columns import Column
from isotropy.runs.division import Label
from isotropy.runs.prepare import Prepared

# Rows that are embedded and written at once: what bounds the memory of the export.
_PIECE = 16384
# Rows after which it is told how many are done: large images take seconds for so many.
_TOLD = 1024


def embedded(
    made: Representation, rows: Any, progress: Callable[[str], None]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield pieces of stored rows with their embeddings; `progress` hears all the while how many rows are done."""
    for piece in batched(len(rows), rows=_PIECE):
        found = np.empty((piece.stop - piece.start, made.width), dtype=np.float32)
        for part in batched(len(found), rows=_TOLD):
            progress(f"embedding: {piece.start + part.start:,} of {len(rows):,} rows")
            found[part] = made.embed_stored(rows[piece.start + part.start : piece.start + part.stop])
        yield piece, found


def write_embeddings(
    path: Path,
    prepared: Prepared,
    made: Representation,
    vectors: NDArray[np.float32] | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> None:
    """Write what stands beside the vectors, each column with its role (`columns`), and z0, z1, ...

    Args:
        path: of the file. prepared, made: the run's data and its encoder.
        vectors: the embeddings of all rows, (N, width), where they are made already. progress: as of `embedded`.

    Raises:
        OSError: the disk does not take it.
    """
    with columns.writing_embeddings(path, _beside(prepared), made.names) as writer:
        if vectors is None:
            for _, found in embedded(made, prepared.rows, progress):
                writer.write(found)
        else:
            for piece in batched(len(vectors), rows=_PIECE):
                writer.write(vectors[piece])


def _beside(prepared: Prepared) -> dict[str, Column]:
    """Return the part of each row (or "unused"), its labels, if any, its number, groups and the user's columns.

    The first label is called "label", the others by their names. Windows of recordings have their file, group, start,
    end and the fraction of their steps with each label, images in files their file.
    """
    rows = len(prepared.rows)
    part = np.full(rows, "unused", dtype="<U6")
    part[prepared.train], part[prepared.test] = "train", "test"
    beside = {"part": Column(part, columns.PART)}
    for place, one in enumerate(prepared.division.labels):
        name = columns.free_name(one.name, columns.LABEL, beside) if place else "label"
        beside[name] = Column(_kept(one), columns.LABEL, one.name)
    for name, values in prepared.data.origins.items():
        free = columns.free_name(name, columns.WINDOW, beside)
        beside[free] = Column(values, columns.WINDOW, name)
    beside["row"] = Column(np.arange(rows), columns.ROW)
    return beside | columns.kept_columns(prepared.data, beside)


def _kept(label: Label) -> Any:
    """Return numbers as float64, and names of classes as texts, missing ones as such; several of a row are one text."""
    if label.task == "numbers":
        return label.values.astype(np.float64)
    names: Any = label.values
    if names.dtype.kind == "f" and (names == np.rint(names))[~np.isnan(names)].all():
        # Whole numbers some of which are missing.
        names = [None if np.isnan(one) else class_name(one) for one in names]
    return pd.Series([";".join(one) if isinstance(one, tuple) else one for one in names]).astype("string")
