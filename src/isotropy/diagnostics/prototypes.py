"""Assignments to prototypes or categories: are all in use, and is each sample sure? Natural logarithms."""

from dataclasses import dataclass
from math import log

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isotropy.diagnostics.sums import Additive


@dataclass(frozen=True)
class Uses(Additive):
    """The sums of N rows of probabilities that `assignments` is a function of.

    Attributes:
        count: N. total: (K,), the sum of the rows. likeliest: (K,), how many rows each category is the likeliest of.
        entropy: the sum of the rows' entropies.
    """

    count: Tensor
    total: Tensor
    likeliest: Tensor
    entropy: Tensor

    @classmethod
    def of(cls, probabilities: ArrayLike | Tensor) -> "Uses":
        """Return the sums of rows (N, K); raise ValueError where they do not sum to 1 within 1e-3."""
        p = torch.as_tensor(probabilities).detach().double()
        if p.ndim != 2 or not len(p) or float((p.sum(dim=1) - 1).abs().max()) > 1e-3 or float(p.min()) < 0:
            raise ValueError(f"probabilities must be (N, K), rows that sum to 1, and have shape {tuple(p.shape)}")
        likeliest = torch.bincount(p.argmax(dim=1), minlength=p.shape[1]).to(p)
        return cls(p.new_tensor(len(p)), p.sum(dim=0), likeliest, _entropy(p).sum())


def assignments(probabilities: ArrayLike | Tensor | Uses) -> dict[str, float]:
    """Return how K categories are used by N samples.

    - "marginal_entropy": H(mean of the rows), 0 (one category has all) to ln K (balanced).
    - "entropy": the mean of the rows' H, 0 (sure) to ln K (each sample spread evenly: uniform codes).
    - "information": their difference, what a category says of the sample; 0 at both collapses.
    - "used": how many categories are the likeliest of some sample.
    - "imbalance": max over k of |K mean_k - 1|; 0 where the marginal is even, K - 1 where one has all.

    Args:
        probabilities: (N, K), rows that sum to 1, or their `Uses`.

    Raises:
        ValueError: another shape, or rows that do not sum to 1 within 1e-3.

    Source: the entropies of Caron et al. 2021 (arXiv 2104.14294), section 5.3.

    Example:
        >>> found = assignments(torch.eye(4))
        >>> round(found["marginal_entropy"], 4), found["entropy"], found["used"]
        (1.3863, 0.0, 4.0)
    """
    uses = probabilities if isinstance(probabilities, Uses) else Uses.of(probabilities)
    mean = uses.total / uses.count
    marginal, each = float(_entropy(mean)), float(uses.entropy / uses.count)
    return {
        "marginal_entropy": marginal,
        "entropy": each,
        "information": marginal - each,
        "used": float((uses.likeliest > 0).sum()),
        "imbalance": float((len(mean) * mean - 1).abs().max()),
    }


def most_even(categories: int, samples: int, entropy: float = 0.0) -> float:
    """Return the largest marginal entropy that a batch can show, min(ln K, ln N + mean entropy of a row).

    Where N < K, sure samples cannot use all categories: judge a marginal entropy against this, not ln K.

    Source: subadditivity of the entropy, for a mean of N rows.

    Example:
        >>> round(most_even(categories=1024, samples=256), 4)
        5.5452
    """
    return min(log(categories), log(samples) + entropy)


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)
