"""What every encoder offers."""

from typing import Any

import torch
from torch import Tensor, nn

from isotropy.errors import UserError


class Encoder(nn.Module):
    """A network that turns a batch of inputs into vectors (B, width); the encoders stand directly under it.

    Attributes:
        modality: what it takes: the name of a modality, or "any".
        convolutional: it has convolutions or attention, which gain from bf16 and (4-D weights) channels-last.
        fast_in_bf16: it was measured to gain from bf16 on a CPU although it has none of these.
        any_length: it takes series of another length than those that it was trained on.
        width: length of an output vector.
        frame_width: length of a feature vector of one stretch of time, for encoders that have such: they offer
            `frames`, which gives (B, frame_width, steps), and `forward` pools or flattens that.
        arguments: the keyword arguments that it was made with; `type(encoder)(**encoder.arguments)` makes
            one of the same architecture. JSON-able.
    """

    modality: str = "any"
    convolutional: bool = False
    fast_in_bf16: bool = False
    any_length: bool = False
    width: int
    frame_width: int | None = None
    arguments: dict[str, Any]

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps): the features along time that `forward` makes its vector of.

        Raises:
            UserError: the encoder has none.
        """
        raise UserError(f"the encoder {type(self).__name__} has no features along time: its frame_width is None")


def to_channels_last(module: nn.Module) -> None:
    """Lay the weights of two-dimensional convolutions out channels-last, in place: the faster layout on CPUs.

    Unlike `module.to(memory_format=...)` it leaves tensors with five dimensions alone instead of failing.
    """
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
