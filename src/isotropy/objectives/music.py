"""MUSIC: segments of an embedding are attributes that agree between views, use all values and do not repeat."""

from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isotropy.objectives.rows import check_temperature, check_views, upcast

__all__ = ["music"]

# Below this a probability counts as this inside a logarithm: p log p is right to 3e-11, and its slope is finite.
_LEAST = 1e-12


class _PairNegentropy(torch.autograd.Function):
    """Sum of P log P over the blocks of different segments of P = a' b / N, keeping one matrix of P's size.

    What is kept is the gradient in P: log P, and 0 in the blocks of one segment with itself. Its missing constant + 1
    moves all units of a segment alike, which the softmax that `a` and `b` come from takes away.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, segments: int) -> Tensor:
        joint = (a.T @ b).div_(len(a))
        slope = joint.clamp_min(_LEAST).log_()
        units = a.shape[1] // segments
        own = slope.view(segments, units, segments, units).diagonal(dim1=0, dim2=2)  # a view: (units, units, segments)
        own.zero_()
        ctx.save_for_backward(a, b, slope)
        return torch.dot(joint.view(-1), slope.view(-1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b, slope = ctx.saved_tensors
        scale = gradient / len(a)
        return (b @ slope.T).mul_(scale), (a @ slope).mul_(scale), None


def music(
    *z: Tensor,
    num_segments: int,
    temperature: float = 1.0,
    diagonal: float = 1.0,
    off_diagonal: float = 1.0,
    transform: float = 1.0,
) -> dict[str, Tensor]:
    """Return MUSIC's three weighted terms for V views of the same N rows; means over pairs of views where V > 2.

    A row's D numbers are S segments of B units; p is the softmax of each segment at the temperature, and

        P[(s,i),(r,j)] = mean over rows of p[s,i] p'[r,j]

    are the joint probabilities of all pairs of segments across two views. The terms are

        diagonal      mean over s of sum over i of P[(s,i),(s,i)] log P[(s,i),(s,i)]
        off_diagonal  mean over s != r of sum over i, j of P[(s,i),(r,j)] log P[(s,i),(r,j)]
        transform     mean over rows and s of -log sum over i of p[s,i] p'[s,i]

    The first asks for balance, confidence and agreement at once, the second for independent segments, the third for the
    agreement of every row.

    Args:
        z: V >= 2 views, each (N, D): logits, not normalised.
        num_segments: S; divides D into segments of B >= 3 units (with two the diagonal's best is not one-hot).
        temperature: t > 0; the logits are divided by it.
        diagonal, off_diagonal, transform: weights.

    Returns: scalars in nats, float32 at least, times their weights at least -log B, -2 log B and 0: all at once where
        codes are one-hot, equal between views and an orthogonal array of strength 2, which takes N >= B^2 rows. With
        one segment "off_diagonal" is 0. They depend on N: compare runs of one batch size.
    Raises: ValueError for fewer than two views, shapes or segments that do not fit, or a temperature that is not
        positive.
    Source: Niu and Wang 2022 (arXiv 2206.06461); exact terms as in Niu et al. 2025 (arXiv 2501.03469).

    Example:
        >>> same = torch.zeros(8, 8)  # all units of every segment are equally likely
        >>> {name: round(term.item(), 4) for name, term in music(same, same, num_segments=2).items()}
        {'diagonal': -0.6931, 'off_diagonal': -2.7726, 'transform': 1.3863}
    """
    check_views("music", z)
    check_temperature(temperature)
    rows, width = z[0].shape
    if num_segments < 1 or width % num_segments or width // num_segments < 3:
        raise ValueError(f"{num_segments} segments do not divide {width} dimensions into segments of 3 units or more")
    with torch.autocast(z[0].device.type, enabled=False):
        log_p = [(upcast(x) / temperature).view(rows, num_segments, -1).log_softmax(dim=2) for x in z]
        views = [(log, log.exp()) for log in log_p]
        terms = torch.stack([_pair(*first, *second) for first, second in combinations(views, 2)]).mean(dim=0)
    return {"diagonal": diagonal * terms[0], "off_diagonal": off_diagonal * terms[1], "transform": transform * terms[2]}


def _pair(log_p: Tensor, p: Tensor, log_q: Tensor, q: Tensor) -> Tensor:
    """Return the three terms (3,) of two views, each (N, S, B)."""
    rows, segments, _ = p.shape
    same = (p * q).mean(dim=0)  # (S, B), the diagonal of the joint probabilities
    diagonal = (same * same.clamp_min(_LEAST).log()).sum() / segments
    # In logarithms, so that views that share no likely unit cost what they are apart and no clamp is needed.
    transform = -(log_p + log_q).logsumexp(dim=2).mean()
    if segments == 1:
        return torch.stack([diagonal, torch.zeros_like(diagonal), transform])
    off_diagonal = _PairNegentropy.apply(p.flatten(1), q.flatten(1), segments)
    return torch.stack([diagonal, off_diagonal / (segments * (segments - 1)), transform])
