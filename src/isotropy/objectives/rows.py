"""Rows of a batch as the objectives want them: wide enough to sum, and of length one."""

import torch
from torch import Tensor


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
    return torch.linalg.vector_norm(x, dim=-1).clamp_min(1e-12)


def unit(x: Tensor) -> Tensor:
    """Return the rows of `x` (..., D) divided by their length; a row of zeros stays one.

    Example:
        >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return x / length(x).unsqueeze(-1)


def same_shape(*rows: Tensor) -> None:
    """Raise `ValueError` unless all of `rows` have one shape with at least two axes (rows, features)."""
    shapes = [tuple(x.shape) for x in rows]
    if len(shapes[0]) < 2 or any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"the looks must be arrays (rows, features) of one shape, got {shapes}")
