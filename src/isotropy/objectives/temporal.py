"""Temporal contrasting: a prediction picks its own sample's future among all (TS-TCC)."""

import torch
from torch import Tensor

from isotropy.objectives.rows import upcast

__all__ = ["temporal_contrast"]


def temporal_contrast(prediction: Tensor, future: Tensor) -> Tensor:
    """Return the cross entropy of predicted features of K later time steps among those of all N rows,

        L = mean over i and k of -log( exp(p_ik . z_ik) / sum over n of exp(p_ik . z_nk) ).

    Args:
        prediction: p, (N, K, D), made from one view's past; not normalised.
        future: z, (N, K, D), the features of the other view, not normalised; its gradient flows too.

    Returns: a scalar in nats, float32 at least, at least 0; log N where all rows are one point.
    Raises: ValueError for shapes that differ or are not (N, K, D).
    Source: Eldele et al. 2021 (arXiv 2106.14112), equations 1 and 2.

    Example:
        >>> same = torch.ones(8, 2, 3)
        >>> torch.allclose(temporal_contrast(same, same), torch.tensor(8.0).log())
        True
    """
    if prediction.dim() != 3 or prediction.shape != future.shape:
        raise ValueError(
            f"predictions and futures are (rows, steps, features) of one shape, got {tuple(prediction.shape)} "
            f"and {tuple(future.shape)}"
        )
    with torch.autocast(prediction.device.type, enabled=False):
        p, z = upcast(prediction).transpose(0, 1), upcast(future).transpose(0, 1)
        logits = p @ z.mT  # (K, N, N): a row for each prediction
        return (logits.logsumexp(dim=2) - logits.diagonal(dim1=1, dim2=2)).mean()
