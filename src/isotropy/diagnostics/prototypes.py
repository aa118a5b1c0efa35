"""Assignments to prototypes or categories: are all in use, is each sample sure, do teacher and student agree?"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from numpy.typing import ArrayLike
from torch import Tensor


@dataclass(frozen=True)
class Uses:
    """The sums of N rows of probabilities that `assignments` is a function of, in float64.

    Attributes:
        count: N. total: (K,), the sum of the rows. likeliest: (K,), how many rows each category is the likeliest of.
        entropy: the sum of the rows' entropies.
    """

    count: float
    total: Tensor
    likeliest: Tensor
    entropy: float

    @classmethod
    def of(cls, probabilities: ArrayLike | Tensor) -> "Uses":
        """Return the sums of rows (N, K); raise ValueError where they do not sum to 1 within 1e-3."""
        p = _probabilities(probabilities)
        likeliest = torch.bincount(p.argmax(dim=1), minlength=p.shape[1]).to(p)
        return cls(float(len(p)), p.sum(dim=0), likeliest, float(_entropy(p).sum()))

    def over_ranks(self, total: Callable[[Tensor], Tensor]) -> "Uses":
        """Return the sums over all ranks; `total` adds a vector up over them, in one call."""
        scalars = self.total.new_tensor([self.count, self.entropy])
        packed = total(torch.cat([scalars, self.total, self.likeliest]))
        summed, likeliest = packed[2:].chunk(2)
        return Uses(float(packed[0]), summed, likeliest, float(packed[1]))


def assignments(probabilities: ArrayLike | Tensor | Uses) -> dict[str, float]:
    """Return how K categories are used by N samples; natural logarithms.

    - "marginal_entropy": H(mean of the rows), 0 (one category has all) to ln K (balanced).
    - "entropy": the mean of the rows' H, 0 (sure) to ln K (each sample spread evenly: uniform codes).
    - "information": their difference, what a category says of the sample; 0 at both collapses.
    - "used": how many categories are the likeliest of some sample.
    - "imbalance": max over k of |K mean_k - 1|; 0 where the marginal is even, K - 1 where one has all.

    A cross-entropy that stands at ln K says "uniform codes"; one that goes to 0 with the marginal entropy says "one
    code".

    Args:
        probabilities: (N, K), rows that sum to 1, or their `Uses`.

    Raises:
        ValueError: another shape, or rows that do not sum to 1 within 1e-3.

    Source: the entropies of Caron et al. 2021 (arXiv 2104.14294), section 5.3, and of stability.

    Example:
        >>> found = assignments(torch.eye(4))
        >>> round(found["marginal_entropy"], 4), found["entropy"], found["used"]
        (1.3863, 0.0, 4.0)
    """
    uses = probabilities if isinstance(probabilities, Uses) else Uses.of(probabilities)
    mean = uses.total / uses.count
    marginal, each = float(_entropy(mean)), uses.entropy / uses.count
    return {
        "marginal_entropy": marginal,
        "entropy": each,
        "information": marginal - each,
        "used": float((uses.likeliest > 0).sum()),
        "imbalance": float((len(mean) * mean - 1).abs().max()),
    }


def divergence(teacher: ArrayLike | Tensor, student: ArrayLike | Tensor) -> float:
    """Return the mean over samples of KL(teacher || student) = cross-entropy - H(teacher); natural logarithm.

    Range 0 (equal) to infinity. It is what a distillation loss can still gain: the loss itself never falls below the
    teacher's entropy.

    Args:
        teacher: (N, K), rows that sum to 1. student: (N, K), likewise.

    Raises:
        ValueError: the shapes differ, or rows that are no probabilities.

    Source: Caron et al. 2021 (arXiv 2104.14294), section 5.3 (the decomposition h + KL).

    Example:
        >>> divergence([[0.5, 0.5]], [[0.5, 0.5]])
        0.0
    """
    t, s = _probabilities(teacher), _probabilities(student)
    if t.shape != s.shape:
        raise ValueError(f"teacher and student must have one shape (N, K), got {tuple(t.shape)} and {tuple(s.shape)}")
    return float((torch.special.xlogy(t, t) - torch.special.xlogy(t, s)).sum(dim=1).mean())


def most_even(categories: int, samples: int, entropy: float = 0.0) -> float:
    """Return the largest marginal entropy that a batch can show: min(ln K, ln N + H of a row).

    Where N < K, sure samples cannot use all categories, so judge a marginal entropy against this, not ln K.

    Args:
        categories: K. samples: N. entropy: the mean entropy of a row.

    Source: subadditivity of the entropy, for a mean of N rows.

    Example:
        >>> round(most_even(1024, 256), 4)
        5.5452
    """
    return min(log(categories), log(samples) + entropy)


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(dim=-1)


def _probabilities(x: ArrayLike | Tensor) -> Tensor:
    p = torch.as_tensor(x).detach().double()
    if p.ndim != 2 or not len(p) or float((p.sum(dim=1) - 1).abs().max()) > 1e-3 or float(p.min()) < 0:
        raise ValueError(f"probabilities must be (N, K), rows that sum to 1, and have shape {tuple(p.shape)}")
    return p
