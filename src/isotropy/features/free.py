"""What all free features have in common: learnt on training rows without labels, kept as tensors, any rows after."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor, nn

from isotropy.batch import Batch


class FreeFeatures(nn.Module, ABC):
    """Features of rows that need no training of a network.

    What was learnt stands in buffers, so that it is saved as an encoder is. A row's features depend on nothing but the
    row, up to the last bits; `representation.embed_rows` makes these equal too.

    Args:
        learnt: the buffers by name.

    Attributes:
        one_scale: whether its columns share a unit, so that they are not standardised one by one.
        any_batch: whether a row has the same bits in a batch of any size.
        weight: of the features beside an encoder's vectors, whose weight is 1; measured in docs/log.md.
    """

    one_scale: bool = False
    any_batch: bool = False
    weight: float = 1.0

    def __init__(self, learnt: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in learnt.items():
            self.register_buffer(name, tensor)

    @classmethod
    def suits(cls, rows: Any) -> bool:
        """Return whether they join the vectors of such training rows; `rows` as `learn` takes them."""
        return True

    @classmethod
    @abstractmethod
    def learn(cls, rows: Any, *, seed: int = 0) -> Self:
        """Return the features as training rows make them: `rows` as the modality's `free_input` gives them."""

    @abstractmethod
    def forward(self, rows: Tensor | Batch) -> Tensor:
        """Return the features (B, F) float32 of rows."""
