"""Cosine distance between a prediction and a target without gradient (BYOL)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy.objectives.rows import check_sides, row_norm, same_shape, upcast

__all__ = ["byol", "cosine_distance"]


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean over rows of 2 - 2 cos(prediction, target), the squared distance of the normalised rows.

    Args:
        prediction: (N, D), of any length.
        target: (N, D), of any length; no gradient reaches it.

    Returns: a scalar in [0, 4] up to rounding, float32 at least: 0 aligned, 2 orthogonal, 4 opposite.
    Raises: ValueError for shapes that differ.
    Source: Grill et al. 2020 (arXiv 2006.07733), equation 2.

    Example:
        >>> x = torch.eye(3)
        >>> cosine_distance(x, 2 * x).item(), cosine_distance(x, -x).item()
        (0.0, 4.0)
    """
    same_shape(prediction, target)
    with torch.autocast(prediction.device.type, enabled=False):
        p, y = upcast(prediction), upcast(target.detach())
        return 2 - 2 * ((p * y).sum(dim=-1) / (row_norm(p) * row_norm(y))).mean()


def byol(predictions: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Return BYOL's loss: the sum (not the mean) of the cosine distances over all directed pairs of different views.

    Args:
        predictions: V >= 2 views of the student, each (N, D).
        targets: the teacher's outputs for the first U <= V of these views, each (N, D), without gradient.

    Returns: a scalar in [0, 4 U (V-1)], float32 at least.
    Raises: ValueError for numbers of views or shapes that do not fit.
    Source: Grill et al. 2020 (arXiv 2006.07733), equation 2 and section 3.1; more views as in solo-learn.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> byol([x, y], [x, y]).item()
        4.0
    """
    check_sides("byol", predictions, targets)
    pairs = [(v, u) for u in range(len(targets)) for v in range(len(predictions)) if v != u]
    return torch.stack([cosine_distance(predictions[v], targets[u]) for v, u in pairs]).sum()
