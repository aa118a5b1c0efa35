from torch import Tensor, nn

from isotropy import rng
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import lejepa
from isotropy.objectives.sigreg import quadrature
from isotropy.validation import at_least, inside
from isotropy.views.multiview import MultiView


class LeJEPA(Method):
    """All views move to their mean, and along random directions the embeddings must be N(0, 1): no other trick.

    The loss is `objectives.lejepa` of z = g(f(x)), on directions drawn for each step.
    Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics" (2025).

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        gaussian_weight: lambda, in (0, 1); the statistic grows with the batch, so lambda times N is what counts.
        num_slices, num_knots: directions of a step, and knots of the quadrature on [0, 3], at least 2.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = LeJEPA(TableMLP(numeric=3, width=8), projector=(16, 4))
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> list(method.loss(**outputs))
        ['prediction', 'gaussian']
    """

    gathered = ("large", "small")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 64),
        gaussian_weight: float = 0.05,
        num_slices: int = 256,
        num_knots: int = 17,
    ) -> None:
        super().__init__()
        inside(0, 1, gaussian_weight=gaussian_weight)
        at_least(1, num_slices=num_slices)
        at_least(2, num_knots=num_knots)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.dimensions, self.slices = projector[-1], num_slices
        self.gaussian_weight, self.num_knots = gaussian_weight, num_knots

    def forward(self, views: MultiView) -> Outputs:
        """Return "large" and "small": the embedded views of the first view's size, and the others, each (B, D)."""
        large = len(views.global_views.inputs)
        z = [self.projector(h) for h in views.through(self.encoder)]
        return {"large": z[:large], "small": z[large:]}

    def loss(self, large: list[Tensor], small: list[Tensor]) -> dict[str, Tensor]:
        """Return "prediction" and "gaussian", weighted."""
        tensors = [*large, *small]
        return lejepa(tensors, self.directions(), centre=len(large), lambda_=self.gaussian_weight, knots=self.num_knots)

    def directions(self) -> Tensor:
        """Return this step's directions (M, D) on the CPU: a function of seed and step, the same on all ranks."""
        return rng.normals(rng.halves(self.rng.of_step(self.slices), self.dimensions))

    def monitored(self, large: list[Tensor], small: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the embedded views."""
        return {"views": [*large, *small]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss at the origin, the cheapest point, and what is expected of equal views of N(0, I)."""
        knots = quadrature(self.num_knots)
        collapse = sum(weight * (1 - target) ** 2 for _, target, weight in knots)
        return {
            "point collapse": self.gaussian_weight * batch_size * collapse,
            "perfection": self.gaussian_weight * sum(weight * (1 - target**2) for _, target, weight in knots),
        }
