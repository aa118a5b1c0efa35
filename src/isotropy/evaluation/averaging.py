"""Predictions that held-out rows judge, averaged instead of chosen among: a few rows cannot tell which is best."""

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 64


def average_weights(
    log_probability: NDArray[np.floating], held_out: NDArray[np.bool_], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return what each of J predictions counts for in their average, (J, D): they add up to 1 for each of D draws.

    Pseudo-BMA+: a prediction counts as its held-out rows are probable by it, which many rows turn into a choice; what
    else the rows could have been is a Bayesian bootstrap of 64. Equal where no row of a draw was held out.

    Args:
        log_probability: (J, D, n), of what each row is, in nats. held_out: which rows count, (D, n).
        seed: of the bootstrap, which is the same for every draw.

    Source: Yao, Vehtari, Simpson and Gelman 2018 (Using Stacking to Average Bayesian Predictive Distributions,
    arXiv 1704.02030), section 3.4.

    Example:
        >>> found = np.log([[[0.9] * 8], [[0.8] * 8], [[0.1] * 8]])
        >>> average_weights(found, np.ones((1, 8), dtype=bool)).round(2)[:, 0].tolist()
        [0.72, 0.28, 0.0]
    """
    judged = np.where(held_out, log_probability, 0.0)
    count = held_out.sum(axis=1)
    weights = np.zeros(judged.shape[:2])
    for share in np.random.default_rng(seed).exponential(size=(_RESAMPLES, held_out.shape[1])):
        own = share * held_out
        own *= (count / np.maximum(own.sum(axis=1), 1e-12))[:, None]
        total = np.einsum("jdn,dn->jd", judged, own)
        likely = np.exp(total - total.max(axis=0))
        weights += likely / likely.sum(axis=0)
    return weights / _RESAMPLES
