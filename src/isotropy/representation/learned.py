"""What an artefact gives of a row, and the simplest of it: the encoder's vector as it is."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isotropy.batch import Batch
from isotropy.data import Preprocess
from isotropy.errors import UserError
from isotropy.representation.block import Block, moments
from isotropy.representation.embedding import embed_rows


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
        made, (mean, scale) = copy.deepcopy(self), moments(self.vector_block()(vectors))
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
        self.mean, self.scale = moments(z)
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
