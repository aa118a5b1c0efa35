"""Reconstruction of the values of a row, all or the hidden ones alone (autoencoders, MAE)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isotropy.objectives.rows import upcast

__all__ = ["normalise_patches", "reconstruction"]


class _WeightedSquares(torch.autograd.Function):
    """Sum of w e^2 over errors e (N, ...), keeping w e alone; w broadcasts to e."""

    @staticmethod
    def forward(ctx: Any, errors: Tensor, weights: Tensor) -> Tensor:
        weighted = errors * weights
        ctx.save_for_backward(weighted)
        return torch.linalg.vecdot(errors.flatten(1), weighted.flatten(1)).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weighted,) = ctx.saved_tensors
        return weighted * (2 * gradient), None


def reconstruction(
    prediction: Tensor, target: Tensor, *, hidden: Tensor | None = None, categories: Sequence[int] = ()
) -> Tensor:
    """Return the mean over rows of the mean error of a row's cells, or of its hidden cells alone.

    The error of a number is its squared difference, that of a category the cross entropy of its code, in nats.

    Args:
        prediction: of the shape of `target`; with categories (N, numeric + sum of cardinalities), the logits of the
            columns one block after the other.
        target: (N, ...) numbers; with categories (N, numeric + their count), codes last. No gradient reaches it.
        hidden: booleans of the shape of `target`, which cells count, at least one in every row; 1 along an axis whose
            cells are hidden together (an image's channels), which is faster. None for all.
        categories: cardinality of each code column, the last columns of `target`.

    Returns: a scalar >= 0, float32 at least. The means of standardised columns give 1, zero logits log of the
        cardinality.
    Raises: ValueError for shapes that do not fit.
    Source: squared error on hidden patches alone as in He et al. 2022 (arXiv 2111.06377), section 3.

    Example:
        >>> x = torch.tensor([[0.5, 2.0]])
        >>> reconstruction(torch.tensor([[1.5, 0.0, 0.0, 100.0]]), x, categories=[3]).item()
        0.5
    """
    numeric = target.shape[1] - len(categories) if categories else 0
    expected = (len(target), numeric + sum(categories)) if categories else tuple(target.shape)
    if tuple(prediction.shape) != expected or (hidden is not None and not _covers(hidden.shape, target.shape)):
        of = "" if hidden is None else f" and hidden {tuple(hidden.shape)}"
        raise ValueError(
            f"a target {tuple(target.shape)} takes a prediction {expected}, got {tuple(prediction.shape)}{of}"
        )
    with torch.autocast(prediction.device.type, enabled=False):
        prediction, target = upcast(prediction), upcast(target.detach())
        weights = _weights(target, hidden)
        if categories:
            return (_of_codes(prediction, target, numeric, categories) * weights).sum()
        value: Tensor = _WeightedSquares.apply(prediction - target, weights)
        return value


def _covers(hidden: Sequence[int], shape: Sequence[int]) -> bool:
    return len(hidden) == len(shape) and hidden[0] == shape[0] and all(h in (1, s) for h, s in zip(hidden, shape))


def _weights(target: Tensor, hidden: Tensor | None) -> Tensor:
    """Return what every cell of `target` counts in the mean over rows of the means of their cells; it broadcasts."""
    if hidden is None:
        return target.new_full((), 1 / target.numel())
    counts = hidden.flatten(1).sum(1, dtype=target.dtype) * (target[0].numel() / hidden[0].numel())
    return hidden / (len(target) * counts.clamp_min(1)).view(-1, *[1] * (hidden.ndim - 1))


def _of_codes(prediction: Tensor, target: Tensor, numeric: int, categories: Sequence[int]) -> Tensor:
    numbers, *blocks = prediction.split([numeric, *categories], dim=1)
    codes = target[:, numeric:].long().unbind(1)
    entropies = [functional.cross_entropy(block, code, reduction="none") for block, code in zip(blocks, codes)]
    return torch.cat([(numbers - target[:, :numeric]).square(), torch.stack(entropies, 1)], 1)


def normalise_patches(images: Tensor, patch: int) -> Tensor:
    """Return images (N, C, H, W) of which every patch has mean 0 and variance 1 over its M pixels and channels.

    They are (x - mean) / sqrt(variance + 1e-6) with the unbiased variance, so that a prediction of 0 has a squared
    error of (M-1)/M where a patch is no constant.

    Args:
        images: (N, C, H, W); patches at the right and lower edge may be smaller.
        patch: side of a patch in pixels.

    Source: He et al. 2022 (arXiv 2111.06377), section 3, and its published settings for the variance.

    Example:
        >>> image = torch.arange(16.0).view(1, 1, 4, 4)
        >>> round(normalise_patches(image, 2).square().mean().item(), 4)
        0.75
    """
    images = upcast(images)
    pixels = _patch_sums(torch.ones_like(images[:1, :1]), patch)
    values = images.shape[1] * pixels
    centred = images - _patch_sums(images, patch).sum(1, keepdim=True) / values
    squares = _patch_sums(centred.square(), patch).sum(1, keepdim=True)
    return centred / (squares / (values - 1).clamp_min(1) + 1e-6).sqrt()


def _patch_sums(images: Tensor, patch: int) -> Tensor:
    """Return in every pixel the sum over its patch."""
    height, width = images.shape[2:]
    padded = functional.pad(images, (0, -width % patch, 0, -height % patch))
    sums = functional.avg_pool2d(padded, patch, divisor_override=1)
    return sums.repeat_interleave(patch, 2).repeat_interleave(patch, 3)[:, :, :height, :width]
