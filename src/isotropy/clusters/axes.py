"""The leading principal axes of embeddings, in bounded memory."""

import numpy as np
from numpy.typing import NDArray

from isotropy.batch import batched
from isotropy.errors import UserError

Floats = NDArray[np.float32]

AXES = 50
_LEARNT_ROWS = 10_000
_PIECE = 8192


def principal(vectors: Floats, axes: int = AXES, *, seed: int = 0) -> Floats:
    """Return the coordinates of rows (N, d) along at most so many leading principal axes, (N, axes), centred.

    The axes are those of at most 10,000 drawn rows. Each points so that its largest coefficient is positive.

    Raises:
        UserError: fewer than 2 rows, a value that is not finite, or rows that are all the same.

    Example:
        >>> [round(float(x), 1) for x in principal(np.array([[0, 0], [2, 0], [4, 1]], dtype=np.float32), 1)[:, 0]]
        [-2.0, -0.1, 2.1]
    """
    from sklearn.decomposition import PCA

    if len(vectors) < 2:
        raise UserError(f"clusters and maps need at least 2 rows, and there {'is 1' if len(vectors) else 'is none'}")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:_LEARNT_ROWS])
    sample = vectors[drawn].astype(np.float64)
    if not np.isfinite(sample).all() or not all(
        np.isfinite(vectors[p]).all() for p in batched(len(vectors), rows=_PIECE)
    ):
        raise UserError("embeddings that are not finite have no clusters and no map: the training diverged")
    # float32 leaves some noise in rows that are the same.
    if float(sample.std(axis=0).max()) <= 1e-6 * float(np.abs(sample).max(initial=1e-30)):
        raise UserError("all embeddings are the same, so that there is nothing to divide: see `isotropy diagnose`")
    model = PCA(min(axes, *sample.shape), svd_solver="auto", random_state=seed).fit(sample)
    turn = np.sign(model.components_[np.arange(len(model.components_)), np.abs(model.components_).argmax(axis=1)])
    onto = (model.components_ * turn[:, None]).T
    out = np.empty((len(vectors), onto.shape[1]), dtype=np.float32)
    for piece in batched(len(vectors), rows=_PIECE):
        # In float64, as a product's last bits depend on a row's place: copies would be told apart, and divided.
        out[piece] = (vectors[piece] - model.mean_) @ onto
    return out
