"""NT-Xent: know your other look among all rows of the batch (SimCLR)."""

from typing import Any

import torch
from torch import Tensor

from isotropy.objectives.rows import same_shape, unit, wide


class _Gram(torch.autograd.Function):
    """U U' with the gradient (G + G') U: one product where autograd makes two."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor) -> Tensor:
        return u @ u.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return (gradient + gradient.T) @ u


def nt_xent(*z: Tensor, temperature: float) -> Tensor:
    """Return the normalised-temperature cross entropy of V looks at the same N rows.

    With unit rows and `s` their cosines, an anchor's loss is

        -log( sum over its V-1 other looks of exp(s/t) / sum over all VN-1 other rows of exp(s/t) )

    and the mean is over all VN anchors. Two looks give SimCLR's loss; with more, the positives are summed
    inside the logarithm.

    Args:
        z: V >= 2 looks, each (N, D), of any length (rows are normalised here); row i of every look is
            the same sample.
        temperature: t > 0, in units of cosine.

    Returns:
        A scalar in nats, float32 at least: at best log(1 + 2(N-1) exp(-N / ((N-1)t))) for two looks, and
        log((VN-1) / (V-1)) where all rows are one point.

    Raises:
        ValueError: fewer than two looks, looks of different shapes, or a temperature that is not positive.

    Source: Chen et al. 2020 (arXiv 2002.05709), equation 1; several looks as in solo-learn.

    Example:
        >>> same = torch.ones(4, 3)
        >>> torch.allclose(nt_xent(same, same, temperature=0.5), torch.tensor(7.0).log())
        True
    """
    if len(z) < 2:
        raise ValueError(f"nt_xent contrasts at least two looks, got {len(z)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    same_shape(*z)
    looks, rows = len(z), len(z[0])
    with torch.autocast(z[0].device.type, enabled=False):
        logits = _Gram.apply(unit(wide(torch.cat(z)))) / temperature
        with torch.no_grad():  # an anchor is not its own candidate; what stands there has no gradient
            logits.fill_diagonal_(-torch.inf)
        log_p = logits.log_softmax(dim=1).view(looks, rows, looks, rows)
        positives = log_p.diagonal(dim1=1, dim2=3)  # (V, V, N); an anchor's own place holds -inf
        return -positives.logsumexp(dim=1).mean()
