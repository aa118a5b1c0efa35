"""A trained representation and what it has to beat, on the same labelled rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.evaluation import baselines, compare
from isotropy.representation import Representation

Rows = NDArray[np.int64]


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
    learn, score = rows[train], rows[test]
    preprocess = trained.preprocess
    initial = Representation(untrained, preprocess, method=trained.method)
    pairs = {
        trained.title: (trained.embed_stored(learn), trained.embed_stored(score)),
        **baselines.collect(
            preprocess.features(learn),
            preprocess.features(score),
            width=trained.width,
            untrained=(initial.embed_stored(learn), initial.embed_stored(score)),
            series=(learn.numpy(), score.numpy()) if preprocess.modality == "series" else None,
        ),
    }
    return compare.evidence(pairs, labels[train], labels[test], ours=trained.title, label=label, progress=progress)
