"""How many clusters? As many as half of the rows find again in the other half, and structureless rows do not."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NUMBERS = (*range(2, 13), 15, 20, 30)
ROWS = 2000
SEEDS, STARTS = 5, 3
# Sets of structureless rows, and halves of each; one set alone was measured to be off by .2.
REFERENCES, REFERENCE_SEEDS = 5, 3
LEAST = 0.6  # agreement below which clusters are not worth comparing
MARGIN = 0.05  # of agreement above every structureless set, or half of what is left to 1: less is no evidence
_NEAR = 0.02  # of agreement that does not tell two numbers of clusters apart
_FEWEST = 5  # rows a cluster


@dataclass(frozen=True)
class Agreement:
    """How alike the clusterings of different halves of the rows are, for one number of clusters.

    Attributes:
        clusters: how many. mean: of the adjusted Rand index of all pairs of seeds: 1 for the same, 0 by chance.
        reference: the highest of five sets of structureless rows: Gaussian, with the same covariance. None where it was
            not needed.
    """

    clusters: int
    mean: float
    reference: float | None = None

    @property
    def clear(self) -> bool:
        """Whether it is known to be above its reference."""
        reference = self.reference
        return reference is not None and self.mean >= reference + min(MARGIN, (1 - reference) / 2)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


def agreements(x: Floats, *, numbers: Sequence[int] = NUMBERS, seed: int = 0) -> list[Agreement]:
    """Return how stable k-means is for each number of clusters that at most 2,000 drawn rows (N, d) allow.

    Each seed clusters half of these rows (best of three starts), and all of them are then given its clusters. The most
    stable number is compared with structureless rows; if it is not above them the next one is, down to .6.

    Args:
        x: along principal axes, so that its columns are uncorrelated.

    Source: Ben-Hur, Elisseeff and Guyon 2002; Hubert and Arabie 1985 for the index; Tibshirani, Walther and Hastie 2001
        for the reference.

    Example:
        >>> x = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
        >>> [round(one.mean, 2) for one in agreements(x, numbers=[3])]
        [1.0]
    """
    x = x[np.sort(np.random.default_rng(seed).permutation(len(x))[:ROWS])]
    # Copies are together in every clustering, which says nothing of the others: one of each is compared.
    distinct = np.unique(x, axis=0, return_index=True)[1]
    most = min(len(x) // 2 // _FEWEST, len(distinct))
    possible = [k for k in numbers if k <= most]
    found = {k: Agreement(k, _mean_agreement(x, k, SEEDS, seed, distinct)) for k in possible}
    for number, k in enumerate(sorted(found, key=lambda k: (-found[k].mean, -k))):
        if number and found[k].mean < LEAST:
            break
        found[k] = replace(found[k], reference=_reference(x, k, seed))
        best = max((one.mean for one in found.values() if one.clear), default=None)
        if best is not None and found[k].mean < best - _NEAR:
            break
    return list(found.values())


def most_stable(found: Sequence[Agreement]) -> tuple[int, bool]:
    """Return the number of clusters to take, and whether it is clearly more stable than without structure.

    The largest one whose agreement is within .02 of the highest, among those that are clearly above their reference; if
    there is none, the one that comes nearest to that.

    Example:
        >>> most_stable([Agreement(2, 0.99, 0.95), Agreement(3, 0.98, 0.5), Agreement(4, 0.97, 0.5)])
        (4, True)
        >>> most_stable([Agreement(2, 0.9, 0.9), Agreement(3, 0.53, 0.5), Agreement(4, 0.5)])
        (3, False)
    """
    clear = [one for one in found if one.clear]
    if not clear:
        return max(found, key=lambda one: -2.0 if one.reference is None else one.mean - one.reference).clusters, False
    best = max(one.mean for one in clear)
    return max(one.clusters for one in clear if one.mean >= best - _NEAR), True


def halves(x: Floats, clusters: int, seeds: int, seed: int = 0) -> list[NDArray[np.int32]]:
    """Return the clusters (N,) that each of so many drawn halves of the rows gives all of them."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    found = []
    for number in range(seeds):
        half = np.random.default_rng((seed, number)).permutation(len(x))[: max(len(x) // 2, clusters)]
        with warnings.catch_warnings():
            # A half may have fewer distinct rows than clusters.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = KMeans(clusters, n_init=STARTS, max_iter=50, random_state=seed + number).fit(x[half])
        found.append(model.predict(x))
    return found


def refound(labels: NDArray[Any], x: Floats, *, seed: int = 0) -> list[float]:
    """Return for each cluster 0, 1, ... how much of it halves of the rows find again: its mean best Jaccard index.

    Above .75 a cluster is stable, below .6 it is not to be relied on.

    Args:
        labels: (N,), -1 for none. x: (N, d); at most 2,000 rows are looked at.

    Source: Hennig 2007, Cluster-wise assessment of cluster stability.

    Example:
        >>> refound(np.repeat([0, 1], 20), np.repeat(np.eye(2, dtype=np.float32), 20, axis=0))
        [1.0, 1.0]
    """
    count = int(labels.max()) + 1
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:ROWS])
    own = labels[rows, None] == np.arange(count)
    scores = []
    for other in halves(x[rows], count, SEEDS, seed):
        theirs = other[:, None] == np.arange(count)
        both = own.T.astype(np.float64) @ theirs
        either = own.sum(0)[:, None] + theirs.sum(0)[None] - both
        scores.append((both / np.maximum(either, 1)).max(axis=1))
    return [float(one) for one in np.mean(scores, axis=0).round(4)]


def _mean_agreement(
    x: Floats, clusters: int, seeds: int, seed: int, compared: NDArray[np.intp] | slice = slice(None)
) -> float:
    from sklearn.metrics import adjusted_rand_score

    pairs = combinations([found[compared] for found in halves(x, clusters, seeds, seed)], 2)
    return round(float(np.mean([adjusted_rand_score(one, other) for one, other in pairs])), 4)


def _reference(x: Floats, clusters: int, seed: int) -> float:
    """Return the highest mean agreement of structureless sets of as many rows, with the same covariance."""
    spread = x.std(axis=0)
    sets = (np.random.default_rng((seed, number)).standard_normal(x.shape) for number in range(REFERENCES))
    return max(_mean_agreement((one * spread).astype(np.float32), clusters, REFERENCE_SEEDS, seed) for one in sets)
