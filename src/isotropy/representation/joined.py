"""What the user gets of an encoder: its vectors as they are, or joined with the free features of the modality."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch, batched, take, tensors_of
from isotropy.data import Preprocess
from isotropy.encoders import Wrapped
from isotropy.errors import UserError, nearest
from isotropy.features import FEATURES
from isotropy.features.free import FreeFeatures
from isotropy.modalities import MODALITIES
from isotropy.representation.embedding import embed_rows, evaluating
from isotropy.threads import side_by_side

WIDEST = 256  # columns of a block
LEARNT_ROWS, _BYTES = 4096, 1 << 27  # training rows that an embedding is learnt from, and their size
_AXIS_ROWS = 2048  # of which principal axes are found
_LEAST_ROWS = 256
_FREE_ROWS = 1024  # of which free features are made at once: random convolutions of 64 take three times as long a row


class Embedding(nn.Module, ABC):
    """What an artefact gives of a row, given the encoder's vector and the row; learnt without labels.

    Attributes:
        name: in `EMBEDDINGS`. width: length of an embedding.
        mean, scale: that standardise its columns by the training rows, (width,); None where they are not known.
    """

    name: ClassVar[str]
    width: int
    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, width: int, mean: Tensor | None = None, scale: Tensor | None = None) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    @classmethod
    @abstractmethod
    def learn(cls, vectors: Tensor, rows: Tensor | Batch, preprocess: Preprocess, *, seed: int = 0) -> "Embedding":
        """Return the embedding for the encoder's vectors (n, D) of stored training rows."""

    @abstractmethod
    def for_vectors(self, vectors: Tensor) -> "Embedding":
        """Return the same for another encoder, given its vectors (n, D) of training rows."""

    @abstractmethod
    def vector_block(self) -> "Block":
        """Return what makes the first columns of the encoder's vectors; on these the other columns do not depend."""

    @property
    def parts(self) -> dict[str, slice]:
        """The columns of each kind by name, the encoder's first; {} where all are of one kind."""
        return {}

    def moved(self, vectors: Tensor) -> "Embedding":
        """Return the same for the encoder trained further, whose vectors (n, D) of training rows are these now."""
        made, (mean, scale) = copy.deepcopy(self), _moments(self.vector_block()(vectors))
        if len(mean) == self.width:
            made.mean, made.scale = mean, scale
        elif self.mean is not None and self.scale is not None:
            made.mean = torch.cat([mean, self.mean[len(mean) :]])
            made.scale = torch.cat([scale, self.scale[len(mean) :]])
        return made

    @abstractmethod
    def network(self, encoder: nn.Module, preprocess: Preprocess) -> tuple[nn.Module, Callable[[Any], Any]]:
        """Return what `embed_rows` takes: a network, and what makes its input of stored rows."""

    def embed(
        self, encoder: nn.Module, preprocess: Preprocess, rows: Tensor | Batch, chunk: int
    ) -> NDArray[np.float32]:
        """Return the embeddings (N, width) of stored rows, of which `chunk` go through the encoder at once."""
        return embed_rows(*self.network(encoder, preprocess), rows, chunk)

    def with_vectors(self, z: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return z (N, width), as another encoder's embeddings have them, with this encoder's vectors."""
        return vectors

    def with_statistics(self, z: Tensor) -> Self:
        """Return itself, knowing the mean and the deviation of its columns in training rows (n, width)."""
        self.mean, self.scale = _moments(z)
        return self

    def standardised(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return embeddings with mean 0 and deviation 1 in the training rows; columns constant there are 0.

        Raises: UserError where nothing is known of the training rows.
        """
        if self.mean is None or self.scale is None:
            raise UserError(
                "standardise: this artefact does not know its training rows (it was made by hand or by an older "
                "isotropy): train it again, or leave standardise out"
            )
        out: NDArray[np.float32] = (z - self.mean.numpy(force=True)) * self.scale.numpy(force=True)
        return out

    def spec(self) -> dict[str, Any]:
        """Return what `from_spec` needs beside the tensors, as JSON values."""
        return {"name": self.name, "width": self.width}

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Embedding":
        """Return the embedding that `spec` and `state_dict` gave."""
        return cls(int(spec["width"]), tensors.get("mean"), tensors.get("scale"))


class Learned(Embedding):
    """The encoder's vectors as they are."""

    name = "learned"

    @classmethod
    def learn(cls, vectors: Tensor, rows: Tensor | Batch, preprocess: Preprocess, *, seed: int = 0) -> "Embedding":
        """Learn the statistics alone."""
        return cls(vectors.shape[1]).with_statistics(vectors)

    def for_vectors(self, vectors: Tensor) -> "Embedding":
        """Return the other encoder's vectors as they are."""
        return Learned(vectors.shape[1])

    def vector_block(self) -> "Block":
        """Return what leaves them as they are."""
        return Block(torch.zeros(self.width), torch.ones(self.width))

    def network(self, encoder: nn.Module, preprocess: Preprocess) -> tuple[nn.Module, Callable[[Any], Any]]:
        """Return the encoder alone."""
        return encoder, preprocess.to_input


class Block(nn.Module):
    """Columns standardised, rotated to at most 256 principal axes where they are more, of one total variance.

    Args:
        mean: (F,) of the training rows. axes: (F, K), or (F,) where columns are scaled only.

    Example:
        >>> x = torch.randn(50, 3) * torch.tensor([9.0, 1.0, 0.0])
        >>> float(Block.learn(x)(x).var(0, correction=0).sum().round(decimals=4))
        1.0
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, mean: Tensor, axes: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)

    @property
    def width(self) -> int:
        """How many columns come out."""
        return self.axes.shape[-1]

    @classmethod
    def learn(cls, x: Tensor, *, weight: float = 1.0, one_scale: bool = False) -> Self:
        """Learn on features (n, F) of training rows.

        Args:
            x: the features. weight: the square root of the total variance that comes out.
            one_scale: whether columns are left as they are beside each other, not standardised.
        """
        mean, scale = _moments(x)
        if one_scale:
            scale = (scale > 0).float()
        z = (x - mean) * scale
        axes = scale
        if z.shape[1] > WIDEST:
            axes = _principal(z[_spread(len(z), _AXIS_ROWS)])
            z, axes = z @ axes, scale[:, None] * axes
        return cls(mean, axes * (weight / z.var(0, correction=0).sum().clamp(min=1e-12).sqrt()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block (B, K) of features (B, F)."""
        x = x.to(self.mean.device) - self.mean
        # In float64: sums that threads and processors add up in other orders then round to the same float32.
        return x * self.axes if self.axes.ndim == 1 else (x.double() @ self.axes.double()).float()


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
        check_embedding(cls.name, preprocess.modality)
        given = modality.free_input(preprocess, rows)
        features = {name: FEATURES[name].learn(given, seed=seed) for name in modality.free}
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


EMBEDDINGS: dict[str, type[Embedding]] = {"learned": Learned, "joined": Joined}


def check_embedding(name: str, modality: str) -> None:
    """Refuse a name that is not in `EMBEDDINGS`, and "joined" for data of a kind without free features.

    Example:
        >>> check_embedding("learned", "table")
    """
    if name not in EMBEDDINGS:
        raise UserError(f"embedding = {name!r} is unknown{nearest(str(name), EMBEDDINGS)}")
    if name == Joined.name and not MODALITIES[modality].free:
        raise UserError(f"embedding = 'joined': {modality} data has no free features to join: take 'learned'")


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
    vectors = torch.from_numpy(embed_rows(encoder, preprocess.to_input, some))
    return EMBEDDINGS[name].learn(vectors, some, preprocess, seed=seed)


def learning_rows(rows: Tensor | Batch, train: NDArray[np.int64] | None = None) -> Tensor | Batch:
    """Return the training rows that an embedding is learnt from: at most 4,096 of `train`, evenly spread."""
    train = np.arange(len(rows)) if train is None else train
    most = min(LEARNT_ROWS, max(_LEAST_ROWS, _BYTES // max(1, sum(x[:1].nbytes for x in tensors_of(rows)))))
    return take(rows, torch.from_numpy(train[_spread(len(train), most).numpy()]))


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and one over the deviation of each column (0 where it is constant)."""
    y = x.double()
    mean, spread = y.mean(0), y.std(0, correction=0)
    scale = torch.where(spread > 1e-6 * (1e-6 + mean.abs()), 1 / spread.clamp(min=1e-30), 0.0)
    return mean.float(), scale.float()


def _principal(z: Tensor) -> Tensor:
    """Return at most 256 principal axes (F, K) of centred rows (n, F), the leading ones."""
    narrow = len(z) < z.shape[1]
    values, vectors = torch.linalg.eigh(z @ z.T if narrow else z.T @ z)
    kept = torch.argsort(values, descending=True)[:WIDEST]
    kept = kept[values[kept] > 1e-6 * values.max()]
    return z.T @ (vectors[:, kept] / values[kept].sqrt()) if narrow else vectors[:, kept]


def _spread(count: int, most: int) -> Tensor:
    """Return at most `most` row numbers, evenly spread."""
    return torch.from_numpy(np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)))
