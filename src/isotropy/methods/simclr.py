from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import nt_xent, nt_xent_references
from isotropy.validation import positive
from isotropy.views.multiview import MultiView


class SimCLR(Method):
    """Every view must pick out the other view of its sample among all views of the batch.

    The loss is `objectives.nt_xent` of z = g(f(x)).
    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (ICML 2020, arXiv 2002.05709),
    equation 1.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = SimCLR(TableMLP(numeric=3, width=8), projector=(16, 4))
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> [tuple(z.shape) for z in outputs["z"]], list(method.loss(**outputs))
        ([(32, 4), (32, 4)], ['contrast'])
    """

    mechanism = "contrast"
    gathered = ("z",)

    def __init__(self, encoder: nn.Module, *, projector: Widths = (512, 128), temperature: float = 0.5) -> None:
        super().__init__()
        positive(temperature=temperature)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.temperature = temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, D)."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", the mean cross entropy over all views, in nats."""
        return {"contrast": nt_xent(*z, temperature=self.temperature)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        return nt_xent_references(batch_size, temperature=self.temperature)
