"""Exact nearest neighbours by cosine, in pieces of bounded memory."""

import torch
import torch.nn.functional as F
from torch import Tensor

_CELLS = 1 << 25  # similarities held at a time: 128 MB


def most_similar(queries: Tensor, keys: Tensor, k: int, *, among_themselves: bool = False) -> tuple[Tensor, Tensor]:
    """Return the cosines and the places of the k most similar `keys` of each query, both (M, k), best first.

    Args:
        queries: (M, d). keys: (N, d). A row of zeros has cosine 0 to every other.
        k: at most N, or N - 1 among themselves.
        among_themselves: queries and keys are the same rows, and no row is its own neighbour.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> most_similar(x, x, 1, among_themselves=True)[1].flatten().tolist()
        [1, 0, 1]
    """
    keys, queries = F.normalize(keys, dim=1), F.normalize(queries, dim=1)
    found = []
    for start in range(0, len(queries), step := max(1, _CELLS // len(keys))):
        similarity = queries[start : start + step] @ keys.T
        if among_themselves:
            own = torch.arange(len(similarity))
            similarity[own, start + own] = -torch.inf
        found.append(similarity.topk(k, dim=1))
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])


def overlap(one: Tensor, other: Tensor, k: int = 10) -> Tensor:
    """Return which fraction of a row's k nearest neighbours two representations share, (N,) in [0, 1].

    Args:
        one: (N, d). other: (N, e). k: at most N - 1 are taken.

    Example:
        >>> x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
        >>> float(overlap(x, 2 * x).mean()), bool(overlap(x, x.flip(0)).mean() < 0.5)
        (1.0, True)
    """
    k = min(k, len(one) - 1)
    near, also = (most_similar(x, x, k, among_themselves=True)[1] for x in (one, other))
    return (near[:, :, None] == also[:, None]).any(dim=2).double().mean(dim=1)
