"""The largest values of a matrix, found by the maxima of groups: most groups hold none, and are not looked at again."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GROUP = 16  # places that are taken together; one pass that finds their maxima is cheaper than one that compares all


def largest(x: Tensor, count: int) -> Tensor:
    """Return the places of each row's `count` largest values, (n, count), in no order: several times as fast as `topk`.

    They lie in the groups of places with the largest maxima; of these alone the largest are looked for.

    Args:
        x: (n, m), m a multiple of `GROUP`, padded with minus infinity. count: at most m.

    Example:
        >>> largest(torch.arange(64.0)[None], 2).sort().values.tolist()
        [[62, 63]]
    """
    best = _maxima(x).topk(min(count, x.shape[1] // GROUP), dim=1, sorted=False).indices
    places = (best[:, None] + x.shape[1] // GROUP * torch.arange(GROUP)[:, None]).flatten(1)
    return places.gather(1, x.gather(1, places).topk(count, dim=1, sorted=False).indices)


def where_at_least(x: Tensor, bound: Tensor, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the row and the place of values of at least `bound` (n,), or None if they are more than `most`.

    Args:
        x: (n, m), m a multiple of `GROUP`.

    Example:
        >>> where_at_least(torch.arange(64.0)[None], torch.tensor([62.5]), 8)
        (array([0]), array([63]))
    """
    row, group = (_maxima(x) >= bound[:, None]).nonzero(as_tuple=True)
    if len(row) > most:
        return None
    among, turn = (_grouped(x)[row, :, group] >= bound[row, None]).nonzero(as_tuple=True)
    if len(among) > most:
        return None
    return row[among].numpy(), (turn * (x.shape[1] // GROUP) + group[among]).numpy()


def _grouped(x: Tensor) -> Tensor:
    """Return a view (n, GROUP, groups): a group takes every so-manieth place, and its maximum is along memory."""
    return x.view(len(x), GROUP, -1)


def _maxima(x: Tensor) -> Tensor:
    return _grouped(x).amax(1)
