"""SwAV: predict the cluster assignment of another view, with clusters balanced over the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy.objectives.codes import predicted_codes
from isotropy.objectives.rows import check_temperature, upcast

__all__ = ["sinkhorn", "swav"]

# exp(-60) is 1e-26: no sum of such numbers vanishes in float32. Cosines span 40 at the usual epsilon.
_SPREAD = 60.0


@torch.no_grad()
def sinkhorn(scores: Tensor, *, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Return codes (B, K): soft assignments of B rows to K prototypes that use all prototypes about equally.

    Q = exp(scores / epsilon); then, `iterations` times, columns are normalised to mass 1/K and rows to mass 1/B; the
    result is multiplied by B. Each row sums to exactly 1, the prototypes are balanced as far as so few iterations go.
    Any finite scores are safe, and a constant added to all of them changes nothing.

    Args:
        scores: (B, K), of *all* ranks and of the queue: plans of parts are another plan.
        epsilon: above 0, in the units of the scores; the smaller, the harder the codes.
        iterations: at least 1.

    Returns: (B, K), float32 at least, without gradient.
    Raises: ValueError for scores that are not (B, K) with a row, or epsilon or iterations out of range.
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
        # In logarithms: after one round every prototype has a row of at least 1 / (B K), and the rest can be divisions.
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
        scores: V >= 2 views, each (N, K): cosines with the prototypes.
        codes: of the first U <= V of these views, each (N, K), rows of probabilities (`sinkhorn`), without gradient.
        temperature: t > 0, which the scores are divided by.

    Returns: a scalar in nats, at least 0, float32 at least: log K for uniform scores whatever the codes.
    Raises: ValueError for numbers of views or shapes that do not fit, or a temperature that is not positive.
    Source: Caron et al. 2020 (arXiv 2006.09882), equations 1, 2 and 6.

    Example:
        >>> scores = torch.eye(4)
        >>> codes = sinkhorn(scores)
        >>> round(swav([scores, scores], [codes, codes], temperature=0.1).item(), 5)
        0.00014
    """
    check_temperature(temperature)
    return predicted_codes(scores, codes, temperature=temperature)
