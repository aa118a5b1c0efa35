import torch
from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.methods.pairs import crossed
from isotropy.nn.ema import Teacher, cosine
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import info_nce, info_nce_references
from isotropy.validation import at_least, positive, within
from isotropy.views.multiview import MultiView


class MoCoV3(Method):
    """A view's prediction must pick out the teacher's key of the other view among the keys of all samples.

    The loss is 2 t times `objectives.info_nce` of h(g(f(x))) and g'(f'(x')), summed over both directions, and after
    every step f' <- m f' + (1 - m) f, g' likewise.
    Chen, Xie and He, "An Empirical Study of Training Self-Supervised Vision Transformers" (ICCV 2021, arXiv
    2104.02057), equation 1 and algorithm 1.

    Args:
        projector, predictor_hidden: widths of g (Linear, BatchNorm, ReLU, ..., Linear, BatchNorm) and inside h.
        temperature: t, in units of cosine, above 0.
        momentum: m at the start, in [0, 1]; it ends at 1.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = MoCoV3(TableMLP(numeric=3, width=8), projector=(16, 4), predictor_hidden=16)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> [k.requires_grad for k in outputs["key"]], list(method.loss(**outputs))
        ([False, False], ['contrast'])
    """

    mechanism = "contrast"
    has_teacher = True
    gathered = ("query", "key")
    compared = "query"
    predicts = ("query", "key")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (1024, 256),
        predictor_hidden: int = 1024,
        temperature: float = 0.2,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        positive(temperature=temperature)
        at_least(1, predictor_hidden=predictor_hidden)
        within(0, 1, momentum=momentum)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector), norm_last=True, affine_last=False, bias_last=False)
        self.predictor = mlp((projector[-1], predictor_hidden, projector[-1]), bias_last=False)
        self.teacher_encoder = Teacher(self.encoder)
        self.teacher_projector = Teacher(self.projector)
        self.temperature, self.momentum = temperature, momentum

    def forward(self, views: MultiView) -> Outputs:
        """Return "query" of all views and "key" of the global ones, each (B, D)."""
        # The teacher first: where the student's activations are held already, it takes a quarter longer.
        key = [self.teacher_projector(h) for h in views.global_views.through(self.teacher_encoder)]
        query = [self.predictor(self.projector(h)) for h in views.through(self.encoder)]
        return {"query": query, "key": key}

    def loss(self, query: list[Tensor], key: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", 2 t times the cross entropies (in nats), summed over directed pairs of views."""
        entropies = [info_nce(q, k.detach(), temperature=self.temperature) for q, k in crossed(query, key)]
        return {"contrast": 2 * self.temperature * torch.stack(entropies).sum()}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        references = info_nce_references(batch_size, temperature=self.temperature)
        # Two directed pairs, each weighted by 2 t.
        return {situation: 4 * self.temperature * loss for situation, loss in references.items()}

    def update(self, **outputs: object) -> None:
        """Move the teacher towards the student."""
        momentum = cosine(self.momentum, 1.0, self.progress)
        self.teacher_encoder.update(self.encoder, momentum)
        self.teacher_projector.update(self.projector, momentum)
