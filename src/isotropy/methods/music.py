from math import log

from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths
from isotropy.nn.segments import SegmentHead
from isotropy.objectives import music
from isotropy.validation import at_least, positive, some_weight
from isotropy.views.multiview import MultiView


class MUSIC(Method):
    """Views of a sample get the same codes, the codes of a segment are used alike, and segments are independent.

    The loss is `objectives.music` of g(f(x)).
    Niu and Wang, "MUlti-Segmental Informational Coding for Self-Supervised Representation Learning" (2022, arXiv
    2206.06461); the terms as in Niu et al. (2025, arXiv 2501.03469), section 3.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear without bias).
        num_segments: S; divides the output's width into segments of B >= 3 units.
        temperature: t > 0.
        diagonal_weight, off_diagonal_weight, transform_weight: the terms' weights, at least 0.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = MUSIC(TableMLP(numeric=3, width=8), projector=(16, 12), num_segments=3)
        >>> method.codes(torch.randn(5, 3)).shape
        torch.Size([5, 3])
    """

    mechanism = "codes"
    gathered = ("z",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (256, 128),
        num_segments: int = 16,
        temperature: float = 1.0,
        diagonal_weight: float = 1.0,
        off_diagonal_weight: float = 1.0,
        transform_weight: float = 1.0,
    ) -> None:
        super().__init__()
        at_least(1, num_segments=num_segments)
        weights = {"diagonal": diagonal_weight, "off_diagonal": off_diagonal_weight, "transform": transform_weight}
        some_weight(**{f"{name}_weight": weight for name, weight in weights.items()})
        positive(temperature=temperature)
        self.encoder = encoder
        self.projector = SegmentHead((width_of(encoder), *projector), num_segments=num_segments)
        if self.projector.units < 3:
            raise UserError(
                f"MUSIC needs at least 3 units a segment: {projector[-1]} outputs in {num_segments} segments "
                f"are {self.projector.units} each; with 2 the diagonal_weight's best codes are not one-hot"
            )
        self.temperature = temperature
        self.weights = weights

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the logits of every view, each (B, D)."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "diagonal", "off_diagonal" and "transform", weighted, in nats."""
        return music(*z, num_segments=self.projector.num_segments, temperature=self.temperature, **self.weights)

    def monitored(self, z: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the units' probabilities in every segment of the first view."""
        segments = z[0].view(len(z[0]), self.projector.num_segments, -1)
        return {"assignments": [*(segments / self.temperature).softmax(2).unbind(1)]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where all units are equally likely, where all rows have one code, and at best."""
        # At best codes are hard, and two segments have B^2 combinations, of which a batch holds no more than its rows.
        units, rows = self.projector.units, batch_size
        diagonal, transform = self.weights["diagonal"], self.weights["transform"]
        pairs = self.weights["off_diagonal"] if self.projector.num_segments > 1 else 0.0
        return {
            "uniform codes": (transform - 2 * diagonal / units - 2 * pairs) * log(units),
            "one code": 0.0,
            "perfection": -diagonal * log(min(units, rows)) - pairs * min(2 * log(units), log(rows)),
        }

    def coder(self) -> SegmentHead:
        """Return g, which gives new rows their codes."""
        return self.projector

    def codes(self, x: Tensor) -> Tensor:
        """Return one code per segment, (N, S) int64 in [0, B), for the encoder's inputs; call `eval()` first."""
        return self.projector.codes(self.projector(self.encoder(x)))
