from torch import nn

from isotropy.methods.simclr import SimCLR
from isotropy.nn.mlp import Widths


class SCARF(SimCLR):
    """A row and a copy with 60% of its cells drawn anew from their columns must pick each other out of the batch.

    The loss is SimCLR's, `objectives.nt_xent`, of a table's default views (views.corrupt = [0.0, 0.6]).
    Bahri et al., "SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption" (ICLR 2022, arXiv
    2106.15147), section 3 and algorithm 1.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> SCARF(TableMLP(numeric=3, width=8)).modalities
        ('table',)
    """

    modalities = ("table",)

    def __init__(self, encoder: nn.Module, *, projector: Widths = (256, 256), temperature: float = 0.5) -> None:
        super().__init__(encoder, projector=projector, temperature=temperature)
