from typing import Any

import torch
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.methods.pairs import crossed
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import info_nce, info_nce_references
from isotropy.objectives.rows import l2_normalize
from isotropy.validation import at_least, positive
from isotropy.views.multiview import MultiView


class NNCLR(Method):
    """A prediction must pick out, among those of all samples, the nearest neighbour of its other view in a queue.

    The loss is `objectives.info_nce` of the row of the queue nearest to z = g(f(x)) and h(z') of another view; after
    every step the unit z of the first view replace the oldest rows.
    Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual
    Representations" (ICCV 2021, arXiv 2104.14548), equations 2 to 4.

    Args:
        projector, predictor_hidden: widths of g (Linear, BatchNorm, ReLU, ..., Linear, BatchNorm) and inside h.
        queue_size: rows of the queue, at least those of a batch.
        temperature: t, in units of cosine, above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = NNCLR(TableMLP(numeric=3, width=8), projector=(16, 4), predictor_hidden=16, queue_size=64)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> [z.requires_grad for z in outputs["z"]], list(method.loss(**outputs))
        ([False, False], ['contrast'])
    """

    mechanism = "contrast"
    gathered = ("z", "prediction")
    queue: Tensor
    oldest: Tensor
    predicts = ("prediction", "z")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (1024, 1024, 256),
        predictor_hidden: int = 1024,
        queue_size: int = 4096,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        positive(temperature=temperature)
        at_least(1, predictor_hidden=predictor_hidden)
        at_least(2, queue_size=queue_size)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector), norm_last=True)
        self.predictor = mlp((projector[-1], predictor_hidden, projector[-1]))
        self.temperature = temperature
        self.register_buffer("queue", l2_normalize(torch.randn(queue_size, projector[-1])))
        self.register_buffer("oldest", torch.tensor(0))

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" of all views and "z", the projections of the global ones, each (B, D)."""
        z = [self.projector(h) for h in views.through(self.encoder)]
        # What is looked up gets no gradient; the projector learns through the predictor.
        return {
            "prediction": [self.predictor(x) for x in z],
            "z": [x.detach() for x in z[: len(views.global_views.inputs)]],
        }

    def loss(self, z: list[Tensor], prediction: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", the mean cross entropy over directed pairs of views and over rows, in nats."""
        nearest = [self.queue[(x.detach() @ self.queue.T).argmax(dim=1)] for x in z]
        entropies = [info_nce(near, p, temperature=self.temperature) for p, near in crossed(prediction, nearest)]
        return {"contrast": torch.stack(entropies).mean()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        return info_nce_references(batch_size, temperature=self.temperature)

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a batch that the queue cannot hold."""
        if batch_size > len(self.queue):
            raise UserError(
                f"NNCLR's queue of {len(self.queue)} rows is smaller than a batch of {batch_size}: "
                "raise method.queue_size or lower train.batch_size"
            )

    def update(self, **outputs: Any) -> None:
        """Put the first view's unit projections in the place of the oldest rows of the queue."""
        length = len(self.queue)
        rows = l2_normalize(outputs["z"][0])[-length:]
        places = (self.oldest + torch.arange(len(rows), device=rows.device)) % length
        self.queue[places] = rows.to(self.queue.dtype)
        self.oldest.add_(len(rows)).remainder_(length)
