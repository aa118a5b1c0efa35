"""What a representation has to beat: features that cost nothing to learn."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from isotropy.features import random_convolutions
from isotropy.features.series import lengths_of, whole_series
from isotropy.features.summary import series_summary, usual_bands

Features = NDArray[np.float32]
Pair = tuple[Features, Features]

FIT_ROWS = 10_000
WIDEST = 4096
UNTRAINED = "untrained encoder"


def collect(
    raw_train: ArrayLike,
    raw_test: ArrayLike,
    *,
    width: int,
    untrained: tuple[ArrayLike, ArrayLike] | None = None,
    series: tuple[ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
) -> dict[str, Pair]:
    """Return the baselines by name, each as (training, test) features for `evaluate`.

    "raw features" (through a random projection where wider than 4096), "PCA (width)" of the same width as the
    embedding, "untrained encoder" where its embeddings are given; where series are given "summary features" and, from
    3 steps on, "random convolutions".

    Args:
        raw_train: raw features of the training rows (N, F), as the preprocessing gives them.
        raw_test: those of the test rows (M, F).
        width: of the embedding.
        untrained: embeddings of the same encoder at random initialisation, (N, D) and (M, D).
        series: the series themselves (N, C, T) and (M, C, T), NaN behind the ends of shorter ones.
        seed: of the projections.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(20, 6))
        >>> {name: train.shape for name, (train, _) in collect(x, x, width=3).items()}
        {'raw features': (20, 6), 'PCA (3)': (20, 3)}
    """
    raw = narrow(raw_train, raw_test, seed=seed)
    reduced = pca(*raw, width=width, seed=seed)
    found = {"raw features": raw, f"PCA ({reduced[0].shape[1]})": reduced}
    if series is not None:
        bands = usual_bands(series[0])
        found["summary features"] = standardise(*(series_summary(part, bands=bands) for part in series))
        if np.shape(series[0])[2] >= 3:
            whole = _of_one_length(*(np.asarray(part) for part in series))
            found[random_convolutions.NAME] = random_convolutions.affordable(*whole, seed=seed)
    if untrained is not None:
        found[UNTRAINED] = (
            np.asarray(untrained[0], dtype=np.float32),
            np.asarray(untrained[1], dtype=np.float32),
        )
    return found


def _of_one_length(*parts: NDArray[Any]) -> list[Features]:
    """Return series as they are, or where they are of several lengths all brought to one, as an embedding does it."""
    length = parts[0].shape[2]
    if all((lengths_of(part) == length).all() for part in parts):
        return list(parts)
    return [whole_series(torch.from_numpy(part), min(length, random_convolutions.LONGEST)) for part in parts]


def pca(train: ArrayLike, test: ArrayLike, *, width: int, seed: int = 0) -> Pair:
    """Return both parts projected on the leading principal axes of the training part, not whitened.

    Fitted on at most 10,000 training rows drawn with `seed`. The width is at most the number of columns and of
    rows fitted on.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 4)) * [9, 5, 1, 1]
        >>> first, _ = pca(x, x, width=2)
        >>> first.shape, bool(first[:, 0].var() > first[:, 1].var() > 10)
        ((50, 2), True)
    """
    from sklearn.decomposition import PCA

    x, y = np.asarray(train, dtype=np.float32), np.asarray(test, dtype=np.float32)
    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:FIT_ROWS])
    model = PCA(n_components=min(width, x.shape[1], len(rows)), random_state=seed).fit(x[rows])
    return model.transform(x).astype(np.float32), model.transform(y).astype(np.float32)


def standardise(train: ArrayLike, test: ArrayLike) -> Pair:
    """Return both parts with the training part's mean 0 and standard deviation 1 per column (constant: 0)."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(np.asarray(train, dtype=np.float64))
    varies = scaler.var_ > 1e-16 * (1 + scaler.mean_**2)
    parts = [(scaler.transform(np.asarray(part, dtype=np.float64)) * varies) for part in (train, test)]
    return parts[0].astype(np.float32), parts[1].astype(np.float32)


def narrow(train: Any, test: Any, *, widest: int = WIDEST, seed: int = 0) -> Pair:
    """Return both parts as they are, or through one random projection to `widest` columns where they are wider.

    Gaussian entries of variance 1 / widest keep squared distances and inner products in the mean, so that
    photographs of 150,000 values stay affordable. The projection is drawn in blocks of columns (the whole of it, as
    scikit-learn's GaussianRandomProjection holds it, would take 5 GB there), and a memory map is never held whole.

    Source: Johnson and Lindenstrauss (1984).

    Example:
        >>> wide, _ = narrow(np.ones((3, 50)), np.ones((2, 50)), widest=8)
        >>> wide.shape
        (3, 8)
    """
    parts = [part if hasattr(part, "shape") else np.asarray(part) for part in (train, test)]
    columns = parts[0].shape[1]
    if columns <= widest:
        return np.asarray(parts[0], dtype=np.float32), np.asarray(parts[1], dtype=np.float32)
    out = [np.zeros((len(part), widest), dtype=np.float32) for part in parts]
    rng = np.random.default_rng(seed)
    for start in range(0, columns, WIDEST):
        block = slice(start, min(start + WIDEST, columns))
        projection = rng.standard_normal((block.stop - start, widest), dtype=np.float32) / np.sqrt(widest)
        for part, result in zip(parts, out):
            result += np.asarray(part[:, block], dtype=np.float32) @ projection.astype(np.float32)
    return out[0], out[1]
