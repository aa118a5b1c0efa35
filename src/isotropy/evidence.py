"""A trained representation and what it has to beat, on the same labelled rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.evaluation import baselines, compare
from isotropy.representation import Representation

Rows = NDArray[np.int64]
# Bytes of stored rows that are taken out of a file's map at once.
PIECE_BYTES = 1 << 26


def evidence(
    trained: Representation,
    untrained: nn.Module,
    rows: Tensor,
    labels: NDArray[Any],
    train: Rows,
    test: Rows,
    *,
    label: str,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return the scores of the trained encoder beside its baselines; see `evaluation.compare.evidence`.

    Args:
        trained: the representation; knows its preprocessing.
        untrained: the same encoder as it was before training.
        rows: all rows as they are stored (N, ...).
        labels: (N,), missing ones NaN or None.
        train: the rows that probes learn from. test: the rows that they are scored on.
        label: what the label is called.
        progress: called with the name of each representation before it is probed.

    Raises:
        UserError: labels that cannot be probed (one class), named.
    """
    # Features are made for the probed rows alone: those of large images would not fit otherwise.
    kept = compare.chosen_rows(labels[train], labels[test])
    train, test = train[kept[0]], test[kept[1]]
    preprocess = trained.preprocess
    initial = Representation(untrained, preprocess, method=trained.method)

    def both(vectors: Callable[[Tensor], NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return in_pieces(vectors, rows, train), in_pieces(vectors, rows, test)

    raw = both(preprocess.features)
    pairs = {
        trained.title: both(trained.embed_stored),
        **baselines.collect(
            *raw,
            width=trained.width,
            untrained=both(initial.embed_stored),
            series=both(Tensor.numpy) if preprocess.modality == "series" else None,
        ),
    }
    return compare.evidence(pairs, labels[train], labels[test], ours=trained.title, label=label, progress=progress)


def in_pieces(vectors: Callable[[Tensor], NDArray[np.float32]], rows: Tensor, places: Rows) -> NDArray[np.float32]:
    """Return `vectors` of the rows `places`, (M, ...), of which only a bounded piece is taken at a time.

    Args:
        vectors: gives one vector per row, whatever the other rows are.
        rows: (N, ...) as they are stored; may be a file's map.
        places: (M,), at least one.
    """
    stored = rows.numpy()
    step = max(1, PIECE_BYTES // max(1, stored[:1].nbytes))
    out: NDArray[np.float32] | None = None
    for start in range(0, len(places), step):
        piece = vectors(torch.from_numpy(stored.take(places[start : start + step], axis=0)))
        if out is None:
            out = np.empty((len(places), *piece.shape[1:]), dtype=np.float32)
        out[start : start + len(piece)] = piece
    assert out is not None, "the parts of a probe have rows"
    return out
