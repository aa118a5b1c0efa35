"""W-MSE: views of a row agree after every sub-batch is whitened, so that they cannot collapse."""

from itertools import combinations

import torch
from torch import Tensor

from isotropy.objectives.rows import check_views, l2_normalize, upcast

__all__ = ["w_mse", "whiten"]


def whiten(z: Tensor, *, eps: float = 0.0) -> Tensor:
    """Return rows of mean 0 and covariance I: L^-1 (z - mean), with L L' their unbiased covariance.

    Args:
        z: (..., w, D), sub-batches of w rows each.
        eps: fraction of the mean variance that is added to every variance, so that L exists for any rows.

    Returns: the shape of `z`, float32 at least; with w = D + 1 rows and eps 0 the corners of a regular simplex. NaN
        where L does not exist (w <= D and eps 0, or rows that are not finite).
    Source: Ermolov et al. 2021 (arXiv 2007.06346), equations 3 and 4.

    Example:
        >>> x = whiten(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]))
        >>> x.T.cov().abs().round(decimals=4).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    with torch.autocast(z.device.type, enabled=False):
        x = upcast(z)
        x = x - x.mean(dim=-2, keepdim=True)
        covariance = x.mT @ x / (x.shape[-2] - 1)
        variance = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
        # 1e-12: rows that are all one point become zeros and not NaN.
        ridge = eps * variance.clamp_min(1e-12)
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        factor, failed = torch.linalg.cholesky_ex(covariance + ridge[..., None, None] * identity)
        factor = torch.where((failed == 0)[..., None, None], factor, float("nan"))
        return torch.linalg.solve_triangular(factor, x.mT, upper=False).mT


def w_mse(*z: Tensor, parts: Tensor, eps: float = 0.0) -> Tensor:
    """Return the mean of 2 - 2 cos of whitened views of the same rows, over rows, sub-batches and pairs of views.

    Args:
        z: V >= 2 views, each (N, D); the gradient reaches all.
        parts: (K, w) int64: the rows of K sub-batches, the same for all views; rows that are in none are left out.
        eps: see `whiten`.

    Returns: a scalar in [0, 4], float32 at least: 0 for equal views, about 2 for unrelated ones, 2 where all rows are
        one point (with eps above 0).
    Raises: ValueError for fewer than two views, shapes that differ, or sub-batches of one row, or of no more rows than
        dimensions with eps 0.
    Source: Ermolov et al. 2021 (arXiv 2007.06346), equations 1 to 4.

    Example:
        >>> x = torch.eye(4)[:, :2]
        >>> w_mse(x, 3 * x + 1, parts=torch.arange(4).view(1, 4)).abs().item() < 1e-6
        True
    """
    check_views("w_mse", z)
    size, width = parts.shape[1], z[0].shape[1]
    if size < 2 or (size <= width and not eps > 0):
        raise ValueError(f"{width} dimensions of sub-batches of {size} rows have no inverse covariance without eps")
    with torch.autocast(z[0].device.type, enabled=False):
        white = [whiten(x[parts], eps=eps) for x in z]
        pairs = list(combinations([l2_normalize(x) for x in white], 2))
        return 2 - 2 * torch.stack([(x * y).sum(dim=-1).mean() for x, y in pairs]).mean()
