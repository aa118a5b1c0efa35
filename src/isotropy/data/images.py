"""Preprocessing of images: kept as uint8, normalised by the training mean and deviation of each channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isotropy.batch import batched
from isotropy.data.levels import LEVELS, SCALES, UNIT, scale_of, to_levels
from isotropy.data.preprocess import Preprocess
from isotropy.data.tensors import as_array, as_tensor, pieces
from isotropy.errors import UserError, counted

# Raw features of larger images are averaged down to this side: a baseline needs no more, and must fit.
FEATURE_SIDE = 32
CHANNELS = (1, 3)
# Images are hardly lower or narrower than this; see `_channels_first`.
_SMALL_SIDE = 8


@dataclass(kw_only=True, eq=False)
class ImagePreprocess(Preprocess):
    """Images (samples, channels, height, width), kept as uint8.

    Args:
        channels: 1 (grey), 3 (RGB), or any other number, of which nothing is known.
        size: height and width.
        mean, std: of each channel over the training pixels, in [0, 1].
        scale: how floats are read, as they were in training: "unit" (in [0, 1]) or "levels" (0 to 255).
        form: keywords of `read` that bring files to what the training's were brought to, where they were files.

    Example:
        >>> import numpy as np
        >>> images = ImagePreprocess.learn(np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1))
        >>> images.to_input(images.transform(np.full((1, 1, 1, 1), 255, dtype=np.uint8)))
        tensor([[[[1.]]]])
    """

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: str = LEVELS
    form: dict[str, Any] = field(default_factory=dict)
    _normal: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    modality = "image"
    noun = "images"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or not len(self.mean) == len(self.std) == self.channels:
            raise ValueError("size, or mean and std, of another length")
        if self.scale not in SCALES:
            raise ValueError(f"unknown scale {self.scale!r}")

    @classmethod
    def infers(cls, array: NDArray[Any]) -> bool:
        """Return whether an array has four dimensions, or is (N, H, W) uint8."""
        return array.ndim == 4 or (array.ndim == 3 and array.dtype == np.uint8)

    @classmethod
    def arrange(
        cls, array: NDArray[Any], scale: str | None = None, *, channels: int | str | None = None
    ) -> tuple[NDArray[Any], str]:
        """Return images as a view (N, channels, H, W) of their own type; (N, H, W) is grey. See `Preprocess.arrange`.

        With a `scale` the numbers are not read. `channels` says how many there are where it is not 1 or 3, or "any".
        """
        images, description = _channels_first(array, channels)
        return images, description + ("" if scale else _scale_in_words(images))

    @classmethod
    def concatenate(cls, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """Return the images of both arrays; levels, where one holds floats and the other does not."""
        if first.dtype.kind != second.dtype.kind:
            # One array of both would turn levels to floats, and what floats are is asked once for all.
            first, second = (to_levels(part, scale_of(part)) for part in (first, second))
        return np.concatenate([first, second])

    @classmethod
    def learn(cls, values: Any, rows: NDArray[np.int64] | None = None, *, any_length: bool = False) -> Self:
        """Learn on images (N, C, H, W) of whole numbers, floats or truth values; exact, and in constant memory.

        UserError: fewer than two images, every pixel the same, or numbers of another range.
        """
        array = _images(values)
        count = len(array) if rows is None else len(rows)
        if count < 2:
            raise UserError(f"training needs at least two images; there are {count}")
        _, channels, height, width = array.shape
        scale = scale_of(array, rows)
        counts = np.zeros((channels, 256), dtype=np.int64)
        for _, piece in pieces(array, rows):
            levels = to_levels(piece, scale)
            for channel in range(channels):
                counts[channel] += np.bincount(levels[:, channel].reshape(-1), minlength=256)
        if ((counts > 0).sum(axis=1) == 1).all():
            raise UserError("nothing is left to learn from: every pixel of the images has the same value")
        greys = np.arange(256) / 255
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ greys
        std = np.sqrt((share * (greys - mean[:, None]) ** 2).sum(axis=1))
        # A channel that is constant in training is kept (colours need all three), in steps of one level.
        std = np.maximum(std, 1 / 255)
        means, deviations = tuple(mean.tolist()), tuple(std.tolist())
        return cls(channels=channels, size=(height, width), scale=scale, mean=means, std=deviations)

    @property
    def shape(self) -> dict[str, Any]:
        """The number of channels, and height and width."""
        return {"channels": self.channels, "size": list(self.size)}

    @property
    def trained_on(self) -> str:
        """Images, with their channels and size."""
        return f"{colour_words(self.channels)} images of {self.size[0]}x{self.size[1]}"

    def read_options(self, *, folder: bool) -> dict[str, Any]:
        """Return the scale of floats, or for a folder the size and channels that its images are brought to."""
        height, width = self.size
        size = height if height == width else [height, width]
        return {**self.form, "size": size, "channels": self.channels} if folder else {"scale": self.scale}

    def with_form(self, form: dict[str, Any]) -> Self:
        """Return the preprocessing with the form that files were brought to."""
        return replace(self, form=dict(form))

    def with_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> Self:
        """Return the preprocessing with another mean and deviation, in [0, 1], of each channel."""
        return replace(self, mean=tuple(mean), std=tuple(std))

    def transform(self, values: Any) -> Tensor:
        """Return images (N, C, H, W) as uint8, whose memory is shared where it can be; UserError for another form."""
        array = _images(values)
        if array.shape[1] != self.channels:
            raise UserError(f"the images have {counted(array.shape[1], 'channel')}; the training had {self.channels}")
        if tuple(array.shape[2:]) != self.size:
            height, width = self.size
            raise UserError(
                f"the images are {array.shape[2]}x{array.shape[3]}; the training had {height}x{width}: resize them"
            )
        return as_tensor(to_levels(array, self.scale))

    def to_input(self, rows: Tensor) -> Tensor:
        """Return uint8 images (B, C, H, W) as float32, scaled to [0, 1], then normalised per channel."""
        if rows.device not in self._normal:
            mean, std = torch.tensor([self.mean, self.std], dtype=torch.float64)[..., None, None]
            # (x / 255 - mean) / std as one product and one sum.
            pair = ((1 / (255 * std)).float(), (-mean / std).float())
            self._normal[rows.device] = (pair[0].to(rows.device), pair[1].to(rows.device))
        scale, shift = self._normal[rows.device]
        return rows.float().mul_(scale).add_(shift)

    def features(self, rows: Tensor) -> NDArray[np.float32]:
        """Return stored images as (N, F) float32 pixels in [0, 1], averaged down to at most 32 a side."""
        side = (min(self.size[0], FEATURE_SIDE), min(self.size[1], FEATURE_SIDE))
        out = np.empty((len(rows), self.channels * side[0] * side[1]), dtype=np.float32)
        for part in batched(len(rows), rows=256):
            pixels = rows[part].cpu().float().div_(255)
            out[part] = functional.adaptive_avg_pool2d(pixels, side).flatten(1).numpy()
        return out


def _images(values: Any) -> NDArray[Any]:
    array = as_array(values)
    if array.ndim != 4 or array.dtype.kind not in "biuf":
        raise UserError(
            f"images are numbers (samples, channels, height, width); this array is {array.dtype} of shape "
            f"{array.shape}: isotropy.data.read brings other forms to this one"
        )
    return array


def colour_words(channels: int) -> str:
    """Return what images of so many channels are called."""
    return {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")


def _channels_first(array: NDArray[Any], channels: int | str | None) -> tuple[NDArray[Any], str]:
    if array.ndim not in (3, 4):
        raise UserError(
            f"images have the shape (samples, height, width) or four dimensions; this array has {array.shape}"
        )
    if array.ndim == 3:
        if channels not in (None, 1, "any"):
            raise UserError(f"images of shape {array.shape} have one channel each, not {channels}")
        array, order = array[:, None], ""
    elif _channel_axis(array.shape, channels) == 1:
        order = ", channels first"
    else:
        array, order = array.transpose(0, 3, 1, 2), ", channels last"
    _, count, height, width = array.shape
    size = f"{height}x{width}"
    if order.endswith("last") and channels is None and min(height, width) < _SMALL_SIDE:
        # Either axis could be the colours: a side this short is more often a number of channels.
        size = f"height {height} and width {width}"
    return array, f"{colour_words(count)} images of {size}{order}"


def _channel_axis(shape: tuple[int, ...], channels: int | str | None) -> int:
    """Return which axis of (N, ., ., .) has the channels, the first or the last."""
    wanted = (channels,) if isinstance(channels, int) else CHANNELS
    for axis in (1, 3):
        if shape[axis] in wanted:
            return axis
    if isinstance(channels, int):
        raise UserError(f"images of {channels} channels have them first or last; this array has shape {shape}")
    axis = 1 if shape[1] <= shape[3] else 3
    if channels == "any":
        return axis
    count = shape[axis]
    three = "x[:, :3]" if axis == 1 else "x[..., :3]"
    alpha = f", or drop the fourth if it is alpha ({three})" if count == 4 else ""
    raise UserError(
        f"images have 1 or 3 channels, first or last; this array has shape {shape}: say channels={count} (--channels "
        f"{count}; or modality='image') to take axis {axis} as channels{alpha}"
    )


def _scale_in_words(images: NDArray[Any]) -> str:
    """Return words for how the numbers of images become levels; UserError where they cannot."""
    if images.dtype == np.uint8 or images.size == 0:
        return ""
    if scale_of(images) != UNIT:
        return f" (whole {images.dtype} numbers taken as levels 0 to 255)"
    return f" ({'false and true' if images.dtype == np.bool_ else 'floats in [0, 1]'} became levels 0 to 255)"
