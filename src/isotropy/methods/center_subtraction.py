from typing import Any

import torch
from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import center_subtraction
from isotropy.objectives.rows import l2_normalize, upcast
from isotropy.validation import fraction, positive, within
from isotropy.views.multiview import MultiView


class CenterSubtraction(Method):
    """SimSiam whose predictor is replaced by what it is said to do: taking the centre off the target.

    The loss is `objectives.center_subtraction` of z = g(f(x)), with c <- m c + (1 - m) E[z / |z|] after each step.
    Derived from "The Common Stability Mechanism behind most Self-Supervised Learning Approaches" (Jha et al. 2024,
    arXiv 2402.14957) and SimSiam.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        center_fraction: lambda, above 0 (without it everything collapses) and at most 1 (the whole centre).
        momentum: m, at least 0 and below 1.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> CenterSubtraction(TableMLP(numeric=3, width=8), projector=(16, 4)).reference_losses(32)
        {'point collapse': -1.0, 'perfection': -1.0}
    """

    averaged = ("mean",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 128),
        center_fraction: float = 0.5,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        positive(center_fraction=center_fraction)
        within(0, 1, center_fraction=center_fraction)
        fraction(momentum=momentum)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.center_fraction, self.momentum = center_fraction, momentum
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(1, projector[-1]))

    def forward(self, views: MultiView) -> Outputs:
        """Return "z", the projected views, and "mean", the views' mean of the unit rows, each (B, D)."""
        z = [self.projector(h) for h in views.through(self.encoder)]
        return {"z": z, "mean": torch.stack([l2_normalize(upcast(x.detach())) for x in z]).mean(dim=0)}

    def loss(self, z: list[Tensor], **_: Tensor) -> dict[str, Tensor]:
        """Return "agreement", the mean negative cosine with the centred targets."""
        return {"agreement": center_subtraction(*z, centre=self.centre, lambd=self.center_fraction)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return -1 twice: the loss cannot tell perfection from collapse."""
        # At lambda = 1 too: the moving mean is always behind the point, and what is left of the target is normalised.
        return {"point collapse": -1.0, "perfection": -1.0}

    def update(self, **outputs: Any) -> None:
        """Move the centre towards the mean of the unit rows of all ranks."""
        self.centre.lerp_(outputs["mean"].mean(dim=0, keepdim=True).to(self.centre), 1 - self.momentum)
