from math import exp, log
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.nn.prototypes import Prototypes
from isotropy.objectives import sinkhorn, swav
from isotropy.objectives.rows import l2_normalize, upcast
from isotropy.validation import at_least, fraction, positive
from isotropy.views.multiview import MultiView


class SwAV(Method):
    """Every view predicts the codes of the other large views: their equally shared assignment to K prototypes.

    The loss is `objectives.swav` of scores C z, with unit rows z = g(f(x)) and unit prototypes C, for codes that are
    `objectives.sinkhorn` of them over the whole batch, without gradient. With a queue, the last projections of each
    large view take part in Sinkhorn and in nothing else.
    Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments" (NeurIPS 2020, arXiv
    2006.09882), equations 1 to 6 and appendix A.

    Args:
        projector: hidden and output widths of g (Linear, BatchNorm, ReLU, ..., Linear), run once on all views.
        num_prototypes: K, at least 2.
        temperature: t, above 0.
        sinkhorn_epsilon, sinkhorn_iterations: softness of the codes, above 0, and steps of Sinkhorn, at least 1.
        num_assigned: how many views, the first ones, get codes: the large crops.
        queue_size: rows that each queue holds, at least the batch's; 0 for none.
        queue_start: fraction of training, in [0, 1), before which the queue is not used; nor is one that is not full.
        frozen_passes: passes over the data at the beginning in which the prototypes do not move.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = SwAV(TableMLP(numeric=3, width=8), projector=(16, 4), num_prototypes=5)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3) for _ in range(3)]))
        >>> len(outputs["scores"]), len(outputs["z"]), list(method.loss(**outputs))
        (3, 2, ['prediction'])
    """

    mechanism = "codes"
    gathered = ("scores", "z")
    queue: Tensor
    pushed: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 128),
        num_prototypes: int = 512,
        temperature: float = 0.1,
        sinkhorn_epsilon: float = 0.05,
        sinkhorn_iterations: int = 3,
        num_assigned: int = 2,
        queue_size: int = 0,
        queue_start: float = 0.05,
        frozen_passes: int = 1,
    ) -> None:
        super().__init__()
        positive(temperature=temperature, sinkhorn_epsilon=sinkhorn_epsilon)
        at_least(1, sinkhorn_iterations=sinkhorn_iterations, num_assigned=num_assigned)
        at_least(0, queue_size=queue_size, frozen_passes=frozen_passes)
        fraction(queue_start=queue_start)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.prototypes = Prototypes(projector[-1], num_prototypes)
        self.temperature = temperature
        self.sinkhorn_epsilon, self.sinkhorn_iterations = sinkhorn_epsilon, sinkhorn_iterations
        self.num_assigned, self.min_views = num_assigned, max(2, num_assigned)
        self.queue_start, self.frozen_passes = queue_start, frozen_passes
        self.register_buffer("queue", torch.zeros(num_assigned, queue_size, projector[-1]))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    def forward(self, views: MultiView) -> Outputs:
        """Return "scores" of all views, each (B, K), and "z", the unit projections of the large ones, detached."""
        features = views.through(self.encoder)
        z = l2_normalize(upcast(self.projector(torch.cat(features))))
        scores = self.prototypes(z).chunk(len(features))
        return {"scores": list(scores), "z": list(z.detach().chunk(len(features))[: self.num_assigned])}

    def loss(self, scores: list[Tensor], z: list[Tensor]) -> dict[str, Tensor]:
        """Return "prediction", the mean cross entropy with the codes, in nats."""
        rows, held = len(z[0]), self.queue.shape[1]
        used = held if self.progress >= self.queue_start and self.pushed >= held else 0
        prototypes = self.prototypes.directions().detach().T
        each = (torch.cat([new, old[:used]]) @ prototypes for new, old in zip(z, self.queue, strict=True))
        epsilon, iterations = self.sinkhorn_epsilon, self.sinkhorn_iterations
        codes = [sinkhorn(scored, epsilon=epsilon, iterations=iterations)[:rows] for scored in each]
        return {"prediction": swav(scores, codes, temperature=self.temperature)}

    def monitored(self, scores: list[Tensor], z: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the projections, and the prototypes' probabilities."""
        return {"views": z, "assignments": [(one / self.temperature).softmax(1) for one in scores[: self.num_assigned]]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss at best where all rows are one point, and where the scores or the codes are sharp."""
        # One point gets uniform codes, which cost log K or more; one code is all rows on one of K orthogonal
        # prototypes, and perfection rows spread evenly over them, in a batch that K divides.
        count, sharp = self.prototypes.weight.shape[0], exp(1 / self.temperature)
        own = 1 / (1 + (count - 1) * exp(-1 / self.sinkhorn_epsilon))
        level = 1 / self.temperature + log(1 + (count - 1) / sharp)
        return {
            "point collapse": log(count),
            "uniform codes": log(count),
            "one code": level - 1 / (count * self.temperature),
            "perfection": level - own / self.temperature,
        }

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a batch that the queue cannot hold."""
        if 0 < (held := self.queue.shape[1]) < batch_size:
            raise UserError(
                f"SwAV's queue_size = {held} is smaller than the batch of {batch_size} rows: "
                f"set method.queue_size = {4 * batch_size}, or 0 for none"
            )

    def update(self, **outputs: Any) -> None:
        """Push the projections of this batch into the queues, over the oldest ones."""
        if held := self.queue.shape[1]:
            z = torch.stack(outputs["z"])
            rows = z.shape[1]
            assert rows <= held, "check_batch_size refuses such batches"
            places = (self.pushed + torch.arange(rows, device=self.queue.device)) % held
            self.queue[:, places] = z.to(self.queue.dtype)
            self.pushed += rows

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the prototypes for the first passes: fixed random directions are a stable beginning."""
        return (self.prototypes,) if pass_ < self.frozen_passes else ()
