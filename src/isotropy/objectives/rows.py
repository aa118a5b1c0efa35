"""Rows of a batch as objectives take them: float32 at least, L2-normalised, with their inner products, and checked."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_EPS = 1e-12


def upcast(x: Tensor) -> Tensor:
    """Return `x` in float32 at least: half precision is upcast, float64 stays.

    Example:
        >>> upcast(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def row_norm(x: Tensor) -> Tensor:
    """Return the L2 norms (...,) of the rows of `x` (..., D), at least 1e-12 so that one can divide by them.

    Example:
        >>> row_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [5.0, 9.999999960041972e-13]
    """
    return torch.linalg.vector_norm(x, dim=-1).clamp_min(_EPS)


class _L2Normalize(torch.autograd.Function):
    """u = x / |x| and |x|, with the gradient (g - u (g . u)) / |x| of the first, which keeps u and not x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        norms = row_norm(x).unsqueeze(-1)
        return x / norms, norms

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, grad_norms: Tensor) -> Tensor:
        u, norms = ctx.saved_tensors
        # The norms have a gradient only in second derivatives, which pass through this function again.
        along = grad_norms - torch.linalg.vecdot(gradient, u).unsqueeze(-1) / norms
        # Below eps a row is divided by eps, a constant.
        return torch.addcmul(gradient / norms, u, along.masked_fill(norms <= _EPS, 0.0))


def l2_normalize(x: Tensor) -> Tensor:
    """Return the rows of `x` (..., D) divided by their L2 norm; a row of zeros stays zero.

    Example:
        >>> l2_normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows: Tensor = _L2Normalize.apply(x)[0]
    return rows


class _Gram(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor) -> Tensor:
        return u @ u.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return (gradient + gradient.T) @ u


def gram(u: Tensor) -> Tensor:
    """Return U U' (N, N) of the rows of U (N, D), with the gradient (G + G') U: one product where autograd makes two.

    Example:
        >>> gram(torch.eye(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    product: Tensor = _Gram.apply(u)
    return product


def same_shape(*rows: Tensor) -> None:
    """Raise `ValueError` unless all of `rows` have one shape with at least two axes (rows, features)."""
    shapes = [tuple(x.shape) for x in rows]
    if len(shapes[0]) < 2 or any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"the views must be arrays (rows, features) of one shape, got {shapes}")


def check_views(name: str, views: Sequence[Tensor], *, rows: int = 0) -> None:
    """Raise `ValueError` unless the objective `name` got two or more views of one shape, of at least `rows` rows."""
    if len(views) < 2:
        raise ValueError(f"{name} compares at least two views, got {len(views)}")
    same_shape(*views)
    if len(views[0]) < rows:
        raise ValueError(f"{name} needs at least {rows} rows, got {len(views[0])}")


def check_sides(name: str, views: Sequence[Tensor], targets: Sequence[Tensor], *, least: int = 1) -> None:
    """Raise `ValueError` unless `targets` belong to the first `least` or more of two or more `views`, in shape too."""
    if len(views) < 2 or not least <= len(targets) <= len(views):
        raise ValueError(
            f"{name} needs at least two views and targets for {least} or more of the first of them, "
            f"got {len(views)} views and {len(targets)} targets"
        )
    same_shape(*views, *targets)


def check_temperature(*temperatures: float) -> None:
    """Raise `ValueError` unless all temperatures are above 0."""
    if not all(temperature > 0 for temperature in temperatures):
        raise ValueError(f"a temperature must be positive, got {' and '.join(map(str, temperatures))}")
