from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import center
from isotropy.validation import inside
from isotropy.views.multiview import MultiView


class Center(Method):
    """A sample's expected embedding shall be long and the expected embedding of all samples, the centre, short.

    The loss is `objectives.center` of z = g(f(x)), the Lagrangian of the constrained problem in "The Common
    Stability Mechanism behind most Self-Supervised Learning Approaches" (Jha et al. 2024, arXiv 2402.14957).

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        center_weight: lambda, above 0 (where collapse is best) and below 1 (from where differing views are rewarded).

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> Center(TableMLP(numeric=3, width=8), projector=(16, 4)).reference_losses(11)
        {'point collapse': -0.5, 'perfection': -1.05}
    """

    gathered = ("z",)

    def __init__(self, encoder: nn.Module, *, projector: Widths = (512, 128), center_weight: float = 0.5) -> None:
        super().__init__()
        inside(0, 1, center_weight=center_weight)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.center_weight = center_weight

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, D)."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "alignment", -a, and "centre", lambda c2."""
        return center(*z, lambd=self.center_weight)

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all rows are one point, and where the samples form a simplex: its least value."""
        return {"point collapse": self.center_weight - 1, "perfection": -1 - self.center_weight / (batch_size - 1)}
