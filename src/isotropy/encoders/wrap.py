"""Any module of the user as an encoder."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from isotropy.batch import Batch, map_rows, unwrap
from isotropy.encoders.encoder import Encoder, FrameEncoder, refuse_mask
from isotropy.errors import UserError
from isotropy.validation import at_least

_CONVOLUTIONAL = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)


@runtime_checkable
class HasFrames(Protocol):
    """A user's module with features along time."""

    frame_width: int

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps)."""
        ...


class Wrapped(Encoder):
    """A user's module as an encoder; made by `wrap`."""

    def __init__(self, module: nn.Module, width: int, *, any_length: bool = False) -> None:
        super().__init__()
        self.arguments = {}
        self.module, self.width, self.any_length = module, width, any_length
        self.takes_masks = bool(getattr(module, "takes_masks", False))
        self.convolutional = any(isinstance(part, _CONVOLUTIONAL) for part in module.modules())

    def forward(self, x: Tensor | Batch) -> Tensor:
        """Return (B, width): the module's output, flattened."""
        output = flat(self.module(x), len(x))
        if output.shape[1] != self.width:
            raise UserError(
                f"the wrapped network was said to have width {self.width} but gives {output.shape[1]} numbers for "
                f"input of shape {tuple(x.shape)}; pool over what varies, or wrap it with the right example"
            )
        return output


class WrappedFrames(Wrapped, FrameEncoder):
    """A user's module with features along time as an encoder; made by `wrap`."""

    module: Any

    def __init__(self, module: nn.Module, width: int, *, any_length: bool = False) -> None:
        super().__init__(module, width, any_length=any_length)
        self.frame_width = self.module.frame_width

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps): what the module's own `frames` gives."""
        return self.module.frames(x)


def wrap(
    module: nn.Module, width: int | None = None, example: Tensor | Batch | None = None, *, any_length: bool = False
) -> Encoder:
    """Return an encoder around `module`, so that any method can train it.

    The output is the module's tensor (of a tuple or list, as recurrent modules give, the first), flattened to (B,
    width); a module whose output grows with the input must pool itself. The module is not copied and keeps its mode.
    One with `frame_width` and `frames(x) -> (B, frame_width, steps)` becomes a `FrameEncoder`. One with
    `takes_masks = True` gets series of unequal length as a `Batch`.

    Args:
        module: takes a batch, gives one output per row.
        width: length of a flattened output; measured on `example` where it is not given.
        example: a batch of inputs (b, ...), best two or more rows that differ: it is then checked too that a row's
            output in eval mode does not depend on the other rows.
        any_length: whether it takes series of any length, with the same width.

    Raises: UserError with neither width nor example, or where the output has not one row per input.

    Example:
        >>> wrap(nn.GRU(3, 5, batch_first=True), example=torch.randn(2, 7, 3)).width
        35
    """
    if isinstance(module, Encoder):
        return module
    if example is not None:
        if not getattr(module, "takes_masks", False):
            refuse_mask(example, type(module).__name__)
        measured = _measure(module, example)
        if width not in (None, measured):
            raise UserError(f"the network's output has width {measured} for the example, not {width}")
        width = measured
    if width is None:
        raise UserError("wrap needs the width of the network's output, or an example batch to measure it")
    at_least(1, width=width)
    kind = WrappedFrames if isinstance(module, HasFrames) else Wrapped
    return kind(module, width, any_length=any_length)


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
