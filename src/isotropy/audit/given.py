"""What an audit works on: embeddings, and beside them what is known of the rows themselves."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from isotropy.audit.pictures import flattened, reduced, stretched, thumbnails
from isotropy.batch import Batch, batched, filled, lengths
from isotropy.data import Data, TablePreprocess
from isotropy.data.target_columns import as_labels
from isotropy.errors import UserError
from isotropy.evaluation import leaks
from isotropy.evaluation.task import Task, checked_task
from isotropy.evaluation.windows import Overlaps, overlaps
from isotropy.modalities import MODALITIES
from isotropy.representation import Representation

FEWEST = 12  # rows: with fewer there is no bulk to be unlike


@dataclass(frozen=True)
class Raw:
    """What is known of the rows as they are stored.

    Attributes:
        first: (N,) the number of the first row that equals each, bit for bit.
        variation: (N,) deviation of the values in an image or a series, or the fraction of a table's cells that are
            there; 0 is a blank or constant row. empty: (N,) rows without a value, and series that are stored as
            those are.
        pictures: rows that can be laid on each other, (N, C, h, w), or None. ends: (N,) what part of the width of each
            is there, where series differ in length, or None. thumbnails: these as distances see them, (N, F), or None.
        columns: of a table (N, C), NaN where missing, or None. codes: (C,) which of these are categories.
        names: what these are called, (C,).
        features: columns of a table as distances see them, (N, F), or None.
        blocks: (N,) rows of one block overlap in time and are no copies of each other, or None.
    """

    first: NDArray[np.int64]
    variation: NDArray[np.float64]
    empty: NDArray[np.bool_]
    pictures: Tensor | None = None
    ends: Tensor | None = None
    thumbnails: NDArray[np.float32] | None = None
    columns: NDArray[np.float32] | None = None
    codes: NDArray[np.bool_] | None = None
    features: NDArray[np.float32] | None = None
    blocks: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """What an audit works on.

    Attributes:
        vectors: (N, D), finite. raw: the rows, or None where they are not at hand.
        labels: (N,), missing ones as None or NaN, or None. task: of these. name: of these.
        part: (N,) "train", "test" or "unused", or None. groups: (N,) or None. group_name: what they are called.
        notes: what a reader has to know, one line each.
    """

    vectors: NDArray[np.float32]
    raw: Raw | None = None
    labels: NDArray[Any] | None = None
    task: Task | None = None
    name: str = "label"
    part: NDArray[np.str_] | None = None
    groups: NDArray[Any] | None = None
    group_name: str = "group"
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        x = self.vectors
        if x.ndim != 2:
            raise UserError(f"an audit needs embeddings (rows, width), and has shape {x.shape}")
        if len(x) < FEWEST:
            raise UserError(f"an audit needs {FEWEST} rows or more, and has {len(x)}")
        bad = ~np.isfinite(x).all(axis=1)
        if bad.any():
            raise UserError(f"embeddings: row {int(bad.argmax())} holds NaN or infinite values")
        for what, beside in (("label " + self.name, self.labels), ("part", self.part), (self.group_name, self.groups)):
            if beside is not None and len(beside) != len(x):
                raise UserError(f"{what}: {len(beside):,} values for {len(x):,} rows: give one for each row")


def given(
    representation: Representation, data: Any, *, labels: ArrayLike | None = None, part: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Given:  # fmt: skip
    """Return what an audit of data works on, embedded here; see `audit`."""
    read = data if isinstance(data, Data) else None
    rows = representation.stored(data)
    vectors = representation.embed_stored(rows)
    if read is not None:
        labels = read.labels if labels is None else labels
        part = read.split if part is None else part
        groups = read.groups if groups is None else groups
    found = None if labels is None else label_column(labels)
    return Given(
        vectors, raw_of(representation, rows, read), found, task_of_all(found, len(vectors)),
        part=None if part is None else np.asarray(part).astype(str),
        groups=None if groups is None else np.asarray(groups),
    )  # fmt: skip


def task_of_all(labels: NDArray[Any] | None, count: int, task: Task | None = None, name: str = "label") -> Task | None:
    """Return the task of the labels of `count` rows; None without them, and where `Given` refuses their number.

    An identifier is a task, too: its labels are not audited, and everything else is.
    """
    return None if labels is None or len(labels) != count else checked_task(labels, task, name)


def label_column(values: ArrayLike, what: str = "labels") -> NDArray[Any]:
    """Return labels as an array (N,), as they are when data are read; UserError, naming `what`, for another shape."""
    found = values if isinstance(values, pd.Series | list | tuple) else np.asarray(values)
    shape = np.shape(found) if isinstance(found, np.ndarray) else (len(found),)
    if len(shape) != 1 and not (len(shape) == 2 and shape[1] == 1):
        raise UserError(f"{what} of shape {shape}: give one for each row")
    return as_labels(found, len(found))


def raw_of(representation: Representation, rows: Tensor | Batch, data: Data | None = None) -> Raw:
    """Return what is known of stored rows; `data` are these as they were read."""
    preprocess, modality = representation.preprocess, MODALITIES[representation.modality]
    first = _first(leaks.digests(rows, np.arange(len(rows))))
    if modality.as_columns is not None:
        columns, codes = modality.as_columns(preprocess, rows)
        there = np.isfinite(columns).any(axis=0)
        known = preprocess.names() if isinstance(preprocess, TablePreprocess) else range(1, len(codes) + 1)
        names = tuple(f"column {name}" for name, some in zip(known, there, strict=True) if some)
        columns, codes = columns[:, there], codes[there]
        present = np.isfinite(columns).mean(axis=1) if columns.shape[1] else np.ones(len(columns))
        features = preprocess.features(rows)
        return Raw(first, present, present == 0, columns=columns, codes=codes, names=names, features=features)
    variation = np.concatenate([_variation(rows[piece]) for piece in batched(len(rows), rows=4096)])
    empty = np.concatenate([_empty(rows[piece]) for piece in batched(len(rows), rows=4096)])
    empty &= representation.modality == "series"
    values, ends = _held(rows)
    blocks = _blocks(data)
    if values.ndim not in (3, 4) or representation.modality not in ("series", "image"):
        return Raw(first, variation, empty, blocks=blocks)
    pictures = reduced(values)
    small = thumbnails(values) if ends is None else flattened(stretched(pictures, ends))
    return Raw(first, variation, empty, pictures=pictures, ends=ends, thumbnails=small, blocks=blocks)


def _first(digests: list[int]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(np.asarray(digests, dtype=np.int64), return_index=True, return_inverse=True)
    found: NDArray[np.int64] = first[inverse].astype(np.int64)
    return found


def _held(rows: Tensor | Batch) -> tuple[Tensor, Tensor | None]:
    """Return the values, in a series' gaps its mean and behind its end the last; and what part of the length it has.

    The mean lets a copy at another level fit. The second, (N,), is None where all are equally long.
    """
    if not isinstance(rows, Batch) or rows.mask is None:
        return filled(rows), None
    there = rows.mask.to(rows.values.dtype)
    mean = (filled(rows) * there).sum(-1, keepdim=True) / there.sum(-1, keepdim=True).clamp(min=1)
    values, steps, ends = torch.where(rows.mask, rows.values, mean), rows.mask.shape[-1], lengths(rows.mask)
    if bool((ends == steps).all()):
        return values, None
    at = torch.minimum(torch.arange(steps), (ends[:, None] - 1).clamp(min=0))
    return values.gather(-1, at[:, None].expand_as(values)), ends / steps


def _variation(rows: Tensor | Batch) -> NDArray[np.float64]:
    """Return the deviation (N,) of the values that are there within a channel, the mean over channels."""
    values = filled(rows).double()
    axes = (-1,) if values.ndim == 3 else tuple(range(2, values.ndim)) if values.ndim > 2 else (1,)
    if not isinstance(rows, Batch) or rows.mask is None:
        return torch.std(values, axes, correction=0, keepdim=True).flatten(1).mean(1).numpy()
    there = rows.mask.double()
    count = there.sum(axes, keepdim=True).clamp(min=1)
    mean = (values * there).sum(axes, keepdim=True) / count
    spread = (((values - mean) * there).square().sum(axes, keepdim=True) / count).sqrt()
    return spread.flatten(1).mean(1).numpy()


def _empty(rows: Tensor | Batch) -> NDArray[np.bool_]:
    """Return which series (N,) are stored as those without a value are: at their channels' means, which are 0."""
    found: NDArray[np.bool_] = ~filled(rows).flatten(1).any(1).numpy()
    return found


def _blocks(data: Data | None) -> NDArray[np.int64] | None:
    """Return blocks of windows that overlap one after another, where rows are such windows."""
    if data is None:
        return None
    found = None
    if data.windows is not None and data.windows.overlap:
        found = Overlaps.of_file(data.windows.linked, 1)
    elif data.windows is None and data.modality == "series" and isinstance(data.values, np.ndarray):
        found = overlaps(data.values)
    return found.blocks(most=1.0) if found is not None and found.linked.any() else None
