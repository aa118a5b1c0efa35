"""SwAV: predict the cluster assignment of another view, with clusters balanced over the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy.objectives.codes import predicted_codes
from isotropy.objectives.rows import upcast

__all__ = ["sinkhorn", "swav"]

# exp(-60) is 1e-26: no sum of such numbers vanishes in float32. Cosines span 40 at the usual epsilon.
_SPREAD = 60.0


@torch.no_grad()
def sinkhorn(scores: Tensor, *, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Return codes: soft assignments of B rows to K prototypes that use all prototypes about equally.

    Q = exp(scores / epsilon); then, `iterations` times, columns are normalised to mass 1/K and rows to mass 1/B;
    the result is multiplied by B. It ends on rows, so each sums to exactly 1, and
    the prototypes are balanced only as far as so few iterations go. Adding a constant to all scores changes
    nothing; at convergence, adding one to a prototype's does not either.

    Safe for any finite scores: where they span more than exponentials in float32 do, the first round is made of
    logarithms, and after it every prototype has a row of at least 1 / (B K), so that the others can be divisions.

    Args:
        scores: (B, K), of *all* ranks and of the queue: plans of parts are another plan.
        epsilon: above 0, in the units of the scores; the smaller, the harder the codes.
        iterations: at least 1.

    Returns:
        (B, K), float32 at least, without gradient.

    Raises:
        ValueError: not (B, K) with a row, or epsilon or iterations out of range.

    Source: Caron et al. 2020 (arXiv 2006.09882), section 3.1, equations 3 to 5, and listing 1.

    Example:
        >>> sinkhorn(torch.tensor([[1.0, 0.0], [0.9, 0.0]]), epsilon=0.1, iterations=100).round(decimals=2)
        tensor([[0.6200, 0.3800],
                [0.3800, 0.6200]])
    """
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"scores must be (rows, prototypes), got {tuple(scores.shape)}")
    if not epsilon > 0 or iterations < 1:
        raise ValueError(f"epsilon must be positive and iterations at least 1, got {epsilon} and {iterations}")
    codes = upcast(scores) / epsilon
    least, most = codes.aminmax()
    # The constants 1/K and 1/B cancel in the next division, and the last one's is undone by the factor B.
    if most - least < _SPREAD:
        codes = codes.sub_(most).exp_()
    else:
        highest = codes.amax(0)
        codes = codes.sub_(highest + (codes - highest).exp_().sum(0).log_()).softmax(1)
        iterations -= 1
    for _ in range(iterations):
        codes *= codes.sum(0).reciprocal_()
        codes *= codes.sum(1, keepdim=True).reciprocal_()
    return codes


def swav(scores: Sequence[Tensor], codes: Sequence[Tensor], *, temperature: float) -> Tensor:
    """Return SwAV's loss: the mean cross entropy of every view's scores with the codes of the other views.

    Args:
        scores: V views, each (N, K): cosines with the prototypes.
        codes: of the first U <= V of these views, each (N, K), rows of probabilities (`sinkhorn`); every view
            v != u predicts view u's. No gradient reaches them.
        temperature: t > 0, which the scores are divided by.

    Returns:
        A scalar in nats, at least 0, float32 at least: log K for uniform scores whatever the codes.

    Raises:
        ValueError: there is no pair, more codes than views, the shapes differ, or t is not positive.

    Source: Caron et al. 2020 (arXiv 2006.09882), equations 1, 2 and 6.

    Example:
        >>> scores = torch.eye(4)
        >>> codes = sinkhorn(scores)
        >>> round(swav([scores, scores], [codes, codes], temperature=0.1).item(), 5)
        0.00014
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return predicted_codes(scores, codes, temperature=temperature)
