import torch
from torch import Tensor, nn

from isotropy import rng
from isotropy.batch import Batch, filled
from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import nt_xent, nt_xent_references
from isotropy.validation import at_least, fraction, positive
from isotropy.views.multiview import Dataset, MultiView


class DACL(Method):
    """Two mixtures of a row, each with another random row, must pick each other out of the batch.

    The loss is `objectives.nt_xent` of z = g(f(m x + (1 - m) x')), with m ~ U(alpha, 1) and x' from the data drawn for
    each view; no augmentation is needed.
    Verma et al., "Towards Domain-Agnostic Contrastive Learning" (ICML 2021, arXiv 2011.04419), section 3.

    Args:
        numeric: how many columns of a table, the first ones, are numbers; None for data of numbers alone.
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear).
        temperature: t, in units of cosine, above 0.
        alpha: the least fraction of the row itself, in [0, 1).

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> DACL(TableMLP(numeric=3, width=8), numeric=3, projector=(16, 4)).min_views
        1
    """

    mechanism = "contrast"
    gathered = ("z",)
    min_views = 1

    def __init__(
        self,
        encoder: nn.Module,
        *,
        numeric: int | None = None,
        projector: Widths = (512, 128),
        temperature: float = 0.5,
        alpha: float = 0.5,
    ) -> None:
        super().__init__()
        positive(temperature=temperature)
        if numeric is not None:
            at_least(0, numeric=numeric)
        fraction(alpha=alpha)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.numeric, self.temperature, self.alpha = numeric, temperature, alpha
        self._source: Dataset | None = None

    def before_pass(self, dataset: Dataset, pass_: int) -> None:
        """Take the rows to mix with."""
        self._source = dataset

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected mixtures, two of a single view or one of each, (B, D)."""
        inputs = views.inputs if len(views.inputs) > 1 else views.inputs * 2
        mixed = MultiView(views.index, lambda: [self._mixed(x, views.index, view) for view, x in enumerate(inputs)])
        return {"z": [self.projector(h) for h in mixed.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", the mean cross entropy over all views, in nats."""
        return {"contrast": nt_xent(*z, temperature=self.temperature)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        return nt_xent_references(batch_size, temperature=self.temperature)

    def _mixed(self, rows: Tensor | Batch, index: Tensor, view: int) -> Tensor | Batch:
        """Return mixtures, as long as the rows themselves; the other row is 0, the mean, where it has ended."""
        x, mask = filled(rows), rows.mask if isinstance(rows, Batch) else None
        assert self._source is not None, "before_pass comes before the first batch"
        keys = self.rng.of_samples(index, view)
        words = rng.bits(keys, 2)
        drawn = self._source.batch(rng.integers(words[:, 0], len(self._source)))
        other = filled(self._source.to_input(drawn)).to(x)
        if other.shape != x.shape:
            raise UserError(f"DACL mixes a view {tuple(x.shape[1:])} with rows {tuple(other.shape[1:])}: no crops here")
        own = (self.alpha + (1 - self.alpha) * rng.uniforms(words[:, 1])).to(x)
        numeric = x.shape[1] if self.numeric is None else self.numeric
        shares = own.view(-1, *[1] * (x.ndim - 1))
        mixed = torch.lerp(other[:, :numeric], x[:, :numeric], shares)
        if numeric == x.shape[1]:
            return mixed if mask is None else Batch(mixed, mask)
        chance = rng.uniforms(rng.bits(keys, x.shape[1] - numeric, start=2)).to(x)
        return torch.cat([mixed, torch.where(chance < shares, x[:, numeric:], other[:, numeric:])], 1)
