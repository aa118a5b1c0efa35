"""Hierarchical contrast: pick a time step among those of its series and among other series (TS2Vec)."""

import torch
from torch import Tensor
from torch.nn import functional

from isotropy.objectives.rows import upcast

__all__ = ["hierarchical_contrast"]


def hierarchical_contrast(
    first: Tensor, second: Tensor, *, alpha: float = 0.5, temperature: float = 1.0
) -> dict[str, Tensor]:
    """Return the instance and the temporal contrast of two aligned views of N series, over all scales of time.

    With features r_it and r'_it of step t of series i, not normalised, the instance contrast of an anchor is

        -log( exp(r_it . r'_it) / sum over j of (exp(r_it . r'_jt) + [j != i] exp(r_it . r_jt)) )

    and the temporal contrast the same with the sum over other steps t' of series i. Both are means over the anchors of
    both views, then over scales: max-pooled over 1, 2, 4, ... steps, down to one (an odd last step is dropped).

    Args:
        first, second: (N, T, D), the same steps of the same series in two contexts.
        alpha: weight of the instance contrast in [0, 1]; the temporal contrast has 1 - alpha.
        temperature: what products are divided by, above 0; 1 in the paper.

    Returns: {"instance", "temporal"}, weighted scalars in nats, float32 at least. Where all features are one point,
        alpha log(2N - 1) and (1 - alpha) times the mean over scales of log(2T - 1).
    Raises: ValueError for shapes that differ or are not (N, T, D), or a number out of its range.
    Source: Yue et al. 2022 (arXiv 2106.10466), equations 1 to 3 and algorithm 1, with anchors from both views and the
        weights 1/2 and 1/2 as in the authors' code.

    Example:
        >>> same = torch.ones(4, 1, 3)
        >>> losses = hierarchical_contrast(same, same)
        >>> torch.allclose(losses["instance"], torch.tensor(7.0).log() / 2), losses["temporal"].item()
        (True, 0.0)
    """
    if first.dim() != 3 or first.shape != second.shape:
        raise ValueError(
            f"the views are (series, steps, features) of one shape, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    if not 0 <= alpha <= 1 or not temperature > 0:
        raise ValueError(f"alpha is in [0, 1] and temperature above 0, got {alpha} and {temperature}")
    instance, temporal = [], []
    with torch.autocast(first.device.type, enabled=False):
        a, b = upcast(first), upcast(second)
        while True:
            instance.append(_contrast(a.transpose(0, 1), b.transpose(0, 1), temperature))
            temporal.append(_contrast(a, b, temperature))
            if a.shape[1] == 1:
                break
            a, b = (functional.max_pool1d(x.mT, 2).mT for x in (a, b))
        return {
            "instance": alpha * torch.stack(instance).mean(),
            "temporal": (1 - alpha) * torch.stack(temporal).mean(),
        }


def _contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Return the mean cross entropy of picking b_gn for a_gn, and back, within each group g of (G, N, D)."""
    rows = torch.cat([a, b], dim=1)
    logits = rows @ rows.mT / temperature
    count = a.shape[1]
    positive = logits.diagonal(offset=count, dim1=1, dim2=2)  # (G, N), the same for both directions
    own = torch.eye(2 * count, dtype=torch.bool, device=logits.device)
    return logits.masked_fill(own, -torch.inf).logsumexp(dim=2).mean() - positive.mean()
