from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.ema import Teacher, cosine
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import byol
from isotropy.validation import at_least, within
from isotropy.views.multiview import MultiView


class BYOL(Method):
    """The student predicts, from one view, the teacher's projection of another; the teacher follows the student.

    The loss is `objectives.byol` of h(g(f(x))) for g'(f'(x')); after every step f' <- m f' + (1 - m) f, g' likewise.
    Grill et al., "Bootstrap Your Own Latent" (NeurIPS 2020, arXiv 2006.07733), equation 2 and section 3.

    Args:
        projector, predictor_hidden: widths of g (Linear, BatchNorm, ReLU, ..., Linear) and inside h, built alike.
        momentum: m at the start, in [0, 1]; it ends at 1.

    Example:
        >>> import torch
        >>> from isotropy.encoders import TableMLP
        >>> method = BYOL(TableMLP(numeric=3, width=8), projector=(16, 4), predictor_hidden=16)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> [y.requires_grad for y in outputs["target"]], list(method.loss(**outputs))
        ([False, False], ['distance'])
    """

    mechanism = "predictor"
    has_teacher = True
    compared = "prediction"
    predicts = ("prediction", "target")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (1024, 256),
        predictor_hidden: int = 1024,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        at_least(1, predictor_hidden=predictor_hidden)
        within(0, 1, momentum=momentum)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector))
        self.predictor = mlp((projector[-1], predictor_hidden, projector[-1]))
        self.teacher_encoder = Teacher(self.encoder)
        self.teacher_projector = Teacher(self.projector)
        self.momentum = momentum

    def forward(self, views: MultiView) -> Outputs:
        """Return "prediction" of all views and "target" of the global ones, each (B, D)."""
        # The teacher first: where the student's activations are held already, it takes a quarter longer.
        target = [self.teacher_projector(h) for h in views.global_views.through(self.teacher_encoder)]
        prediction = [self.predictor(self.projector(h)) for h in views.through(self.encoder)]
        return {"prediction": prediction, "target": target}

    def loss(self, prediction: list[Tensor], target: list[Tensor]) -> dict[str, Tensor]:
        """Return "distance", the mean over rows of the summed distances, in [0, 4] for each directed pair."""
        return {"distance": byol(prediction, target)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return 0 twice: BYOL's loss cannot tell perfection from collapse."""
        return {"point collapse": 0.0, "perfection": 0.0}

    def update(self, **outputs: object) -> None:
        """Move the teacher towards the student."""
        momentum = cosine(self.momentum, 1.0, self.progress)
        self.teacher_encoder.update(self.encoder, momentum)
        self.teacher_projector.update(self.projector, momentum)
