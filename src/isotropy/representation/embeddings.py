"""The embeddings there are by name, and how one is learnt."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, take, tensors_of
from isotropy.data import Preprocess
from isotropy.errors import UserError, nearest
from isotropy.representation.block import spread_evenly
from isotropy.representation.embedding import embed_together
from isotropy.representation.joined import Joined, check_joined
from isotropy.representation.learned import Embedding, Learned

LEARNT_ROWS, _BYTES = 4096, 1 << 27  # training rows that an embedding is learnt from, and their size
_LEAST_ROWS = 256
EMBEDDINGS: dict[str, type[Embedding]] = {"learned": Learned, "joined": Joined}


def check_embedding(name: str, modality: str) -> None:
    """Refuse a name that is not in `EMBEDDINGS`, and "joined" for data of a kind without free features.

    Example:
        >>> check_embedding("learned", "table")
    """
    if name not in EMBEDDINGS:
        raise UserError(f"embedding = {name!r} is unknown{nearest(str(name), EMBEDDINGS)}")
    if name == Joined.name:
        check_joined(modality)


def learn_embedding(
    name: str,
    encoder: nn.Module,
    preprocess: Preprocess,
    rows: Tensor | Batch,
    train: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
) -> Embedding:
    """Return what a trained encoder gives of a row, learnt on at most 4,096 training rows without labels.

    Args:
        name: "learned": the encoder's vectors; "joined": beside them the free features of the modality, every block
            standardised by column, reduced to at most 256 principal axes, and scaled to the total variance that
            measurements gave it (decision 0022).
        encoder: trained. preprocess: learnt on the training rows.
        rows: as they are stored, (N, ...). train: the numbers of the training rows; by default all.
        seed: of what free features draw.

    Raises:
        UserError: an unknown name, or data of a kind without free features.

    Example:
        >>> from isotropy.data import TablePreprocess
        >>> from isotropy.encoders import TableMLP
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> table = TablePreprocess.learn(x)
        >>> learn_embedding("joined", TableMLP(numeric=3, width=16), table, table.transform(x)).width
        19
    """
    check_embedding(name, preprocess.modality)
    some = learning_rows(rows, train)
    vectors = torch.from_numpy(embed_together(encoder, preprocess, some))
    return EMBEDDINGS[name].learn(vectors, some, preprocess, seed=seed)


def learning_rows(rows: Tensor | Batch, train: NDArray[np.int64] | None = None) -> Tensor | Batch:
    """Return the training rows that an embedding is learnt from: at most 4,096 of `train`, evenly spread."""
    train = np.arange(len(rows)) if train is None else train
    most = min(LEARNT_ROWS, max(_LEAST_ROWS, _BYTES // max(1, sum(x[:1].nbytes for x in tensors_of(rows)))))
    return take(rows, torch.from_numpy(train[spread_evenly(len(train), most).numpy()]))
