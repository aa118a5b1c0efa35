"""SCARF: know a table's row by its values although most of them were exchanged."""

from collections.abc import Sequence

from torch import Tensor, nn

from isotropy.methods.checks import width_of
from isotropy.methods.method import Method, Outputs
from isotropy.nn.mlp import mlp
from isotropy.objectives import nt_xent, nt_xent_references
from isotropy.validation import positive
from isotropy.views.multiview import MultiView


class SCARF(Method):
    """A row and a copy with 60% of its cells drawn anew from their columns must pick each other out of the batch.

    With z = g(f(x)), the row x and its corrupted copy as the two views, and s the cosine, it is SimCLR's loss

        -log( exp(s(z_i, z_j) / t) / sum over k != i of exp(s(z_i, z_k) / t) ).

    Bahri et al., "SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption" (ICLR 2022, arXiv
    2106.15147), section 3 and algorithm 1. The views are the default ones of tables (views.corrupt = [0.0, 0.6]).

    Departures: the paper's candidates are the views of the other kind alone; here every other view of the batch is
    one, in both directions, as in the baseline of LFR (whose donor is one row for all cells, not the paper's). The
    projector has batch norms and the temperature is .5 where the paper's has none and 1: from there, where all vectors
    point one way at first, 40 seconds taught Adult's encoder nothing that a probe could use (docs/log.md).

    Args:
        encoder: f.
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.

    Raises:
        UserError: an argument out of its range, or an encoder without a width.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = SCARF(TableMLP(numeric=3, width=8), projector=(16, 4))
        >>> outputs = method(MultiView(torch.arange(5), lambda: [torch.randn(5, 3), torch.randn(5, 3)]))
        >>> [tuple(z.shape) for z in outputs["z"]], list(method.loss(**outputs))
        ([(5, 4), (5, 4)], ['contrast'])
    """

    gathered = ("z",)
    modalities = ("table",)

    def __init__(self, encoder: nn.Module, *, projector: Sequence[int] = (256, 256), temperature: float = 0.5) -> None:
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
