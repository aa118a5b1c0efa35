"""Measures of representations that papers report and no verdict reads: arrays in, numbers out."""

from math import exp, log, nan

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from isotropy.diagnostics import Moments

Rows = ArrayLike | Tensor


def entropy_rank(rows: Rows, *, centred: bool = True) -> float:
    """Return exp(-sum p ln p), p the eigenvalues of the covariance (not centred: of the second moment) over their sum.

    Range 1 to min(N - 1, D) centred, else to min(N, D); NaN without any direction, as centred at point collapse.

    Source: Roy and Vetterli 2007, definition 1, applied to the eigenvalues.
    """
    return _entropy_rank(_eigenvalues(rows, centred=centred))


def alpha_req(rows: Rows, *, first: int = 11, last: int = 100) -> tuple[float, float]:
    """Return alpha of lambda_i ~ i^-alpha and the fit's R^2, of the covariance's eigenvalues `first` to `last`.

    A weighted least squares fit of ln lambda on ln i, weights 1/i: below 1 the tail is flat, above 1 the information is
    in few directions. The range changes the number. NaN where fewer than 3 eigenvalues are left.

    Source: Agrawal et al. 2022 (alpha-ReQ), section 3, with the fit of Stringer et al. 2019.
    """
    values = _eigenvalues(rows)[first - 1 : last]
    if len(values) < 3:
        return nan, nan
    places = np.arange(first, first + len(values))
    x, y, w = np.log(places), np.log(values.cpu().numpy()), 1 / places
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    slope = float((w * x * y).sum() / (w * x * x).sum())
    spread = float((w * y * y).sum())
    return -slope, 1 - float((w * (y - slope * x) ** 2).sum()) / spread if spread else 1.0


def uniformity(embeddings: Rows) -> float:
    """Return ln of the mean over pairs i < j of exp(-2 |u_i - u_j|^2) of the unit rows of embeddings (N, D), N > 1.

    Range -4N / (N - 1) (a simplex) to 0 (point collapse); even directions give about -4 + 8 / D. Cost N^2 D.

    Source: Wang and Isola 2020 (arXiv 2005.10242), section 4.1, with t = 2.
    """
    u = F.normalize(torch.as_tensor(embeddings).detach().double(), dim=1)
    # exp(-2 |u - v|^2) = exp(4 u.v - 4) of unit rows, and the pairs of a row with itself add 1 each.
    total = sum(float((4 * (part @ u.T) - 4).exp().sum()) for part in u.split(1024))
    return log((total - len(u)) / (len(u) * (len(u) - 1)))


def lidar(embeddings: Rows, samples: Rows, *, ridge: float = 1e-4) -> dict[str, float]:
    """Return how many directions tell samples apart, measured against how much the views of one sample vary.

    With the mean mu_i of sample i's views, Sb = mean of (mu_i - mu)(mu_i - mu)', Sw = mean over rows of
    (e - mu_i)(e - mu_i)' + delta I, delta = `ridge` trace(Sw) / D (relative, so that the scale does not matter), and
    L = Sw^-1/2 Sb Sw^-1/2: "lidar" is the entropy rank of L, 1 to min(D, samples - 1); "ratio" is trace(L) / D. Noise
    scores a full rank too, with a ratio of 1 / q for q views. Without variation inside samples it is the entropy
    rank of their means; at point collapse NaN.

    Args:
        embeddings: (N, D), rows of all views in any order.
        samples: (N,), which sample a row is a view of: two views or more of two samples or more.

    Source: Thilak et al. 2024 (arXiv 2312.04000), section 3.
    """
    z = torch.as_tensor(embeddings).detach().double()
    _, place, counts = torch.unique(torch.as_tensor(samples), return_inverse=True, return_counts=True)
    if len(place) != len(z) or len(counts) < 2 or int(counts.min()) < 2:
        raise ValueError(f"LiDAR needs two views or more of two samples or more, got {counts.tolist()}")
    d = z.shape[1]
    means = torch.zeros(len(counts), d).to(z).index_add_(0, place, z) / counts.unsqueeze(1)
    moved, inner = means - means.mean(dim=0), z - means[place]
    size, left = float(z.square().mean()), float(inner.square().mean())
    if float(moved.square().mean()) <= 1e-12 * size:
        return {"lidar": nan, "ratio": nan}
    if left <= 1e-12 * size:
        return {"lidar": entropy_rank(means), "ratio": float("inf")}
    within = inner.T @ inner / len(z) + ridge * left * torch.eye(d).to(z)
    # L and chol(Sw)^-1 Sb chol(Sw)^-T have the same eigenvalues.
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(within), moved.T, upper=False)
    values = torch.linalg.eigvalsh(white @ white.T / len(counts)).clamp_min(0)
    return {"lidar": _entropy_rank(values), "ratio": float(values.sum()) / d}


def effective_dimension(rows: Rows) -> int:
    """Return the rank of the correlation matrix of the features, with tolerance max(1e-4, 0.01 lambda_1).

    Range 0 to min(N - 1, D). Features whose variance is below 1e-12 of their mean square count as none.

    Source: Dubois et al. 2022 (arXiv 2209.06235), theorem 1 (at least K - 1 for K classes), the authors' tolerances.
    """
    m = Moments.of(rows)
    covariance = m.covariance()
    variance = covariance.diagonal()
    moving = variance > 1e-12 * (m.second.diagonal() / m.count).clamp_min(1e-300)
    if not moving.any():
        return 0
    scale = variance[moving].sqrt()
    values = torch.linalg.eigvalsh(covariance[moving][:, moving] / torch.outer(scale, scale))
    return int((values > max(1e-4, 0.01 * float(values[-1]))).sum())


def invariance_ratio(one: Rows, other: Rows) -> float:
    """Return E|z - z'|^2 over views of one sample, over E|z - z''|^2 over different samples; views (N, D), N > 1.

    0 is invariance, 1 means that views of a sample are as far apart as any two rows. NaN at point collapse.

    Source: theorem 1 (invariance) of Dubois et al. 2022 (arXiv 2209.06235), as a ratio.
    """
    a, b = (torch.as_tensor(x).detach().double() for x in (one, other))
    same = float((a - b).square().sum(dim=1).mean())
    # E over i != j of |a_i - b_j|^2 from sums: all pairs without those of one sample.
    n = len(a)
    pairs = n * float(a.square().sum() + b.square().sum()) - 2 * float(a.sum(dim=0) @ b.sum(dim=0))
    different = (pairs - n * same) / (n * (n - 1))
    size = float(a.square().sum(dim=1).mean() + b.square().sum(dim=1).mean())
    return same / different if different > 1e-12 * size else nan


def worst_invariant_task(
    train: ArrayLike,
    train_classes: ArrayLike,
    test: ArrayLike,
    test_classes: ArrayLike,
    *,
    tasks: int = 16,
    seed: int = 0,
) -> dict[str, float]:
    """Return the "worst" and the "mean" linear accuracy over random tasks that merge the classes of rows (N, D) in two.

    1 for a representation that is ideal: any labelling that is constant on the classes is then learnt linearly.

    Source: Dubois et al. 2022 (arXiv 2209.06235), the worst case over invariant tasks (16 merges).
    """
    classes, place = np.unique(np.asarray(train_classes), return_inverse=True)
    test_place = np.searchsorted(classes, np.asarray(test_classes))
    random, scores = np.random.default_rng(seed), []
    for _ in range(tasks):
        # Both labels get a class, so that there is something to tell apart.
        merged = random.permutation(np.concatenate([[0, 1], random.integers(2, size=len(classes))])[: len(classes)])
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(np.asarray(train), merged[place])
        scores.append(float(probe.score(np.asarray(test), merged[test_place])))
    return {"worst": min(scores), "mean": float(np.mean(scores))}


def unseen_mass(samples: int, classes: int) -> float:
    """Return the expected fraction of K equally common classes never seen in n draws, (1 - 1/K)^n.

    It is the worst-case error, over all invariant tasks, of an ideal representation with n labels.

    Source: Dubois et al. 2022 (arXiv 2209.06235), proposition 2.
    """
    return (1 - 1 / classes) ** samples


def _eigenvalues(rows: Rows, *, centred: bool = True) -> Tensor:
    """Return the eigenvalues, largest first, without what rounding leaves."""
    m = Moments.of(rows)
    values = torch.linalg.eigvalsh(m.covariance() if centred else m.second / m.count).flip(0)
    return values[values > 1e-12 * m.second.trace() / m.count]


def _entropy_rank(values: Tensor) -> float:
    p = (values / values.sum()).tolist()
    return exp(-sum(x * log(x) for x in p if x > 0)) if p else nan
