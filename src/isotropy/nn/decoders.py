"""Decoders: small networks from an encoder's vector back to the row."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor, nn

from isotropy.errors import UserError

# Feature maps start at a quarter of the row's size and at most at these, so that the first layer stays small.
_MOST_STEPS = 64
_MOST_PIXELS = 16


class TableDecoder(nn.Sequential):
    """Vectors (B, width) -> 256 -> `numeric` columns, then a block of logits for each of `categories` (cardinalities).

    Example:
        >>> import torch
        >>> TableDecoder(8, 2, [3, 4])(torch.zeros(5, 8)).shape
        torch.Size([5, 9])
    """

    def __init__(self, width: int, numeric: int, categories: Sequence[int]) -> None:
        super().__init__(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, numeric + sum(categories)))
        self.categories = tuple(categories)


def table_decoder(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return a `TableDecoder` with fresh weights for data of a shape {"numeric", "categories"}."""
    return TableDecoder(width, shape["numeric"], shape["categories"])


def series_decoder(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return a decoder with fresh weights from vectors (B, width) to series of a shape {"channels", "length"}.

    A linear layer to 32 small feature maps, then twice ReLU, nearest-neighbour enlargement and a convolution
    (32 -> 16 -> channels): LFR's baselines (Sui et al. 2024, code) without batch norms and a last linear layer.

    Example:
        >>> import torch
        >>> series_decoder({"channels": 9, "length": 50}, 8)(torch.zeros(2, 8)).shape
        torch.Size([2, 9, 50])
    """
    channels, length = shape["channels"], shape["length"]
    start = min(-(-length // 4), _MOST_STEPS)
    # 2-D convolutions of height 1: the same arithmetic as 1-D ones, and faster.
    sizes = [(1, start), (1, -(-length // 2)), (1, length)]
    return nn.Sequential(*_enlarged(width, channels, sizes, (1, 9)), nn.Flatten(2))


def image_decoder(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return a decoder as `series_decoder` for images of a shape {"channels", "size"}."""
    height, breadth = shape["size"]
    start = tuple(min(-(-side // 4), _MOST_PIXELS) for side in (height, breadth))
    middle = (-(-height // 2), -(-breadth // 2))
    return nn.Sequential(*_enlarged(width, shape["channels"], [start, middle, (height, breadth)], (3, 3)))


def array_decoder(shape: Mapping[str, Any], width: int) -> nn.Module:
    """Return a decoder with fresh weights from vectors (B, width) to arrays {"sizes"}: 256 wide, then all numbers.

    Example:
        >>> import torch
        >>> array_decoder({"sizes": [2, 3, 4, 5]}, 8)(torch.zeros(6, 8)).shape
        torch.Size([6, 2, 3, 4, 5])
    """
    sizes = tuple(shape["sizes"])
    return nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, prod(sizes)), nn.Unflatten(1, sizes))


def _enlarged(width: int, channels: int, sizes: Sequence[tuple[int, ...]], kernel: tuple[int, int]) -> list[nn.Module]:
    (high, long), middle, whole = sizes
    padding = (kernel[0] // 2, kernel[1] // 2)
    return [
        nn.Linear(width, 32 * high * long),
        nn.Unflatten(1, (32, high, long)),
        nn.ReLU(),
        nn.Upsample(tuple(middle)),
        nn.Conv2d(32, 16, kernel, padding=padding),
        nn.ReLU(),
        nn.Upsample(tuple(whole)),
        nn.Conv2d(16, channels, kernel, padding=padding),
    ]


def categories_of(decoder: nn.Module) -> tuple[int, ...]:
    """Return the cardinalities for whose columns the decoder gives logits: its `categories`, or none."""
    return tuple(getattr(decoder, "categories", ()))


def decode(decoder: nn.Module, h: Tensor, like: Tensor) -> Tensor:
    """Return the decoder's output for vectors `h`, or raise a UserError where it does not fit the rows `like`."""
    output: Tensor = decoder(h)
    categories = categories_of(decoder)
    wanted = tuple(like.shape)
    if categories:
        wanted = (len(like), like.shape[1] - len(categories) + sum(categories))
    if tuple(output.shape) != wanted:
        raise UserError(f"the decoder makes {tuple(output.shape)} of {len(h)} vectors, and the rows need {wanted}")
    return output


def told(encoder: nn.Module, x: Tensor) -> Tensor:
    """Return what a decoder must tell of rows `x`: what the encoder says, or the rows where it is a bare network."""
    targets = getattr(encoder, "targets", None)
    return x if targets is None else targets(x)
