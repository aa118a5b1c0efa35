import torch
from torch import Tensor, nn

from isotropy.methods.method import Method, Outputs, width_of
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import cissl, cissl_references
from isotropy.validation import positive
from isotropy.views.multiview import MultiView


class CISSL(Method):
    """A student as weak as the probe must recognise its sample among the embeddings of a strong teacher.

    The loss is `objectives.cissl` of students BN(A f(x)) and teachers g(f(x)).
    Dubois et al., "Improving Self-Supervised Learning by Characterizing Idealized Representations" (NeurIPS 2022, arXiv
    2209.06235), equation 7, and authors' code.

    Args:
        projector: hidden and output widths of the teacher's g (Linear, BatchNorm, ReLU, ..., Linear, BatchNorm).
        student_hidden: hidden widths in the place of A; empty for linear probes, an MLP probe's widths for that one.
        temperature: T, in units of cosine, above 0.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = CISSL(TableMLP(numeric=3, width=8), projector=(16, 4))
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> {name: len(tensors) for name, tensors in outputs.items()}, list(method.loss(**outputs))
        ({'student': 2, 'teacher': 2}, ['contrast'])
    """

    mechanism = "contrast"
    gathered = ("student", "teacher")
    compared = "student"
    predicts = ("student", "teacher")

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (1024, 128),
        student_hidden: Widths = (),
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        positive(temperature=temperature)
        width = width_of(encoder)
        self.encoder = encoder
        self.projector = mlp((width, *projector), norm_last=True, bias_last=False)
        self.predictor = mlp((width, *student_hidden, projector[-1]), norm_last=True, bias_last=False)
        self.temperature = temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return "student" of all views and "teacher" of the global ones, each (B, D)."""
        features = views.through(self.encoder)
        large = features[: len(views.global_views.inputs)]
        # Views go through a head together, so that its batch statistics span them.
        return {
            "student": [*self.predictor(torch.cat(features)).chunk(len(features))],
            "teacher": [*self.projector(torch.cat(large)).chunk(len(large))],
        }

    def loss(self, student: list[Tensor], teacher: list[Tensor]) -> dict[str, Tensor]:
        """Return "contrast", the mean cross entropy over all students, in nats."""
        return {"contrast": cissl(student, teacher, temperature=self.temperature)}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss of two views where all rows are one point, and where the samples form a simplex."""
        return cissl_references(batch_size, temperature=self.temperature)
