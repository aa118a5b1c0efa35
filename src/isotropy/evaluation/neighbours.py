"""Exact nearest neighbours by cosine, in pieces of bounded memory."""

import torch
import torch.nn.functional as F
from torch import Tensor

GROUP = 16  # places that `largest` takes together
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


def largest(x: Tensor, count: int) -> Tensor:
    """Return the places of each row's `count` largest values, (n, count), in no order: several times as fast as `topk`.

    They lie in the groups of places with the largest maxima; of these alone the largest are looked for.

    Args:
        x: (n, m), m a multiple of `GROUP`, padded with minus infinity. count: at most m.

    Example:
        >>> largest(torch.arange(32.0)[None], 2).sort().values.tolist()
        [[30, 31]]
    """
    # A group takes every (groups)-th place, so that maxima are taken along memory.
    groups = x.shape[1] // GROUP
    best = x.view(len(x), GROUP, groups).amax(1).topk(min(count, groups), dim=1, sorted=False).indices
    places = (best[:, None] + groups * torch.arange(GROUP)[:, None]).flatten(1)
    return places.gather(1, x.gather(1, places).topk(count, dim=1, sorted=False).indices)


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
