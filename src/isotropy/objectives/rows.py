"""Rows of a batch as the objectives want them: wide enough to sum, and of length one."""

from typing import Any

import torch
from torch import Tensor

_LEAST = 1e-12


def wide(x: Tensor) -> Tensor:
    """Return `x` in float32 at least: half precision is widened, float64 stays.

    Example:
        >>> wide(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def length(x: Tensor) -> Tensor:
    """Return the Euclidean lengths (...,) of the rows of `x` (..., D), at least 1e-12 to divide by.

    Example:
        >>> length(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 9.999999960041972e-13]
    """
    return torch.linalg.vector_norm(x, dim=-1).clamp_min(_LEAST)


class _Unit(torch.autograd.Function):
    """u = x / |x| and |x|, with the gradient (g - u (g . u)) / |x| of the first, which keeps u and not x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        lengths = length(x).unsqueeze(-1)
        return x / lengths, lengths

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, of_length: Tensor) -> Tensor:
        u, lengths = ctx.saved_tensors
        # A gradient of the lengths comes with second derivatives alone.
        along = of_length - torch.linalg.vecdot(gradient, u).unsqueeze(-1) / lengths
        # A row below the least length is divided by that, which does not move with it.
        return torch.addcmul(gradient / lengths, u, along.masked_fill(lengths <= _LEAST, 0.0))


def unit(x: Tensor) -> Tensor:
    """Return the rows of `x` (..., D) divided by their length; a row of zeros stays one.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows: Tensor = _Unit.apply(x)[0]
    return rows


def same_shape(*rows: Tensor) -> None:
    """Raise `ValueError` unless all of `rows` have one shape with at least two axes (rows, features)."""
    shapes = [tuple(x.shape) for x in rows]
    if len(shapes[0]) < 2 or any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"the views must be arrays (rows, features) of one shape, got {shapes}")
