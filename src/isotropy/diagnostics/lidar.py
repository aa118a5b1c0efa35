"""LiDAR: how many directions tell samples apart, measured against how much the views of one sample vary."""

from math import nan

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.spectrum import entropy_rank


def lidar(
    embeddings: ArrayLike | Tensor, samples: ArrayLike | Tensor, *, ridge: float = 1e-4, seed: int = 0
) -> dict[str, float]:
    """Return the entropy rank of the between-sample scatter after whitening by the within-sample scatter.

    With the mean mu_i of sample i's views, Sb = mean over samples of (mu_i - mu)(mu_i - mu)', Sw = mean over rows
    of (e - mu_i)(e - mu_i)' + delta I with delta = ridge trace(Sw) / D, and L = Sw^-1/2 Sb Sw^-1/2:

    - "lidar": exp(-sum p ln p), p the eigenvalues of L over their sum; 1 to min(D, samples - 1).
    - "ratio": trace(L) / D. Pure noise scores a full rank too, with a ratio of 1 / q for q views: below twice
      that the rank means nothing.
    - "shuffled": "lidar" of the same rows with samples dealt out at random, what noise would score.

    delta is relative, because an absolute one makes the rank depend on the embeddings' scale (54.9 at scale 1 and
    6.7 at .01, measured). Without any variation inside samples it is the entropy rank of the samples' means;
    at point collapse NaN, never the maximum.

    Args:
        embeddings: (N, D), rows of all views in any order.
        samples: (N,), which sample a row is a view of: views are joined by it, not by place. Two views or more
            each; as many samples as a few D make the bias small.
        ridge: delta over the mean variance inside samples, above 0.
        seed: of the shuffle.

    Raises:
        ValueError: fewer than two samples, a sample with one view, or another number of ids than rows.

    Source: Thilak et al. 2024 (arXiv 2312.04000), section 3.

    Example:
        >>> views = torch.cat([torch.eye(4), torch.eye(4)])
        >>> round(lidar(views, [0, 1, 2, 3] * 2)["lidar"], 6)
        3.0
    """
    z = torch.as_tensor(embeddings).detach().double()
    _, place, counts = torch.unique(torch.as_tensor(samples), return_inverse=True, return_counts=True)
    if len(place) != len(z) or len(counts) < 2 or int(counts.min()) < 2:
        raise ValueError(
            f"LiDAR needs two views or more of two samples or more: got {len(z)} rows, {len(place)} ids, "
            f"{len(counts)} samples"
        )
    rank, ratio = _of(z, place, counts, ridge)
    order = torch.randperm(len(place), generator=torch.Generator().manual_seed(seed)).to(place.device)
    return {"lidar": rank, "ratio": ratio, "shuffled": _of(z, place[order], counts, ridge)[0]}


def _of(z: Tensor, place: Tensor, counts: Tensor, ridge: float) -> tuple[float, float]:
    d = z.shape[1]
    means = torch.zeros(len(counts), d, dtype=z.dtype, device=z.device).index_add_(0, place, z) / counts.unsqueeze(1)
    moved = means - means.mean(dim=0)
    inner = z - means[place]
    size, left = float(z.square().mean()), float(inner.square().mean())
    if float(moved.square().mean()) <= 1e-12 * size:
        return nan, nan
    if left <= 1e-12 * size:
        return entropy_rank(means), float("inf")
    within = inner.T @ inner / len(z) + ridge * left * torch.eye(d, dtype=z.dtype, device=z.device)
    # L and chol(Sw)^-1 Sb chol(Sw)^-T have the same eigenvalues.
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(within), moved.T, upper=False)
    values = torch.linalg.eigvalsh(white @ white.T / len(counts)).clamp_min(0)
    p = values / values.sum()
    return float(torch.exp(-torch.special.xlogy(p, p).sum())), float(values.sum()) / d
