"""DIET: tell every row from all others, as if each were a class of its own."""

from math import log
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.encoders.encoder import at_least, share
from isotropy.errors import UserError
from isotropy.methods.checks import width_of
from isotropy.methods.method import Method, Outputs
from isotropy.objectives import naming
from isotropy.objectives.rows import wide
from isotropy.views.views import Views

# The most weights of the head: 1 GiB, and as much again for the gradient and each of the optimiser's two averages.
MOST_WEIGHTS = 1 << 28
# What the running mean keeps of itself in a step.
_MOMENTUM = 0.9


class DIET(Method):
    """A linear layer on the encoder must name the row: its place among the N rows of the data.

    With W of N rows, mu the running mean of all vectors f(x), sigma their running deviation (one number for all
    dimensions) and a smoothing s, the loss of row n is

        -sum over m of t_m log softmax( W (f(x) - mu) / sigma )_m,   t_m = (1 - s) [m = n] + s / N.

    Balestriero, "Unsupervised Learning on a DIET: Datum IndEx as Target, Free of Self-Supervision, Reconstruction,
    Projector Head" (2023, arXiv 2302.10260).

    The layer has N * width weights: 10 MB for 10,000 rows and width 256, 1 GB for a million, four times that in
    training. More than 2^28 weights are refused. Its scores are never held for all names at once.

    Departures: mu and sigma, and the first W, nearly zero, where the paper has neither and random rows. A row of W
    is seen once an epoch; at every other step it is moved along the mean of all vectors, and Adam makes that step as
    long as the one that it is seen in. Random rows are random targets that the encoder learns. In a few epochs both
    cost the encoder what it knew (docs/log.md). A batch norm, with a deviation for every dimension, does the same for
    narrow vectors and makes noise of the many dimensions of wide ones. The looks are those of the recipe, and without
    any the row itself ("DIET" of LFR's tables, where "DIET-aug" has one augmented look); losses of looks are averaged.

    Args:
        encoder: f.
        n_samples: N; a recipe takes it from the data.
        label_smoothing: s, in [0, 1).

    Raises:
        UserError: an argument out of its range, a head that is too large, or an encoder without a width.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = DIET(TableMLP(numeric=3, width=8), n_samples=50)
        >>> outputs = method(Views(torch.arange(4), lambda: [torch.randn(4, 3)]))
        >>> outputs["surprise"][0].shape, list(method.loss(**outputs))
        (torch.Size([4]), ['index'])
    """

    averaged = ("mean", "square")
    min_looks = 1
    centre: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, encoder: nn.Module, *, n_samples: int, label_smoothing: float = 0.8) -> None:
        super().__init__()
        at_least(2, n_samples=n_samples)
        share(label_smoothing=label_smoothing)
        width = width_of(encoder)
        if (weights := n_samples * width) > MOST_WEIGHTS:
            raise UserError(
                f"DIET's head has a row for each of {n_samples:,} samples, {width} wide: {weights / 2**28:.1f} GiB, "
                f"and four times that in training; take at most {MOST_WEIGHTS // width:,} rows, or a narrower encoder"
            )
        self.encoder = encoder
        self.head = nn.Linear(width, n_samples, bias=False)
        # All but zero: scores of some hundredths. At zero itself the encoder's first gradient would be zero, too.
        nn.init.normal_(self.head.weight, std=1e-3)
        self.label_smoothing = label_smoothing
        self.register_buffer("centre", torch.zeros(1, width))
        self.register_buffer("square", torch.ones(1, 1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, views: Views) -> Outputs:
        """Return "surprise", every look's cross entropy (B,) of naming the row, in nats, and what `update` averages."""
        weight, index = self.head.weight, views.index.to(self.head.weight.device)
        rows = [wide(h) for h in views.through(self.encoder)]
        named = [naming(self._standard(h), weight, index, smoothing=self.label_smoothing) for h in rows]
        mean = torch.stack([h.detach() for h in rows]).mean(dim=0)
        square = torch.stack([h.detach().square().mean(dim=1, keepdim=True) for h in rows]).mean(dim=0)
        return {"surprise": named, "mean": mean, "square": square}

    def _standard(self, h: Tensor) -> Tensor:
        """Return the rows around the running mean of all rows, divided by one number, their running deviation."""
        variance = self.square - self.centre.square().mean()
        return (h - self.centre) / variance.clamp_min(1e-6).sqrt()

    def loss(self, surprise: list[Tensor], **_: Tensor) -> dict[str, Tensor]:
        """Return "index", the mean cross entropy over looks and rows, in nats."""
        return {"index": torch.stack(surprise).mean()}

    def landmarks(self, batch_size: int) -> dict[str, float]:
        """Return the least loss of equal vectors, for any smoothing, and of any: the entropy of the target."""
        n = self.head.out_features
        other = self.label_smoothing / n
        own = 1 - self.label_smoothing + other
        rest = (n - 1) * other * log(other) if other else 0.0
        return {"point collapse": log(n), "perfection": -own * log(own) - rest}

    def update(self, **outputs: Any) -> None:
        """Move the running mean and the mean square towards those of all rows: averages of all steps at first."""
        self.steps += 1
        share = max(1 / int(self.steps), 1 - _MOMENTUM)
        self.centre.lerp_(outputs["mean"].to(self.centre), share)
        self.square.lerp_(outputs["square"].to(self.square), share)
