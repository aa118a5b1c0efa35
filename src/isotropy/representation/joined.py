"""The encoder's vectors joined with the free features of the modality."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, batched
from isotropy.data import Preprocess
from isotropy.encoders import Wrapped
from isotropy.errors import UserError
from isotropy.features import FEATURES
from isotropy.features.free import FreeFeatures
from isotropy.modalities import MODALITIES
from isotropy.representation.block import Block
from isotropy.representation.embedding import embed_rows, evaluating
from isotropy.representation.learned import Embedding
from isotropy.threads import side_by_side

_FREE_ROWS = 1024  # of which free features are made at once: random convolutions of 64 take three times as long a row


class Joined(Embedding):
    """The encoder's vectors beside free features of the row, each a `Block`; its total variance is its weight squared.

    Args:
        features: free features by their name in `FEATURES`.
        blocks: of the encoder's vectors, then of each of the features.
        mean, scale: as of `Embedding`.
    """

    name = "joined"

    def __init__(
        self, features: Mapping[str, nn.Module], blocks: Sequence[Block],
        mean: Tensor | None = None, scale: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sum(block.width for block in blocks), mean, scale)
        self.features = nn.ModuleDict(features)
        self.blocks = nn.ModuleList(blocks)

    @classmethod
    def learn(cls, vectors: Tensor, rows: Tensor | Batch, preprocess: Preprocess, *, seed: int = 0) -> "Embedding":
        """Learn free features and blocks; raises UserError for data of a kind that names no free features."""
        modality = MODALITIES[preprocess.modality]
        check_joined(preprocess.modality)
        given = modality.free_input(preprocess, rows)
        suited = [name for name in modality.free if FEATURES[name].suits(given)]
        features = {name: FEATURES[name].learn(given, seed=seed) for name in suited}
        parts = [vectors, *(each(given) for each in features.values())]
        blocks = [Block.learn(vectors)] + [
            Block.learn(part, weight=each.weight, one_scale=each.one_scale)
            for each, part in zip(features.values(), parts[1:], strict=True)
        ]
        made = cls(features, blocks)
        return made.with_statistics(made.joined(parts))

    @property
    def parts(self) -> dict[str, slice]:
        """The columns of the encoder's block and of each of the features'."""
        ends = list(accumulate((cast(Block, block).width for block in self.blocks), initial=0))
        return {name: slice(*some) for name, some in zip(["encoder", *self.features], zip(ends, ends[1:]), strict=True)}

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the embeddings (B, width) of the encoder's vectors and of the features."""
        return torch.cat([block(part) for block, part in zip(self.blocks, parts, strict=True)], dim=1)

    def for_vectors(self, vectors: Tensor) -> "Embedding":
        """Return the other encoder's vectors joined with the same free features."""
        return Joined(dict(self.features.items()), [Block.learn(vectors), *self.blocks[1:]])

    def vector_block(self) -> Block:
        """Return the first block."""
        block = self.blocks[0]
        assert isinstance(block, Block)
        return block

    def network(self, encoder: nn.Module, preprocess: Preprocess) -> tuple[nn.Module, Callable[[Any], Any]]:
        """Return a network that reads stored rows."""
        return _Whole(encoder, self, preprocess), _as_they_are

    def embed(
        self, encoder: nn.Module, preprocess: Preprocess, rows: Tensor | Batch, chunk: int
    ) -> NDArray[np.float32]:
        """Return the embeddings (N, width) of stored rows; features whose bits allow it are made of many at once.

        Of many rows, pieces of them and of the encoder's vectors are made side by side.
        """
        if chunk == 1 or not all(isinstance(each, FreeFeatures) and each.any_batch for each in self.features.values()):
            return super().embed(encoder, preprocess, rows, chunk)
        out = np.empty((len(rows), self.width), dtype=np.float32)
        first, *others = self.parts.values()

        @torch.no_grad()
        def encoded(some: slice) -> None:
            vectors = embed_rows(encoder, preprocess.to_input, rows[some], chunk)
            out[some, first] = self.blocks[0](torch.from_numpy(vectors)).numpy(force=True)

        @torch.no_grad()
        def described(some: slice) -> None:
            given = MODALITIES[preprocess.modality].free_input(preprocess, rows[some])
            for place, block, feature in zip(others, self.blocks[1:], self.features.values(), strict=True):
                out[some, place] = block(feature(given)).numpy(force=True)

        pieces = list(batched(len(rows), rows=max(_FREE_ROWS // chunk, 1) * chunk))
        # A network of the user's may keep something from one batch to the next: its pieces follow each other.
        encoding = [pieces] if isinstance(encoder, Wrapped) else [[some] for some in pieces]
        jobs = [(encoded, several) for several in encoding] + [(described, [some]) for some in pieces]

        def done(job: tuple[Callable[[slice], None], list[slice]]) -> None:
            for some in job[1]:
                job[0](some)

        if len(pieces) > 1:
            with evaluating(encoder, next(encoder.parameters(), rows).device):
                side_by_side(done, jobs)
        else:  # of few rows, to begin threads costs more than it saves
            for job in jobs:
                done(job)
        return out

    def with_vectors(self, z: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return embeddings with the block of other vectors in the place of the first."""
        block = self.blocks[0]
        own: Tensor = block(torch.from_numpy(vectors))
        theirs = z.shape[1] - (self.width - own.shape[1])
        return np.concatenate([own.numpy(force=True), z[:, theirs:]], axis=1)

    def spec(self) -> dict[str, Any]:
        """Return the names of the features too."""
        return super().spec() | {"features": list(self.features)}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Embedding":
        """Return the embedding that `spec` and `state_dict` gave."""
        features = {name: FEATURES[name](_under(tensors, f"features.{name}.")) for name in spec["features"]}
        blocks = [Block(**_under(tensors, f"blocks.{place}.")) for place in range(1 + len(features))]
        return cls(features, blocks, tensors["mean"], tensors["scale"])


def check_joined(modality: str) -> None:
    """Refuse data of a kind without free features."""
    if not MODALITIES[modality].free:
        raise UserError(f"embedding = 'joined': {modality} data has no free features to join: take 'learned'")


class _Whole(nn.Module):
    """From stored rows to joined embeddings."""

    def __init__(self, encoder: nn.Module, embedding: Joined, preprocess: Preprocess) -> None:
        super().__init__()
        self.encoder, self.embedding = encoder, embedding
        self._preprocess = preprocess

    def forward(self, rows: Tensor | Batch) -> Tensor:
        vectors = self.encoder(self._preprocess.to_input(rows))
        given = MODALITIES[self._preprocess.modality].free_input(self._preprocess, rows)
        return self.embedding.joined([vectors, *(each(given) for each in self.embedding.features.values())])


# No lambda: estimators that hold it are pickled.
def _as_they_are(rows: Tensor | Batch) -> Tensor | Batch:
    return rows


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
