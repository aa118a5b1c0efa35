from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import barlow_twins
from isotropy.validation import nonnegative, positive
from isotropy.views.multiview import MultiView


class BarlowTwins(Method):
    """The correlations between the dimensions of two views, over the batch, are to be the identity.

    The loss is `objectives.barlow_twins` of z = g(f(x)).
    Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction" (ICML 2021, arXiv 2103.03230),
    equations 1 and 2.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear without bias).
        off_diagonal_weight: lambda, the weight of the redundancy, at least 0.
        loss_scale: weight of the whole loss, above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> BarlowTwins(TableMLP(numeric=3, width=8), projector=(16, 20)).reference_losses(11)["point collapse"]
        2.0
    """

    gathered = ("z",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 512, 512),
        off_diagonal_weight: float = 0.005,
        loss_scale: float = 0.1,
    ) -> None:
        super().__init__()
        nonnegative(off_diagonal_weight=off_diagonal_weight)
        positive(loss_scale=loss_scale)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector), bias_last=False)
        self.dimensions = projector[-1]
        self.off_diagonal_weight, self.loss_scale = off_diagonal_weight, loss_scale

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, D), not normalised."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "invariance" and "redundancy", weighted."""
        return barlow_twins(*z, lambda_=self.off_diagonal_weight, scale=self.loss_scale)

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views of one point, that are equal, and that have nothing to do with each other."""
        # B rows span B - 1 centred directions, so more dimensions correlate; independence is normal and an expectation.
        width, free = self.dimensions, batch_size - 1
        crowding = max(0.0, width / free - 1)
        return {
            "point collapse": self.loss_scale * width,
            "perfection": self.loss_scale * width * self.off_diagonal_weight * crowding,
            "independence": self.loss_scale * width * (1 + 1 / free + self.off_diagonal_weight * (width - 1) / free),
        }
