"""An encoder for arrays of any shape."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from isotropy.encoders.encoder import Encoder
from isotropy.nn.mlp import mlp
from isotropy.validation import at_least


class ArrayMLP(Encoder):
    """A perceptron of `depth` linear layers, `hidden` wide inside, with ReLU between them, on the flattened row.

    It knows nothing of the array's axes: where they mean something, a network of one's own (`wrap`) does better.

    Args:
        sizes: the shape of a row.

    Example:
        >>> import torch
        >>> ArrayMLP(sizes=[2, 4, 4, 4])(torch.zeros(8, 2, 4, 4, 4)).shape
        torch.Size([8, 256])
    """

    modality = "array"
    fast_in_bf16 = True

    def __init__(self, *, sizes: Sequence[int], width: int = 256, hidden: int = 256, depth: int = 4) -> None:
        super().__init__(sizes=list(sizes), width=width, hidden=hidden, depth=depth)
        at_least(1, width=width, hidden=hidden, depth=depth)
        self.width = width
        self.layers = nn.Sequential(nn.Flatten(), mlp((prod(sizes), *[hidden] * (depth - 1), width), norm=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width) for rows (B, ...)."""
        return self.layers(x)
