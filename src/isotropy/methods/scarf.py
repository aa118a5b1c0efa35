"""SCARF: know a table's row by its values although most of them were exchanged."""

from collections.abc import Sequence

from torch import nn

from isotropy.methods.simclr import SimCLR


class SCARF(SimCLR):
    """A row and a copy with 60% of its cells drawn anew from their columns must pick each other out of the batch.

    With z = g(f(x)), the row x and its corrupted copy as the two views, and s the cosine, it is SimCLR's loss

        -log( exp(s(z_i, z_j) / t) / sum over k != i of exp(s(z_i, z_k) / t) ).

    Bahri et al., "SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption" (ICLR 2022, arXiv
    2106.15147), section 3 and algorithm 1. The views are the default ones of tables (views.corrupt = [0.0, 0.6]).

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.

    Example:
        >>> import torch
        >>> from isotropy.views.multiview import MultiView
        >>> from isotropy.encoders import TableMLP
        >>> method = SCARF(TableMLP(numeric=3, width=8), projector=(16, 4))
        >>> outputs = method(MultiView(torch.arange(5), lambda: [torch.randn(5, 3), torch.randn(5, 3)]))
        >>> [tuple(z.shape) for z in outputs["z"]], list(method.loss(**outputs))
        ([(5, 4), (5, 4)], ['contrast'])
    """

    modalities = ("table",)

    def __init__(self, encoder: nn.Module, *, projector: Sequence[int] = (256, 256), temperature: float = 0.5) -> None:
        super().__init__(encoder, projector=projector, temperature=temperature)
