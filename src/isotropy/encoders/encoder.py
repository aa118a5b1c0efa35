"""What every encoder offers, and what encoders with features along time offer besides."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.batch import Batch
from isotropy.errors import UserError

# What torch says where layers and rows do not fit, whatever the layer; not of memory, devices or types.
_SHAPES = re.compile("shape|size|dimension|elements")


class Encoder(nn.Module):
    """A network that turns a batch of inputs into vectors (B, width).

    An argument means the same in all encoders: `width` the length of a vector, the others the shape of the data:
    `channels` and `length` (time steps) of series, `channels` and `size` (height, width) of images, `numeric` (how many
    numeric columns) and `categories` (the cardinality of each category column) of tables. One out of its range is
    refused (UserError).

    Attributes:
        modality: what it takes: the name of a modality, or "any".
        convolutional: it has convolutions or attention, which gain from bf16 and (4-D weights) channels-last.
        fast_in_bf16: it was measured to gain from bf16 on a CPU although it has none of these.
        any_length: it takes series of another length than those that it was trained on.
        takes_masks: it takes a `Batch` with a mask, and what is under the mask changes nothing; others refuse one.
        hidden_cell: the value that stands for a cell of a table that is hidden from it.
        width: length of an output vector.
        held: parts that are not trained, but kept as they were given.
        arguments: the keyword arguments, JSON-able, with which its class makes one of the same architecture; the
            constructor hands them to this one.
    """

    modality: str = "any"
    convolutional: bool = False
    fast_in_bf16: bool = False
    any_length: bool = False
    takes_masks: bool = False
    hidden_cell: float = 0.0
    held: tuple[nn.Module, ...] = ()
    width: int
    arguments: dict[str, Any]

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        if arguments:
            self.arguments = arguments

    @classmethod
    def normalisation(cls, arguments: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]] | None:
        """Return mean and deviation of each channel that weights were made for; None where the data's are as good."""
        return None

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Return what `forward` does; a UserError for a mask that it cannot read, or where shapes do not fit."""
        if not self.takes_masks:
            for rows in args:
                refuse_mask(rows, self._title)
        try:
            output = super().__call__(*args, **named)
        except RuntimeError as error:
            if not args or isinstance(error, torch.OutOfMemoryError) or not _SHAPES.search(str(error)):
                raise
            raise does_not_fit(self._title, args[0], error) from error
        if output.ndim != 2 or output.shape[1] != self.width:
            raise UserError(
                f"the encoder {self._title} says width {self.width} and gives {tuple(output.shape)} for rows "
                f"{tuple(args[0].shape)}: set its width to what it gives for all rows, which pooling makes the same"
            )
        return output

    @property
    def _title(self) -> str:
        return type(getattr(self, "module", self)).__name__

    def view_size(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the size of the views of images of `size` that it is trained on unless `views.size` is set."""
        return tuple(size)

    def drop_units(self, fraction: float) -> None:
        """Hide this fraction of the units inside from what follows, in training; by default nothing is hidden."""

    def targets(self, x: Tensor) -> Tensor:
        """Return what a decoder must tell of rows `x`; by default the rows."""
        return x


class FrameEncoder(Encoder, ABC):
    """An encoder of series whose vector is made of features along time (frames): their mean, unless it says otherwise.

    Attributes:
        frame_width: length of a frame.
    """

    frame_width: int

    @abstractmethod
    def frames(self, x: Tensor) -> Tensor:
        """Return (B, frame_width, steps) for series (B, channels, time)."""

    def forward(self, x: Any) -> Tensor:
        """Return (B, width): the mean of the frames of series, which may be a `Batch` where masks are taken."""
        if isinstance(x, Batch):
            frames, there = self.masked_frames(x)
            return mean_of(frames, there)
        return self.frames(x).mean(2)

    def masked_frames(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return the frames of series with a mask, and which of them there are, (B, 1, steps) booleans.

        For encoders that take masks: those of the values that are there, whatever stands behind them.
        """
        raise NotImplementedError


def mean_of(frames: Tensor, there: Tensor) -> Tensor:
    """Return the mean (B, width) of those frames (B, width, steps) that are there; 0 where none is."""
    return (frames * there).sum(2) / there.sum(2).clamp(min=1)


def does_not_fit(network: str, rows: Tensor | Batch, error: Exception) -> UserError:
    """Return what to raise for a network that cannot take a batch of rows."""
    # What torch says of scripted modules has a traceback of its own.
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(
        f"the network {network} cannot take a batch {tuple(rows.shape)}, {len(rows)} rows as the data or its views "
        f"have them: build its layers for these (torch says: {reason[-1][:160]})"
    )


def refuse_mask(rows: Any, encoder: str) -> None:
    """Raise UserError, naming what to take instead, for series with a mask."""
    if isinstance(rows, Batch) and rows.mask is not None:
        raise UserError(
            f"the series differ in length, and the encoder {encoder} takes series of one length: take multiscale_cnn, "
            "dilated_resnet, gru or series_transformer, or cut the series (a network of your own that reads a Batch "
            "says takes_masks = True)"
        )


def to_channels_last(module: nn.Module) -> None:
    """Lay the weights of two-dimensional convolutions out channels-last, in place: the faster layout on CPUs.

    Unlike `module.to(memory_format=...)` it leaves tensors with five dimensions alone instead of failing. A network
    that narrows to few channels and skips positions by a convolution of one tap keeps its layout: torch 2.15 is not
    safe there in the other one, on CPUs without AVX-512.
    """
    if any(isinstance(part, nn.Conv2d) and _is_narrow_skip(part) for part in module.modules()):
        return
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def _is_narrow_skip(convolution: nn.Conv2d) -> bool:
    taps, channels = prod(convolution.kernel_size), convolution.in_channels // convolution.groups
    return taps == 1 and max(convolution.stride) > 1 and channels < 8


def hide(blocks: nn.Module, fraction: float) -> None:
    """Set the fraction of units that the dropout layers in `blocks` hide in training."""
    for module in blocks.modules():
        if isinstance(module, nn.Dropout):
            module.p = fraction
