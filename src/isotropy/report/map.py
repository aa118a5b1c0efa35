"""Where rows stand on the map, and which rows are near each other."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from isotropy.batch import batched
from isotropy.clusters.explorer import flat_map
from isotropy.diagnostics.rank import effective_rank
from isotropy.errors import UserError
from isotropy.search import neighbour_graph
from isotropy.search.cosine import cosines

NEIGHBOURS = 10
# Rows that t-SNE arranges (2 to 4 s); the others find their places among them.
REFERENCES = 1500
TSNE_FROM = 100  # rows; below, t-SNE has too few neighbours to arrange
STEPS = 500
_AXES = 50
_AMONG = 3  # references that a row's place is the weighted mean of


@dataclass(frozen=True)
class Layout:
    """Positions (N, 2) in the unit square, what made them, and what has to be known of it."""

    name: str
    note: str
    places: NDArray[np.float64]


def layouts(x: NDArray[Any], *, seed: int = 0) -> list[Layout]:
    """Return the maps of embeddings (N, D), the one to begin with first: t-SNE, then the two principal axes.

    t-SNE (perplexity 30, from the first 50 principal axes) arranges at most 1,500 rows. There is none of
    fewer than 100 rows, or where the embeddings use fewer than 3 directions, of which it would make a pattern.

    Source: van der Maaten and Hinton, Visualizing Data using t-SNE (2008).

    Example:
        >>> [one.name for one in layouts(np.eye(4))]
        ['PCA']
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = np.asarray(x, dtype=np.float32)
    some = sample(len(x), REFERENCES)
    rank = effective_rank(x[some])
    if len(x) < 2 or not rank >= 1:
        return [Layout("PCA", "All embeddings are one point.", np.full((len(x), 2), 0.5))]
    model = PCA(n_components=min(_AXES, *x.shape), random_state=seed).fit(x[some] / np.abs(x[some]).max())
    wide = model.transform(x / np.abs(x[some]).max()).astype(np.float32)
    flat = np.zeros((len(x), 2))
    flat[:, : min(2, wide.shape[1])] = wide[:, :2]
    said = ", ".join(f"{fraction:.0%}" for fraction in model.explained_variance_ratio_[:2])
    found = [Layout("PCA", f"The two principal axes ({said} of the variance).", unit_square(flat))]
    if len(x) < TSNE_FROM or not rank >= 3:
        return found
    # One thread: on cores that others use too, t-SNE's threads wait for each other (45 s instead of 6 s).
    with threadpool_limits(limits=1):
        placed = TSNE(init="pca", max_iter=STEPS, random_state=seed).fit_transform(wide[some])
    note = "t-SNE keeps neighbours together; distances between groups and their sizes mean nothing."
    if len(some) < len(x):
        placed = _among(wide, wide[some], placed)
        note += f" It arranges {len(some):,} rows; the others stand among the {_AMONG} nearest of these."
    return [Layout("t-SNE", note, unit_square(placed)), *found]


def umap_layout(x: NDArray[Any], *, seed: int = 0) -> Layout:
    """Return the map of embeddings (N, D) that UMAP makes of their leading 50 principal axes, always the same.

    Source: McInnes et al., UMAP: Uniform Manifold Approximation and Projection (2018).

    Raises:
        UserError: umap-learn is not installed, or embeddings that are one point.
    """
    if find_spec("umap") is None:
        raise UserError("a map by UMAP needs the package umap-learn: pip install 'isotropy[map]'")
    places, how = flat_map(np.asarray(x, dtype=np.float32), seed=seed)
    note = "UMAP keeps neighbours together; distances between groups mean little."
    note = note if how == "UMAP" else "Too few rows for UMAP: the two principal axes."
    return Layout(how, note, unit_square(places))


def sample(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of `count` places, sorted, always the same: evenly spaced ones could miss what recurs.

    Example:
        >>> sample(3, 5).tolist(), len(set(sample(100, 5).tolist()))
        ([0, 1, 2], 5)
    """
    drawn = np.arange(count) if count <= most else np.random.default_rng(0).choice(count, most, replace=False)
    return np.sort(drawn)


def nearest(x: NDArray[Any], k: int = NEIGHBOURS) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the places of the k most similar other rows of each row by cosine, best first, and the cosines, (N, k).

    Example:
        >>> places, cosines = nearest(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1)
        >>> places.flatten().tolist()
        [1, 0, 1]
    """
    rows = F.normalize(torch.from_numpy(np.array(x, dtype=np.float32)), dim=1)
    k = min(k, len(rows) - 1)
    if k < 1:
        return np.zeros((len(rows), 0), dtype=np.int64), np.zeros((len(rows), 0), dtype=np.float32)
    places = neighbour_graph(rows.numpy(), k)[1]
    return places, cosines(rows, rows, places)


def _among(rows: NDArray[np.float32], references: NDArray[np.float32], placed: NDArray[Any]) -> NDArray[np.float64]:
    """Return a place for every row: near its nearest reference, drawn towards the next ones as they are near too."""
    places, known = torch.from_numpy(placed).double(), torch.from_numpy(references)
    found = torch.empty(len(rows), 2, dtype=torch.float64)
    for piece in batched(len(rows), row_bytes=4 * len(references)):
        apart = torch.cdist(torch.from_numpy(rows[piece]), known).topk(_AMONG, largest=False)
        weights = (apart.values.double() + 1e-9).pow(-2)
        found[piece] = (places[apart.indices] * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)
    return found.numpy()


def unit_square(flat: NDArray[Any]) -> NDArray[np.float64]:
    """Return places in the unit square with their proportions kept."""
    low, span = flat.min(axis=0), np.ptp(flat, axis=0)
    return np.asarray(0.5 + (flat - low - span / 2) / max(span.max(), 1e-12), dtype=np.float64)
