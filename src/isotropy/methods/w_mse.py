"""W-MSE: views agree after whitening, which leaves no room for collapse and needs no negatives."""

from torch import Tensor, nn

from isotropy import rng
from isotropy.errors import UserError
from isotropy.methods.checks import width_of
from isotropy.methods.method import Method, Outputs
from isotropy.nn.mlp import mlp
from isotropy.objectives import w_mse
from isotropy.validation import at_least, finite
from isotropy.views.multiview import MultiView


class WMSE(Method):
    """Each view's embeddings are whitened over random sub-batches, and views of a sample are pulled together there.

    With z = g(f(x)), mu and L L' the mean and the covariance of z over a sub-batch of w_size rows, and
    v = L^-1 (z - mu), the loss is the mean over rows, sub-batches and pairs of views of

        2 - 2 cos(v, v~).

    The batch is partitioned w_iter times, each time in another random way, the same for all views. Ermolov et al.,
    "Whitening for Self-Supervised Representation Learning" (ICML 2021, arXiv 2007.06346), equations 1 to 5.

    Departures: `eps` of the mean variance is added to every variance, so that a factor exists for any rows (the
    authors' code mixes with the identity, by 0). Rows that are left when w_size does not divide the batch are in no
    sub-batch of that partition; a last, smaller batch of a pass is one sub-batch. Over several ranks the sub-batches
    are of the whole batch.

    Args:
        encoder: f.
        hidden: width of the hidden layer of g (Linear, BatchNorm, ReLU, Linear).
        emb: width of g's output.
        w_size: rows of a sub-batch, above emb; the covariance is good from twice as many on.
        w_iter: partitions a step.
        eps: above 0.

    Raises:
        UserError: an argument out of its range, or an encoder without a width.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = WMSE(TableMLP(numeric=3, width=8), hidden=16, emb=4, w_size=16)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> list(method.loss(**outputs))
        ['distance']
    """

    gathered = ("z",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        hidden: int = 1024,
        emb: int = 64,
        w_size: int = 128,
        w_iter: int = 1,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        finite(eps=eps)
        if w_size <= emb:
            raise UserError(f"W-MSE whitens emb = {emb} dimensions, which needs w_size above that, not {w_size}")
        if w_iter < 1 or not eps > 0:
            raise UserError(f"W-MSE's w_iter must be at least 1 and its eps above 0, not {w_iter} and {eps}")
        at_least(1, hidden=hidden, emb=emb, w_size=w_size, w_iter=w_iter)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), hidden, emb))
        self.w_size, self.w_iter, self.eps = w_size, w_iter, eps

    def forward(self, views: MultiView) -> Outputs:
        """Return "z": the projected views, each (B, emb), not whitened."""
        return {"z": [self.projector(h) for h in views.through(self.encoder)]}

    def loss(self, z: list[Tensor]) -> dict[str, Tensor]:
        """Return "distance", the mean distance of the whitened views, in [0, 4]."""
        return {"distance": w_mse(*z, parts=self._parts(len(z[0])).to(z[0].device), eps=self.eps)}

    def _parts(self, rows: int) -> Tensor:
        """Return the sub-batches of this step as row numbers, (K, w_size) or (w_iter, rows) of a smaller batch."""
        orders = rng.orders(rng.bits(self.rng.of_step(self.w_iter), rows))
        size = min(self.w_size, rows)
        return orders[:, : rows // size * size].reshape(-1, size)

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 2 where all rows are one point, which whitening cannot spread, and 0 where the views are equal."""
        return {"point collapse": 2.0, "perfection": 0.0}

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a batch smaller than a sub-batch."""
        if batch_size < self.w_size:
            raise UserError(
                f"W-MSE whitens sub-batches of w_size = {self.w_size} rows and a batch has {batch_size}: "
                "raise train.batch_size, or lower method.w_size and method.emb"
            )
