from torch import Tensor, nn

from isotropy import rng
from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import mlp
from isotropy.objectives import w_mse
from isotropy.validation import at_least, positive
from isotropy.views.multiview import MultiView


class WMSE(Method):
    """Each view's embeddings are whitened over random sub-batches, and views of a sample are pulled together there.

    The loss is `objectives.w_mse` of z = g(f(x)), whitened over random sub-batches that are the same for all views.
    Ermolov et al., "Whitening for Self-Supervised Representation Learning" (ICML 2021, arXiv 2007.06346), equations
    1 to 5.

    Args:
        projector_hidden, projector_width: hidden and output width of g (Linear, BatchNorm, ReLU, Linear).
        sub_batch_size: rows of a sub-batch, above `projector_width`; the covariance is good from twice as many on.
        num_partitions: of the batch, in each step.
        eps: above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> WMSE(TableMLP(numeric=3, width=8), projector_width=4, sub_batch_size=16).reference_losses(32)
        {'point collapse': 2.0, 'perfection': 0.0}
    """

    gathered = ("z",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector_hidden: int = 1024,
        projector_width: int = 64,
        sub_batch_size: int = 128,
        num_partitions: int = 1,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        positive(eps=eps)
        at_least(1, projector_hidden=projector_hidden, projector_width=projector_width, num_partitions=num_partitions)
        if sub_batch_size <= projector_width:
            raise UserError(
                f"W-MSE whitens projector_width = {projector_width} dimensions, which needs sub_batch_size above that, "
                f"not {sub_batch_size}"
            )
        at_least(1, sub_batch_size=sub_batch_size)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), projector_hidden, projector_width))
        self.sub_batch_size, self.num_partitions, self.eps = sub_batch_size, num_partitions, eps

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, D), not whitened."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "distance", the mean distance of the whitened views, in [0, 4]."""
        return {"distance": w_mse(*z, parts=self._parts(len(z[0])).to(z[0].device), eps=self.eps)}

    def _parts(self, rows: int) -> Tensor:
        """Return the sub-batches of this step as row numbers, each (sub_batch_size,) or all of a smaller batch."""
        orders = rng.orders(rng.bits(self.rng.of_step(self.num_partitions), rows))
        size = min(self.sub_batch_size, rows)
        return orders[:, : rows // size * size].reshape(-1, size)

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 2 where all rows are one point, which whitening cannot spread, and 0 where the views are equal."""
        return {"point collapse": 2.0, "perfection": 0.0}

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a batch smaller than a sub-batch."""
        if batch_size < self.sub_batch_size:
            raise UserError(
                f"W-MSE whitens sub_batch_size = {self.sub_batch_size} rows together and a batch has {batch_size}: "
                "raise train.batch_size, or lower method.sub_batch_size and method.projector_width"
            )
