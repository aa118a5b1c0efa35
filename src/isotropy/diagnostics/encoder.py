"""What watched rows say of an encoder: how many directions it uses, how much rows differ, how far it has moved."""

from math import nan

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.rank import effective_rank, mean_norm


def encoder_numbers(embeddings: ArrayLike | Tensor, untrained: ArrayLike | Tensor) -> dict[str, float]:
    """Return what the embeddings of some rows say, beside those of the same rows by the encoder before training.

    - "effective_rank", "mean_norm", "linear_cka": as the functions of these names.
    - "variation": the fraction of the rows' mean square that is not their mean's, 0 (point collapse) to 1.
    - "uncentred_rank": the participation ratio of the second moment, 1 (one direction, or one point) to min(N, D).

    All are NaN where an embedding is not finite.

    Args:
        embeddings: (N, D), N > 1. untrained: (N, E), of the same rows.

    Example:
        >>> found = encoder_numbers(torch.eye(4), torch.eye(4))
        >>> round(found["variation"], 6), round(found["uncentred_rank"], 6), round(found["linear_cka"], 6)
        (0.75, 4.0, 1.0)
    """
    z = torch.as_tensor(embeddings).detach().double()
    if not torch.isfinite(z).all():
        return dict.fromkeys(("effective_rank", "mean_norm", "variation", "uncentred_rank", "linear_cka"), nan)
    size = float(z.square().mean(dim=0).sum())
    gram = z.T @ z if len(z) >= z.shape[1] else z @ z.T
    squares = float(gram.square().sum())
    return {
        "effective_rank": effective_rank(z),
        "mean_norm": mean_norm(z),
        "variation": 1 - float(z.mean(dim=0).square().sum()) / size if size else nan,
        "uncentred_rank": float(gram.trace()) ** 2 / squares if squares else nan,
        "linear_cka": linear_cka(z, untrained),
    }


def linear_cka(one: ArrayLike | Tensor, other: ArrayLike | Tensor) -> float:
    """Return the linear centred kernel alignment |X'Y|^2 / (|X'X| |Y'Y|) of embeddings (N, D) and (N, E) of N > 1 rows.

    X and Y are centred, the norms Frobenius'. Range 0 to 1; 1 where one is the other turned, scaled and shifted.
    NaN where one of them is a point.

    Raises:
        ValueError: another number of rows.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), equation 3 with linear kernels.

    Example:
        >>> round(linear_cka(torch.eye(4), 2 - torch.eye(4).flip(1)), 6)
        1.0
    """
    x, y = (torch.as_tensor(rows).detach().double() for rows in (one, other))
    if len(x) != len(y):
        raise ValueError(f"embeddings of the same rows are compared, got {len(x)} and {len(y)}")
    centred = [rows - rows.mean(dim=0) for rows in (x, y)]
    if any(float(c.norm()) <= 1e-6 * float(rows.norm()) for c, rows in zip(centred, (x, y))):
        return nan
    a, b = (c / c.norm() for c in centred)
    # Through the rows where they are fewer than the features.
    if len(a) < max(a.shape[1], b.shape[1]):
        one_gram, other_gram = a @ a.T, b @ b.T
        return float((one_gram * other_gram).sum() / (one_gram.norm() * other_gram.norm()))
    return float((a.T @ b).square().sum() / ((a.T @ a).norm() * (b.T @ b).norm()))
