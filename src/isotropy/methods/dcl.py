from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives.contrastive import decoupled_contrast, decoupled_contrast_references
from isotropy.validation import positive
from isotropy.views.multiview import MultiView


class DCL(Method):
    """Two views of a sample are pulled together and all views of other samples pushed away, each by its own term.

    The loss is `objectives.decoupled_contrast` of z = g(f(x)).
    Yeh et al., "Decoupled Contrastive Learning" (ECCV 2022, arXiv 2110.06848), equation 5.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> round(DCL(TableMLP(numeric=3, width=8)).reference_losses(256)["point collapse"], 2)
        6.23
    """

    mechanism = "contrast"
    gathered = ("z",)

    def __init__(self, encoder: nn.Module, *, projector: Widths = (512, 128), temperature: float = 0.1) -> None:
        super().__init__()
        positive(temperature=temperature)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.temperature = temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, D)."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", the mean over all views, in nats."""
        return {"contrast": decoupled_contrast(*z, temperature=self.temperature)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        return decoupled_contrast_references(batch_size, temperature=self.temperature)
