"""Any module of the user as an encoder."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from isotropy.batch import Batch, map_rows, unwrap
from isotropy.encoders.encoder import Encoder
from isotropy.errors import UserError
from isotropy.validation import at_least

_CONVOLUTIONAL = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)


class Wrapped(Encoder):
    """A user's module as an encoder; made by `wrap`."""

    def __init__(self, module: nn.Module, width: int) -> None:
        super().__init__()
        self.arguments = {}
        self.module = module
        self.width = width
        self.frame_width = getattr(module, "frame_width", None)
        self.convolutional = any(isinstance(part, _CONVOLUTIONAL) for part in module.modules())

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps): what the module's own `frames` gives, if it has that and a `frame_width`."""
        if self.frame_width is None:
            return super().frames(x)
        return cast(Encoder, self.module).frames(x)

    def forward(self, x: Tensor | Batch) -> Tensor:
        """Return (B, width): the module's output, flattened."""
        output = flat(self.module(x), len(x))
        if output.shape[1] != self.width:
            raise UserError(
                f"the wrapped network was said to have width {self.width} but gives {output.shape[1]} numbers for "
                f"input of shape {tuple(x.shape)}; pool over what varies, or wrap it with the right example"
            )
        return output


def wrap(module: nn.Module, width: int | None = None, example: Tensor | Batch | None = None) -> Encoder:
    """Return an encoder around `module`, so that any method can train it.

    The output is the module's tensor (of a tuple or list, as recurrent modules give, the first), flattened to
    (B, width) where it has more dimensions. Nothing is pooled: a module whose output grows with the input must
    pool itself. The module is not copied and keeps its mode.

    Args:
        module: takes a batch, gives one output per row.
        width: length of a flattened output; measured on `example` where it is not given.
        example: a batch of inputs (b, ...), two or more rows that differ are best: it is then checked too that
            a row's output does not depend on the other rows in eval mode.

    Raises:
        UserError: with neither width nor example, or where the output has not one row per input.

    Example:
        >>> wrap(nn.GRU(3, 5, batch_first=True), example=torch.randn(2, 7, 3)).width
        35
    """
    if isinstance(module, Encoder):
        return module
    if example is None:
        if width is None:
            raise UserError("wrap needs the width of the network's output, or an example batch to measure it")
        at_least(1, width=width)
        return Wrapped(module, width)
    measured = _measure(module, example)
    if width is not None and width != measured:
        raise UserError(f"the network's output has width {measured} for the example, not {width}")
    return Wrapped(module, measured)


def flat(output: Any, rows: int) -> Tensor:
    """Return a module's output as (rows, width), or raise a UserError that says why it cannot be one."""
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise UserError(f"a wrapped network must return a tensor, or a tuple that begins with one, not {type(output)}")
    if output.dim() == 0 or len(output) != rows:
        raise UserError(f"a wrapped network must return one row per input: {rows} in, {tuple(output.shape)} out")
    return output.reshape(rows, -1)


@torch.no_grad()
def _measure(module: nn.Module, example: Tensor | Batch) -> int:
    place = next(module.parameters(), None)
    example = unwrap(example if place is None else example.to(place.device))
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        forwards = flat(module(example), len(example))
        backwards = flat(module(map_rows(example, lambda x: x.flip(0))), len(example)).flip(0)
    finally:
        for part, training in modes:
            part.training = training
    if not torch.allclose(forwards, backwards, rtol=1e-3, atol=1e-4 * float(forwards.abs().max())):
        raise UserError(
            "a row's output depends on the other rows of its batch; "
            "recurrent and attention modules need batch_first=True"
        )
    return forwards.shape[1]
