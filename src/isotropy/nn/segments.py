"""A head whose output is segments of logits (MUSIC)."""

from typing import Any

from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.nn.mlp import Widths, mlp


class SegmentHead(nn.Module):
    """An MLP whose output is S segments of B logits, each a soft clustering whose largest unit is the code.

    Args:
        widths: of the input, hidden layers and output, S B; the last layer has no bias.
        num_segments: S; where it does not divide the output's width, that is a UserError.

    Example:
        >>> head = SegmentHead((8, 16, 12), num_segments=3)
        >>> head.units
        4
    """

    def __init__(self, widths: Widths, *, num_segments: int) -> None:
        super().__init__()
        if num_segments < 1 or widths[-1] % num_segments:
            raise UserError(
                f"{num_segments} segments do not divide an output of {widths[-1]}: {widths[-1]} = segments x units"
            )
        self.layers = mlp(widths, bias_last=False)
        self.widths = tuple(widths)
        self.num_segments = num_segments

    @property
    def units(self) -> int:
        """B, how many codes a segment has."""
        return self.widths[-1] // self.num_segments

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (N, S B) for features (N, widths[0])."""
        return self.layers(features)

    def codes(self, logits: Tensor) -> Tensor:
        """Return the likeliest unit of every segment, (N, S) int64 in [0, B), of logits (N, S B)."""
        return logits.view(len(logits), self.num_segments, -1).argmax(dim=2)

    def spec(self) -> dict[str, Any]:
        """Return the constructor's arguments, JSON-able."""
        return {"widths": list(self.widths), "num_segments": self.num_segments}
