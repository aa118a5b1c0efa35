import warnings
from math import log

import torch
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.methods.pairs import crossed
from isotropy.nn.mlp import Widths, mlp
from isotropy.objectives import dissl
from isotropy.objectives.rows import upcast
from isotropy.validation import at_least, nonnegative, positive
from isotropy.views.multiview import MultiView


class DISSL(Method):
    """The teacher invents a task that is sure, invariant and balanced; a student as weak as the probe solves it.

    The loss is `objectives.dissl` of students h(f(x)) and teachers g(f(x)): no stop-gradient, no moving average.
    Dubois et al., "Improving Self-Supervised Learning by Characterizing Idealized Representations" (NeurIPS 2022, arXiv
    2209.06235), equation 9.

    Args:
        num_categories: C, at least 2.
        bottleneck_width: rank of both heads' last maps: Linear to it without bias, BatchNorm, Linear to C.
        teacher_hidden: hidden widths of g before the bottleneck (Linear, BatchNorm, ReLU each).
        student_hidden: likewise of h; empty for features for linear probes, an MLP probe's widths for that one.
        balance_weight: lambda, at least 0; below 1 + beta the teacher has no reason of its own to use many categories.
        certainty_weight: beta, at least 0, the weight of the teacher's determinism.
        temperature: T_t above 0; T_s is twice that, as in the paper.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = DISSL(TableMLP(numeric=3, width=8), num_categories=32, bottleneck_width=8, teacher_hidden=(16,))
        >>> outputs = method(MultiView(torch.arange(64), lambda: [torch.randn(64, 3), torch.randn(64, 3)]))
        >>> {name: tuple(tensors[0].shape) for name, tensors in outputs.items()}
        {'student': (64, 32), 'teacher': (64, 32), 'marginal': (64, 32)}
    """

    mechanism = "codes"
    averaged = ("marginal",)

    def __init__(
        self,
        encoder: nn.Module,
        *,
        num_categories: int = 1024,
        bottleneck_width: int = 256,
        teacher_hidden: Widths = (1024,),
        student_hidden: Widths = (),
        balance_weight: float = 2.3,
        certainty_weight: float = 0.8,
        temperature: float = 0.5,
    ) -> None:
        super().__init__()
        at_least(2, num_categories=num_categories)
        at_least(1, bottleneck_width=bottleneck_width)
        positive(temperature=temperature)
        nonnegative(balance_weight=balance_weight, certainty_weight=certainty_weight)
        if balance_weight < 1 + certainty_weight:
            warnings.warn(
                f"balance_weight = {balance_weight:g} is below 1 + certainty_weight = {1 + certainty_weight:g}: the "
                "teacher gains more from certainty than from balance, and may use few categories",
                stacklevel=2,
            )
        self.encoder = encoder
        self.teacher = _low_rank((width_of(encoder), *teacher_hidden, bottleneck_width), num_categories)
        self.student = _low_rank((width_of(encoder), *student_hidden, bottleneck_width), num_categories)
        self.num_categories = num_categories
        self.balance_weight, self.certainty_weight, self.temperature = balance_weight, certainty_weight, temperature

    def forward(self, views: MultiView) -> Outputs:
        """Return logits "student" of all views and "teacher" of the global ones, and their "marginal", each (B, C)."""
        large = len(views.global_views.inputs)
        if large < 2:
            raise UserError(
                "DISSL's teachers compare two views of the first view's size and these "
                f"{len(views.inputs)} views have one: set views.num_views = 2"
            )
        features = views.through(self.encoder)
        # Views go through a head together, so that its batch statistics span them.
        teacher = self.teacher(torch.cat(features[:large])).chunk(large)
        return {
            "student": [*self.student(torch.cat(features)).chunk(len(features))],
            "teacher": [*teacher],
            "marginal": [(upcast(logits) / self.temperature).softmax(dim=1) for logits in teacher],
        }

    def loss(self, student: list[Tensor], teacher: list[Tensor], marginal: list[Tensor]) -> dict[str, Tensor]:
        """Return "distillation", "determinism" and "maximality", weighted, in nats."""
        return dissl(
            student,
            teacher,
            lambd=self.balance_weight,
            beta=self.certainty_weight,
            temperature=self.temperature,
            student_temperature=2 * self.temperature,
            marginal=[p.mean(dim=0) for p in marginal],
        )

    def monitored(self, student: list[Tensor], teacher: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: a teacher's probabilities, and those of a student of it."""
        taught, teaching = next(iter(crossed(student, teacher)))
        p, q = (teaching / self.temperature).softmax(1), (taught / (2 * self.temperature)).softmax(1)
        return {"assignments": [p], "teacher": [p], "student": [q]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss where one category takes all, where none is preferred, and the least of any batch."""
        whole, most = log(self.num_categories), log(min(batch_size, self.num_categories))
        surplus = self.balance_weight - 1 - self.certainty_weight
        perfection = -self.balance_weight * most
        if surplus > 0:
            perfection = -(1 + self.certainty_weight) * most - surplus * whole
        return {"one code": 0.0, "uniform codes": -surplus * whole, "perfection": perfection}


def _low_rank(widths: Widths, categories: int) -> nn.Sequential:
    """Return a head whose logits have rank `widths[-1]` at most; the norm stands at the bottleneck alone."""
    return nn.Sequential(mlp(widths, norm_last=True, bias_last=False), nn.Linear(widths[-1], categories))
