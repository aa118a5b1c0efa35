"""Projection and prediction heads."""

from collections.abc import Callable, Sequence

from torch import nn

from isotropy.errors import UserError

Widths = Sequence[int]


def mlp(
    widths: Widths,
    *,
    norm: bool = True,
    norm_last: bool = False,
    affine_last: bool = True,
    bias_last: bool = True,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Return the multi-layer perceptron that maps (B, widths[0]) to (B, widths[-1]).

    Args:
        widths: input, hidden and output widths; two or more whole numbers of at least 1, else a UserError.
        norm: batch norm between each hidden Linear (then without bias, which the norm would cancel) and its activation.
        norm_last, affine_last: batch norm after the last Linear, with a scale and a shift of its own.
        bias_last: whether the last Linear has a bias.

    Example:
        >>> head = mlp((512, 2048, 128))
        >>> [type(layer).__name__ for layer in head]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    if len(widths) < 2 or not all(isinstance(width, int) and width >= 1 for width in widths):
        raise UserError(
            f"a head needs an input and an output width, all whole numbers of at least 1, not {list(widths)}"
        )
    layers: list[nn.Module] = []
    for before, after in zip(widths[:-2], widths[1:-1]):
        layers.append(nn.Linear(before, after, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(after))
        layers.append(activation())
    layers.append(nn.Linear(widths[-2], widths[-1], bias=bias_last))
    if norm_last:
        layers.append(nn.BatchNorm1d(widths[-1], affine=affine_last))
    return nn.Sequential(*layers)
