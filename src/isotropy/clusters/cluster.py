"""Clusters of embeddings, with their number by stability, and the rows that stand for each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from isotropy.clusters.axes import Floats, principal
from isotropy.clusters.stability import STARTS, Agreement, agreements, most_stable, refound
from isotropy.errors import UserError, nearest

AUTO = "auto"
EXEMPLARS = 5
MOST = 1000  # clusters
# HDBSCAN looks at the distances of all pairs of rows, and finds less the more axes there are.
_HDBSCAN_ROWS, _HDBSCAN_AXES = 10_000, 10
_SMALLEST, _NEIGHBOURS = 0.01, 5


@dataclass(frozen=True)
class Clusters:
    """Clusters of N rows, numbered from 0, the largest first.

    Attributes:
        labels: (N,) int32, -1 for a row in none. method: a name of `METHODS`.
        exemplars: of each cluster the numbers of the rows nearest to its middle, nearest first.
        stability: of each cluster, in [0, 1]; see `refound`. None where clusters are not refound by drawing halves.
        agreement: for each number of clusters tried, where it was chosen.
        clear: whether the number chosen is more stable than without structure; None where it was given.
    """

    labels: NDArray[np.int32]
    method: str
    exemplars: list[list[int]]
    stability: list[float] | None = None
    agreement: tuple[Agreement, ...] = ()
    clear: bool | None = None

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return len(self.exemplars)

    @property
    def sizes(self) -> list[int]:
        """Rows of each cluster."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.count).tolist()

    @property
    def unassigned(self) -> int:
        """Rows in no cluster."""
        return int((self.labels < 0).sum())


def cluster(vectors: Floats, k: int | str = AUTO, *, method: str = "kmeans", seed: int = 0) -> Clusters:
    """Return clusters of embeddings (N, d), along their leading 50 principal axes and as they are scaled.

    The number of clusters is chosen on at most 2,000 rows and takes seconds, whatever N is. HDBSCAN works on 10 axes of
    at most 10,000 rows; the others have the cluster of the nearest one of these.

    Args:
        k: how many, or "auto": by `agreements` and `most_stable`. HDBSCAN finds its number itself.
        method: "kmeans" or "hdbscan" (scikit-learn's).

    Raises:
        UserError: another method or number, more clusters than distinct rows, rows that are the same, or no cluster.

    Example:
        >>> found = cluster(np.repeat(np.eye(3, dtype=np.float32), 20, axis=0), 3)
        >>> found.sizes, found.exemplars, found.stability
        ([20, 20, 20], [[0], [20], [40]], [1.0, 1.0, 1.0])
    """
    if method not in METHODS:
        raise UserError(f"method {method!r} is unknown{nearest(method, METHODS)}")
    wanted = _number(k)
    with threadpool_limits(limits=1):
        return METHODS[method](principal(vectors, seed=seed), wanted, seed)


def _kmeans(x: Floats, k: int | None, seed: int) -> Clusters:
    from sklearn.cluster import KMeans

    agreement: tuple[Agreement, ...] = ()
    clear = None
    if k is None:
        agreement = tuple(agreements(x, seed=seed))
        if not agreement:
            raise UserError(f"{len(x)} rows are too few to choose the number of clusters: say it, as -k 2")
        k, clear = most_stable(agreement)
    if k > (distinct := _distinct(x, k)):
        raise UserError(f"k = {k} clusters, and there are {distinct} distinct rows: take fewer")
    model = KMeans(k, n_init=STARTS, max_iter=100, random_state=seed).fit(x)
    labels = _largest_first(model.labels_)
    stability = refound(labels, x, seed=seed) if k > 1 else [1.0]
    return Clusters(labels, "kmeans", _exemplars(labels, x), stability, agreement, clear)


def _hdbscan(x: Floats, k: int | None, seed: int) -> Clusters:
    from sklearn.cluster import HDBSCAN
    from sklearn.neighbors import NearestNeighbors

    if k is not None:
        raise UserError("hdbscan finds the number of clusters itself: leave -k out, or take kmeans")
    x = x[:, :_HDBSCAN_AXES]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(x))[:_HDBSCAN_ROWS])
    smallest = max(_NEIGHBOURS, int(_SMALLEST * len(drawn)))
    if smallest > len(drawn):
        raise UserError(f"hdbscan needs at least {smallest} rows, and there are {len(drawn)}")
    found = HDBSCAN(min_cluster_size=smallest, min_samples=_NEIGHBOURS, copy=True).fit_predict(x[drawn])
    if (found < 0).all():
        raise UserError("hdbscan finds no region that is denser than its surroundings: take kmeans")
    if len(drawn) < len(x):
        found = found[NearestNeighbors(n_neighbors=1).fit(x[drawn]).kneighbors(x, return_distance=False)[:, 0]]
    labels = _largest_first(found)
    return Clusters(labels, "hdbscan", _exemplars(labels, x))


Clusterer = Callable[[Floats, int | None, int], Clusters]
METHODS: dict[str, Clusterer] = {"kmeans": _kmeans, "hdbscan": _hdbscan}


def _number(k: Any) -> int | None:
    """Return how many clusters, None for "auto"."""
    if isinstance(k, str) and k.strip().lower() == AUTO:
        return None
    try:
        number = int(k)
        if number != float(k):
            raise ValueError
    except (TypeError, ValueError):
        raise UserError(f"k = {k!r}: give a whole number of clusters, or {AUTO!r}") from None
    if not 1 <= number <= MOST:
        raise UserError(f"k = {number}: give 1 to {MOST:,} clusters, or {AUTO!r}")
    return number


def _distinct(x: Floats, most: int) -> int:
    """Return how many distinct rows there are, or at least `most` of them."""
    few = len(np.unique(x[: 10 * most], axis=0))
    return few if few >= most else len(np.unique(x, axis=0))


def _largest_first(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Return clusters numbered by their sizes; of equal ones the one whose first row comes first."""
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    kept = names >= 0
    order = np.lexsort((first[kept], -sizes[kept]))
    places = np.full(int(names.max()) + 2, -1, dtype=np.int32)
    places[names[kept][order]] = np.arange(len(order), dtype=np.int32)
    return places[labels]


def _exemplars(labels: NDArray[np.int32], x: Floats) -> list[list[int]]:
    """Return the rows nearest to the middle of each cluster, of equal ones the first; copies are named once."""
    found = []
    for number in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == number)
        far = ((x[rows] - x[rows].mean(axis=0)) ** 2).sum(axis=1)
        near = rows[np.argsort(far, kind="stable")[: 100 * EXEMPLARS]]
        _, first = np.unique(x[near], axis=0, return_index=True)
        found.append(near[np.sort(first)][:EXEMPLARS].tolist())
    return found
