"""Contrastive losses: pick the other view of a sample among all rows of the batch (SimCLR, MoCo, NNCLR)."""

from math import exp, log

import torch
from torch import Tensor

from isotropy.objectives.rows import check_temperature, check_views, gram, l2_normalize, same_shape, upcast

__all__ = [
    "decoupled_contrast",
    "decoupled_contrast_references",
    "info_nce",
    "info_nce_references",
    "nt_xent",
    "nt_xent_references",
]


def nt_xent(*z: Tensor, temperature: float) -> Tensor:
    """Return the normalised-temperature cross entropy of V views of the same N rows, the mean over all VN anchors of

        -log( sum over its V-1 other views of exp(s/t) / sum over all VN-1 other rows of exp(s/t) )

    with `s` the cosines of rows.

    Args:
        z: V >= 2 views, each (N, D), of any length; row i of every view is the same sample.
        temperature: t > 0, in units of cosine.

    Returns: a scalar in nats, float32 at least: log((VN-1) / (V-1)) at point collapse; see `nt_xent_references`.
    Raises: ValueError for fewer than two views, views of different shapes, or a temperature that is not positive.
    Source: Chen et al. 2020 (arXiv 2002.05709), equation 1; several views as in solo-learn.

    Example:
        >>> same = torch.ones(4, 3)
        >>> torch.allclose(nt_xent(same, same, temperature=0.5), torch.tensor(7.0).log())
        True
    """
    check_views("nt_xent", z)
    check_temperature(temperature)
    views, rows = len(z), len(z[0])
    with torch.autocast(z[0].device.type, enabled=False):
        logits = gram(l2_normalize(upcast(torch.cat(z)))).div_(temperature)
        with torch.no_grad():  # an anchor is not its own candidate
            logits.fill_diagonal_(-torch.inf)
        log_p = logits.log_softmax(dim=1).view(views, rows, views, rows)
        positives = log_p.diagonal(dim1=1, dim2=3)  # (V, V, N); -inf where both views are one
        return -positives.logsumexp(dim=1).mean()


def decoupled_contrast(*z: Tensor, temperature: float) -> Tensor:
    """Return `nt_xent` without the positive below: the mean over all anchors and their V - 1 other views p of

        -s_p/t + log( sum over the V(N-1) views of other samples of exp(s/t) ).

    So an anchor's gradient does not vanish as its negatives become easy, which small batches suffer from most.

    Args:
        z: V >= 2 views, each (N, D) with N >= 2, of any length.
        temperature: t > 0, in units of cosine.

    Returns: a scalar in nats, float32 at least; see `decoupled_contrast_references`.
    Raises: ValueError for fewer than two views or rows, shapes that differ, or a temperature that is not positive.
    Source: Yeh et al. 2022 (ECCV, arXiv 2110.06848), equation 5 (L_DC).

    Example:
        >>> same = torch.ones(4, 3)
        >>> torch.allclose(decoupled_contrast(same, same, temperature=0.5), torch.tensor(6.0).log())
        True
    """
    check_views("decoupled_contrast", z, rows=2)
    check_temperature(temperature)
    views, rows = len(z), len(z[0])
    with torch.autocast(z[0].device.type, enabled=False):
        logits = gram(l2_normalize(upcast(torch.cat(z)))).div_(temperature).view(views, rows, views, rows)
        same_sample = torch.eye(rows, dtype=torch.bool, device=logits.device)[None, :, None, :]
        negatives = logits.masked_fill(same_sample, -torch.inf).flatten(2).logsumexp(dim=2)
        own = logits.diagonal(dim1=1, dim2=3)  # (V, V, N): an anchor's views, itself among them
        positives = (own.sum(dim=1) - own.diagonal(dim1=0, dim2=1).T) / (views - 1)
        return (negatives - positives).mean()


def decoupled_contrast_references(rows: int, *, temperature: float) -> dict[str, float]:
    """Return `decoupled_contrast` of two views where all rows are one point, and where equal views form a simplex.

    Example:
        >>> {name: round(value, 3) for name, value in decoupled_contrast_references(4, temperature=0.5).items()}
        {'point collapse': 1.792, 'perfection': -0.875}
    """
    negatives = 2 * (rows - 1)
    return {"point collapse": log(negatives), "perfection": log(negatives * _simplex(rows, temperature))}


def nt_xent_references(rows: int, *, temperature: float) -> dict[str, float]:
    """Return `nt_xent` of two views where all rows are one point, and where equal views form a simplex: its minimum.

    With more rows than dimensions plus one a simplex does not fit, and the loss stays above "perfection".

    Example:
        >>> {name: round(value, 3) for name, value in nt_xent_references(4, temperature=0.5).items()}
        {'point collapse': 1.946, 'perfection': 0.348}
    """
    return {"point collapse": log(2 * rows - 1), "perfection": log(1 + 2 * (rows - 1) * _simplex(rows, temperature))}


def info_nce_references(rows: int, *, temperature: float) -> dict[str, float]:
    """Return `info_nce` where all rows are one point, and where equal queries and keys form a simplex: its minimum.

    Example:
        >>> {name: round(value, 3) for name, value in info_nce_references(4, temperature=0.5).items()}
        {'point collapse': 1.386, 'perfection': 0.189}
    """
    return {"point collapse": log(rows), "perfection": log(1 + (rows - 1) * _simplex(rows, temperature))}


def _simplex(rows: int, temperature: float) -> float:
    """Return exp((s - 1) / t) of a negative's cosine s = -1 / (rows - 1) in a regular simplex."""
    return exp(-rows / ((rows - 1) * temperature))


def info_nce(query: Tensor, key: Tensor, *, temperature: float) -> Tensor:
    """Return the cross entropy of picking each query's own key among all N keys, the mean over i of

        -log( exp(s(q_i, k_i)/t) / sum over all j of exp(s(q_i, k_j)/t) )    with s the cosines.

    Args:
        query: (N, D), of any length.
        key: (N, D), of any length; row i belongs to query i. Gradients reach both: detach what is fixed.
        temperature: t > 0, in units of cosine.

    Returns: a scalar in nats, float32 at least: log N at point collapse, log(1 + (N-1) exp(-1/t)) where queries and
        keys are equal and orthonormal.
    Raises: ValueError for shapes that differ, or a temperature that is not positive.
    Source: van den Oord et al. 2018 (arXiv 1807.03748), equation 4, with cosines and a temperature as in He et al. 2020
        (arXiv 1911.05722), equation 1.

    Example:
        >>> same = torch.ones(4, 3)
        >>> torch.allclose(info_nce(same, same, temperature=0.5), torch.tensor(4.0).log())
        True
    """
    check_temperature(temperature)
    same_shape(query, key)
    with torch.autocast(query.device.type, enabled=False):
        logits = (l2_normalize(upcast(query)) @ l2_normalize(upcast(key)).T).div_(temperature)
        return (logits.logsumexp(dim=1) - logits.diagonal()).mean()
