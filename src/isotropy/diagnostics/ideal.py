"""What an ideal representation satisfies, measured: views agree, classes are predictable, there is room for all.

For linear probes a representation is as good as it can be if and only if (Dubois et al. 2022, theorem 1) a linear map
tells the equivalence classes apart, equivalent inputs have equal vectors, and the vectors span at least K - 1
dimensions for K classes (`effective_dimension`).
"""

from math import nan

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor


def invariance_ratio(one: ArrayLike | Tensor, other: ArrayLike | Tensor) -> float:
    """Return E|z - z'|^2 over views of one sample, over E|z - z''|^2 over different samples.

    0 is invariance, 1 means that views of a sample are as far apart as any two rows. NaN at point collapse.

    Args:
        one: (N, D), N > 1. other: (N, D), another view of each.

    Raises:
        ValueError: the shapes differ, or one sample.

    Source: theorem 1 (invariance) of Dubois et al. 2022 (arXiv 2209.06235), as a ratio.

    Example:
        >>> invariance_ratio(torch.eye(4), torch.eye(4))
        0.0
    """
    a, b = (torch.as_tensor(x).detach().double() for x in (one, other))
    if a.shape != b.shape or len(a) < 2:
        raise ValueError(f"two views must be (N, D), alike, N > 1: got {tuple(a.shape)} and {tuple(b.shape)}")
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
    labels: int = 2,
    seed: int = 0,
) -> dict[str, float]:
    """Return the "worst" and the "mean" linear accuracy over random tasks that merge the equivalence classes.

    1 for a representation that is ideal: any labelling that is constant on the classes is then learnt linearly.

    Args:
        train: (N, D). train_classes: (N,), the equivalence class of a row. test, test_classes: likewise.
        tasks: how many random merges. labels: into how many labels, at least 2 and at most the number of classes.
        seed: of the merges.

    Raises:
        ValueError: fewer classes than labels.

    Source: Dubois et al. 2022 (arXiv 2209.06235), the worst case over invariant tasks (16 merges).

    Example:
        >>> x = np.repeat(np.eye(4), 8, axis=0)
        >>> worst_invariant_task(x, np.repeat(range(4), 8), x, np.repeat(range(4), 8), tasks=3)["worst"]
        1.0
    """
    classes, place = np.unique(np.asarray(train_classes), return_inverse=True)
    if not 2 <= labels <= len(classes):
        raise ValueError(f"{len(classes)} classes cannot be merged into {labels} labels")
    order = {value: number for number, value in enumerate(classes.tolist())}
    there = np.array([order.get(value, -1) for value in np.asarray(test_classes).tolist()])
    random, scores = np.random.default_rng(seed), []
    for _ in range(tasks):
        # Every label gets a class, so that there is something to tell apart.
        merged = random.permutation(
            np.concatenate([np.arange(labels), random.integers(labels, size=len(classes))])[: len(classes)]
        )
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(np.asarray(train), merged[place])
        known = there >= 0
        scores.append(float(probe.score(np.asarray(test)[known], merged[there[known]])))
    return {"worst": min(scores), "mean": float(np.mean(scores))}


def unseen_mass(samples: int, shares: ArrayLike | int) -> float:
    """Return the expected fraction of classes never seen in n draws, sum p_k (1 - p_k)^n; (1 - 1/K)^n for K equal ones.

    It is the worst-case error, over all invariant tasks, of an ideal representation with n labels.

    Args:
        samples: n, at least 0. shares: K, for K equal classes, or the classes' shares, which sum to 1.

    Source: Dubois et al. 2022 (arXiv 2209.06235), proposition 2.

    Example:
        >>> round(unseen_mass(5, 10), 4)
        0.5905
    """
    p = np.full(shares, 1 / shares) if isinstance(shares, int) else np.asarray(shares, dtype=float)
    return float((p * (1 - p) ** samples).sum())
