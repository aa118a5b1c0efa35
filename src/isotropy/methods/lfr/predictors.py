"""K predictors of one input as one network: one matrix product where a loop would make K."""

from math import sqrt

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """K independent linear maps of K inputs, (B, K, inputs) to (B, K, outputs), initialised as K `nn.Linear`."""

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(count, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(count, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, outputs) for (B, K, inputs)."""
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight).transpose(0, 1)


def linear_predictors(count: int, inputs: int, outputs: int) -> nn.Sequential:
    """Return K linear predictors, (B, inputs) to (B, K, outputs), which start as K separate ones do."""
    return nn.Sequential(nn.Linear(inputs, count * outputs), nn.Unflatten(1, (count, outputs)))


def hidden_predictors(count: int, inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return K predictors with a hidden layer, (B, inputs) to (B, K, outputs) (Sui et al. 2024, appendix).

    The norm keeps no running statistics: the published loop stays in train mode, too.
    """
    return nn.Sequential(
        nn.Linear(inputs, count * hidden, bias=False),
        nn.BatchNorm1d(count * hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Unflatten(1, (count, hidden)),
        StackedLinear(count, hidden, outputs),
    )
