"""Any module of the user as an encoder."""

import warnings
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from isotropy.batch import Batch, map_rows, tensors_of, unwrap
from isotropy.encoders.encoder import Encoder, FrameEncoder, does_not_fit, refuse_mask
from isotropy.encoders.outputs import as_vectors, check_reading
from isotropy.errors import UserError
from isotropy.validation import at_least

_CONVOLUTIONAL = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)
# Rows of the example that are looked at: two that are alike would not tell that rows see each other.
_LOOKED_AT = 4


@runtime_checkable
class HasFrames(Protocol):
    """A user's module with features along time."""

    frame_width: int

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps)."""
        ...


class Wrapped(Encoder):
    """A user's module as an encoder; made by `wrap`."""

    def __init__(
        self,
        module: nn.Module,
        width: int,
        *,
        any_length: bool = False,
        take: str | int | None = None,
        pool: str | None = None,
    ) -> None:
        super().__init__()
        self.arguments = {}
        self.module, self.width, self.any_length = module, width, any_length
        self.takes_masks = bool(getattr(module, "takes_masks", False))
        self.take, self.pool = take, pool
        self.convolutional = is_convolutional(module)

    def forward(self, x: Tensor | Batch) -> Tensor:
        """Return (B, width): what is taken of the module's output, pooled or flattened."""
        return as_vectors(self.module(x), x.shape[0], self.take, self.pool)[0]


class WrappedFrames(Wrapped, FrameEncoder):
    """A user's module with features along time as an encoder; made by `wrap`."""

    module: Any

    def __init__(self, module: nn.Module, width: int, **options: Any) -> None:
        super().__init__(module, width, **options)
        self.frame_width = self.module.frame_width

    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps): what the module's own `frames` gives."""
        found: Tensor = self.module.frames(x)
        if found.ndim != 3 or found.shape[1] != self.frame_width:
            raise UserError(
                f"the network {type(self.module).__name__} says frame_width {self.frame_width}, and its frames are "
                f"{tuple(found.shape)} for rows {tuple(x.shape)}: they are (B, frame_width, steps)"
            )
        return found


def wrap(
    module: nn.Module,
    width: int | None = None,
    example: Tensor | Batch | None = None,
    *,
    any_length: bool = False,
    take: str | int | None = None,
    pool: str | None = None,
) -> Encoder:
    """Return an encoder around `module`, so that any method can train it.

    What the module returns may be a tensor, a tuple, a dictionary or a model output; which part becomes the vector
    is said in `encoders.outputs.as_vectors`, and in a warning where the part is not plain. The module is not copied and
    keeps its mode; lazy modules get their shapes from the example, and their weights from torch's generator.
    One with `frame_width` and `frames(x) -> (B, frame_width, steps)` becomes a `FrameEncoder`. One with
    `takes_masks = True` gets series of unequal length as a `Batch`.

    Args:
        module: takes a batch, gives one output per row.
        width: length of a vector; measured on `example` where it is not given.
        example: a batch of inputs (b, ...), best two or more rows that differ: it is then checked too that a row's
            output in eval mode is finite, the same every time, and does not depend on the other rows.
        any_length: whether it takes series of any length, with the same width.
        take: the part of the output that is meant: a place in a tuple or a name in a dictionary.
        pool: how tokens (b, T, D) or maps (b, C, ...) become one vector: "mean", "max", "first", "last" or "flatten".

    Raises: UserError with neither width nor example, weights of another type than the example, or no vectors as output.

    Example:
        >>> wrap(nn.GRU(3, 5, batch_first=True), example=torch.randn(2, 7, 3), take=0, pool="mean").width
        5
    """
    if isinstance(module, Encoder):
        return module
    refuse_no_module(module)
    check_reading(take, pool)
    _check_weights(module, example)
    if example is not None:
        if not getattr(module, "takes_masks", False):
            refuse_mask(example, type(module).__name__)
        measured, words = _measure(module, example, take, pool)
        if width not in (None, measured):
            raise UserError(f"the network's output has width {measured} for the example, not {width}")
        width = measured
        if words:
            warnings.warn(f"network of your own: {words} (`wrap` takes other parts: take, pool)", stacklevel=2)
    if width is None:
        raise UserError("wrap needs the width of the network's output, or an example batch to measure it")
    at_least(1, width=width)
    kind = WrappedFrames if isinstance(module, HasFrames) else Wrapped
    return kind(module, width, any_length=any_length, take=take, pool=pool)


def refuse_no_module(network: Any) -> None:
    """Raise UserError for what is no network."""
    if not isinstance(network, nn.Module):
        raise UserError(f"a network of your own is a torch module (nn.Module), not {type(network).__name__}")


def is_convolutional(module: nn.Module) -> bool:
    """Return whether a network has convolutions or attention."""
    return any(isinstance(part, _CONVOLUTIONAL) for part in module.modules())


def has_lazy_weights(module: nn.Module) -> bool:
    """Return whether a network has weights whose shapes only its first batch tells."""
    return any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers()))


def _check_weights(module: nn.Module, example: Tensor | Batch | None) -> None:
    """Raise UserError for weights that cannot be trained, or that are of another type than the example."""
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise UserError(
            "the network is scripted or traced, and such a copy cannot be trained: give it as it was before"
        )
    for name, weights in module.named_parameters():
        if weights.is_meta:
            raise UserError(
                f"the network's weights are on the device 'meta' ({name}), without values: make it on a CPU"
            )
        wanted = None if example is None else tensors_of(example)[0].dtype
        if wanted not in (None, weights.dtype) and weights.is_floating_point():
            how = "give network.float()" if wanted == torch.float32 else f"give an example of {weights.dtype}"
            raise UserError(f"the network's weights are {weights.dtype} ({name}), and the rows {wanted}: {how}")


@torch.no_grad()
def _measure(module: nn.Module, example: Tensor | Batch, take: str | int | None, pool: str | None) -> tuple[int, str]:
    """Return the width of the vectors, and words for what is taken; UserError where they cannot be vectors."""
    place = next(module.parameters(), None)
    example = unwrap(example if place is None else example.to(place.device))[:_LOOKED_AT]
    rows, before = len(example), map_rows(example, Tensor.clone)
    modes = [(part, part.training) for part in module.modules()]

    def vectors(x: Tensor | Batch) -> tuple[Tensor, str]:
        try:
            return as_vectors(module(x), len(x), take, pool)
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
            if isinstance(error, UserError):
                raise
            raise does_not_fit(type(module).__name__, x, error) from error

    module.eval()
    try:
        together, words = vectors(example)
        if not together.isfinite().all():
            raise UserError("the network gives NaN or infinity for the example rows")
        if any(not torch.equal(now, old) for now, old in zip(tensors_of(example), tensors_of(before), strict=True)):
            raise UserError("the network changes its input in place: let it work on a copy (x + 1, not x.add_(1))")
        again, _ = vectors(example)
        # Each row among copies of itself, and one row more: neither its neighbours nor their number may matter.
        alone = [vectors(map_rows(example[n : n + 1], _copies(rows + 1)))[0][0] for n in range(rows)]
    finally:
        for part, training in modes:
            part.training = training
    if not _alike(together, again):
        raise UserError(
            "the network gives other numbers for the same rows every time, in eval mode too: dropout that is always on "
            "(F.dropout needs training=self.training), or another random draw"
        )
    if any(len(row) != together.shape[1] for row in alone):
        raise UserError("the width of the network's output changes with the number of rows in a batch")
    if not _alike(together, torch.stack(alone)):
        raise UserError(f"a row's output depends on the other rows of its batch{_why_mixed(module)}")
    return together.shape[1], words


def _copies(count: int) -> Any:
    return lambda x: x.expand(count, *x.shape[1:]).contiguous()


def _alike(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()))


def _why_mixed(module: nn.Module) -> str:
    """Return what probably lets the rows of a batch see each other."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None:
            return f": {name or 'the batch norm'} keeps no running statistics (track_running_stats=True)"
        if getattr(part, "batch_first", True) is False:
            return f": {name or 'the module'} needs batch_first=True, as recurrent and attention modules do"
    return " (an attention, a softmax or a mean over the batch axis?)"
