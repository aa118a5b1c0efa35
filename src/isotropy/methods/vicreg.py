from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import vicreg
from isotropy.validation import some_weight
from isotropy.views.multiview import MultiView


class VICReg(Method):
    """Views of a sample are pulled together, while variance and decorrelation forbid every collapse in the open.

    The loss is `objectives.vicreg` of z = g(f(x)).
    Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning" (ICLR 2022,
    arXiv 2105.04906), equations 1 to 6.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear without bias).
        invariance_weight, variance_weight, covariance_weight: of the three terms, at least 0 and not all 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> VICReg(TableMLP(numeric=3, width=8), projector=(16, 16)).reference_losses(32)
        {'point collapse': 24.75, 'perfection': 0.0}
    """

    gathered = ("z",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 512, 512),
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
    ) -> None:
        super().__init__()
        weights = {"invariance": invariance_weight, "variance": variance_weight, "covariance": covariance_weight}
        some_weight(**{f"{name}_weight": weight for name, weight in weights.items()})
        self.encoder = encoder
        self.expander = mlp((width_of(encoder), *projector), bias_last=False)
        self.dimensions = projector[-1]
        self.weights = weights

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the expanded views, each (B, D), not normalised."""
        return {"z": [self.expander(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "invariance", "variance" and "covariance", weighted."""
        return vicreg(*z, **self.weights)

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all rows are one point, and where it is met as far as B rows allow."""
        # B rows span B - 1 centred directions: more dimensions than that cannot all be uncorrelated.
        crowding = max(0.0, self.dimensions / (batch_size - 1) - 1)
        weights = self.weights
        return {"point collapse": 0.99 * weights["variance"], "perfection": 2 * weights["covariance"] * crowding}
