from math import log

import torch
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.objectives import instance_classification
from isotropy.objectives.rows import upcast
from isotropy.validation import at_least, fraction
from isotropy.views.multiview import MultiView

# The most weights of the head: 1 GiB, and as much again for the gradient and each of the optimiser's two averages.
MOST_WEIGHTS = 1 << 28


class DIET(Method):
    """A linear layer on the encoder classifies each of the N rows of the data as a class of its own.

    The loss is `objectives.instance_classification` of f(x).
    Balestriero, "Unsupervised Learning on a DIET: Datum IndEx as Target, Free of Self-Supervision, Reconstruction,
    Projector Head" (2023, arXiv 2302.10260).

    Args:
        n_samples: N, at most 2^28 / width; a recipe takes it from the data.
        label_smoothing: s, in [0, 1).

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = DIET(TableMLP(numeric=3, width=8), n_samples=50)
        >>> outputs = method(MultiView(torch.arange(4), lambda: [torch.randn(4, 3)]))
        >>> outputs["cross_entropy"][0].shape, list(method.loss(**outputs))
        (torch.Size([4]), ['index'])
    """

    mechanism = "targets"
    min_views = 1

    def __init__(self, encoder: nn.Module, *, n_samples: int, label_smoothing: float = 0.8) -> None:
        super().__init__()
        at_least(2, n_samples=n_samples)
        fraction(label_smoothing=label_smoothing)
        width = width_of(encoder)
        if (weights := n_samples * width) > MOST_WEIGHTS:
            raise UserError(
                f"DIET's head has a row for each of {n_samples:,} samples, {width} wide: {weights / 2**28:.1f} GiB, "
                f"and four times that in training; take at most {MOST_WEIGHTS // width:,} rows, or a narrower encoder"
            )
        self.encoder = encoder
        self.head = nn.Linear(width, n_samples, bias=False)
        self.label_smoothing = label_smoothing

    def forward(self, views: MultiView) -> Outputs:
        """Return "cross_entropy", every view's cross entropy (B,) with the row's index, in nats."""
        weight, index = self.head.weight, views.index.to(self.head.weight.device)
        rows = [upcast(h) for h in views.through(self.encoder)]
        losses = [instance_classification(h, weight, index, smoothing=self.label_smoothing) for h in rows]
        return {"cross_entropy": losses}

    def loss(self, cross_entropy: list[Tensor]) -> dict[str, Tensor]:
        """Return "index", the mean cross entropy over views and rows, in nats."""
        return {"index": torch.stack(cross_entropy).mean()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the least loss of equal vectors, for any smoothing, and of any: the entropy of the target."""
        n = self.head.out_features
        other = self.label_smoothing / n
        own = 1 - self.label_smoothing + other
        rest = (n - 1) * other * log(other) if other else 0.0
        return {"point collapse": log(n), "perfection": -own * log(own) - rest}
