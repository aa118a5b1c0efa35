"""The matrix of all inner products of rows, with a gradient that costs one product."""

from typing import Any

import torch
from torch import Tensor


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
