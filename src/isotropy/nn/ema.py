"""EMA teacher: a copy of a network that follows it by an exponential moving average, and the momentum's schedule."""

from copy import deepcopy
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn


class Teacher(nn.Module):
    """A frozen copy of `module` that moves towards it by `update` alone (Grill et al. 2020, section 3.2, appendix J).

    Parameters are averaged; buffers (batch norm's statistics) come from the copy's own forward passes in train mode.

    Example:
        >>> student = nn.Linear(2, 2)
        >>> teacher = Teacher(student)
        >>> teacher.update(student, momentum=0.99)
        >>> teacher(torch.zeros(1, 2)).requires_grad
        False
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def forward(self, *inputs: Any) -> Any:
        """Return the copy's output, without a graph."""
        return self.module(*inputs)

    @torch.no_grad()
    def update(self, module: nn.Module, momentum: float) -> None:
        """Move every parameter t to momentum * t + (1 - momentum) * s of the student `module`, in place.

        A momentum of 1 leaves the teacher as it is, bit for bit, and 0 makes it the student.
        """
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        assert [p.shape for p in mine] == [p.shape for p in theirs], "the teacher copies another network"
        torch._foreach_lerp_(mine, theirs, 1.0 - momentum)


def cosine(start: float, end: float, progress: float) -> float:
    """Return the half cosine from `start` to `end` at `progress` in [0, 1] (Grill et al. 2020, section 3.3).

    Example:
        >>> [round(cosine(0.99, 1.0, k / 4), 6) for k in range(5)]
        [0.99, 0.991464, 0.995, 0.998536, 1.0]
    """
    return end - (end - start) * (cos(pi * progress) + 1.0) / 2.0
