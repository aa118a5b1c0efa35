from math import exp, log
from typing import Any

import torch
from torch import Tensor, nn

from isotropy.errors import UserError
from isotropy.methods.method import Method, Outputs, width_of
from isotropy.methods.pairs import crossed
from isotropy.nn.ema import Teacher, cosine
from isotropy.nn.mlp import Widths, mlp
from isotropy.nn.prototypes import Prototypes
from isotropy.objectives import dino
from isotropy.objectives.rows import l2_normalize, upcast
from isotropy.validation import at_least, finite, fraction, positive, within
from isotropy.views.multiview import MultiView


class DINO(Method):
    """The student's soft categories of a view match the teacher's of another, which are centred and sharpened.

    The loss is `objectives.dino` of logits W g(f(x)), rows of g and W having length 1. After every step c <- m_c c +
    (1 - m_c) (the mean l'), and the teacher moves as BYOL's.
    Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (ICCV 2021, arXiv 2104.14294), equations
    1 to 4 and algorithm 1.

    Args:
        projector: hidden and output widths of g (Linear, GELU, ..., Linear), run once on all views.
        num_prototypes: K, the categories, at least 2.
        batch_norm: batch norm in g's hidden layers, which the paper leaves out.
        student_temperature: t_s, above 0.
        teacher_temperature, warmup_temperature: t_t after its warm-up and at the start, above 0 and at most t_s.
        warmup_fraction: fraction of training, in [0, 1], in which t_t grows linearly.
        momentum: m at the start, in [0, 1]; it ends at 1.
        center_momentum: m_c, in [0, 1).
        frozen_passes: passes over the data at the beginning in which W does not move.

    Example:
        >>> from isotropy.encoders import TableMLP
        >>> method = DINO(TableMLP(numeric=3, width=8), projector=(16, 4), num_prototypes=5)
        >>> outputs = method(MultiView(torch.arange(32), lambda: [torch.randn(32, 3), torch.randn(32, 3)]))
        >>> list(outputs), list(method.loss(**outputs))
        (['student', 'teacher', 'level'], ['distillation'])
    """

    mechanism = "codes"
    has_teacher = True
    averaged = ("level",)
    centre: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        projector: Widths = (512, 512, 128),
        num_prototypes: int = 1024,
        batch_norm: bool = True,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        warmup_temperature: float = 0.04,
        warmup_fraction: float = 0.1,
        momentum: float = 0.99,
        center_momentum: float = 0.9,
        frozen_passes: int = 1,
    ) -> None:
        super().__init__()
        sharp = (warmup_temperature, teacher_temperature)
        positive(warmup_temperature=warmup_temperature, teacher_temperature=teacher_temperature)
        if not max(sharp) <= student_temperature:
            raise UserError(
                f"the teacher must be at least as sharp as the student: warmup_temperature = {sharp[0]} and "
                f"teacher_temperature = {sharp[1]} must be at most student_temperature = {student_temperature}"
            )
        finite(student_temperature=student_temperature)
        within(0, 1, momentum=momentum, warmup_fraction=warmup_fraction)
        fraction(center_momentum=center_momentum)
        at_least(0, frozen_passes=frozen_passes)
        self.encoder = encoder
        self.projector = mlp((width_of(encoder), *projector), norm=batch_norm, activation=nn.GELU)
        self.prototypes = Prototypes(projector[-1], num_prototypes)
        self.teacher_encoder = Teacher(self.encoder)
        self.teacher_projector = Teacher(self.projector)
        self.teacher_prototypes = Teacher(self.prototypes)
        self.student_temperature, self.temperatures, self.warmup_fraction = student_temperature, sharp, warmup_fraction
        self.momentum, self.center_momentum, self.frozen_passes = momentum, center_momentum, frozen_passes
        self.register_buffer("centre", torch.zeros(1, num_prototypes))

    def forward(self, views: MultiView) -> Outputs:
        """Return logits (B, K): "student" of all views, "teacher" of the large ones, and "level", the latter's mean."""
        # The teacher first: where the student's activations are held already, it takes a quarter longer.
        teacher, student = views.global_views.through(self.teacher_encoder), views.through(self.encoder)
        logits = self.prototypes(l2_normalize(upcast(self.projector(torch.cat(student)))))
        targets = self.teacher_prototypes(l2_normalize(upcast(self.teacher_projector(torch.cat(teacher)))))
        each = targets.chunk(len(teacher))
        return {"student": [*logits.chunk(len(student))], "teacher": [*each], "level": torch.stack(each).mean(0)}

    def loss(self, student: list[Tensor], teacher: list[Tensor], **_: object) -> dict[str, Tensor]:
        """Return "distillation", the mean cross entropy over pairs and rows, in nats."""
        soft, sharp = self.student_temperature, self.teacher_temperature
        loss = dino(student, teacher, centre=self.centre, student_temperature=soft, teacher_temperature=sharp)
        return {"distillation": loss}

    @property
    def teacher_temperature(self) -> float:
        """t_t now: linear in `progress` until the warm-up is over."""
        start, end = self.temperatures
        return start + (end - start) * min(1.0, self.progress / self.warmup_fraction) if self.warmup_fraction else end

    def monitored(self, student: list[Tensor], teacher: list[Tensor], **_: object) -> dict[str, list[Tensor]]:
        """Return what diagnostics read: the logits, and the categories' probabilities of a teacher and its student."""
        taught, teaching = next(iter(crossed(student, teacher)))
        p = ((teaching - self.centre) / self.teacher_temperature).softmax(1)
        q = (taught / self.student_temperature).softmax(1)
        return {"views": student, "assignments": [p], "teacher": [p], "student": [q]}

    def reference_losses(self, batch_size: int) -> dict[str, float]:
        """Return the loss at best where all rows are one point, at uniform categories, and where they are sharp."""
        # At one point the centre cancels the teacher, and a uniform P costs log K or more; perfection is unit rows
        # spread evenly over K orthogonal directions, after the warm-up.
        count, sharp = self.centre.shape[1], 1 / self.student_temperature
        own = 1 / (1 + (count - 1) * exp(-1 / self.temperatures[1]))
        return {
            "point collapse": log(count),
            "uniform codes": log(count),
            "perfection": sharp * (1 - own) + log(1 + (count - 1) * exp(-sharp)),
        }

    def update(self, **outputs: Any) -> None:
        """Move the centre towards the mean teacher logits, and the teacher towards the student."""
        self.centre.lerp_(outputs["level"].to(self.centre.dtype), 1 - self.center_momentum)
        momentum = cosine(self.momentum, 1.0, self.progress)
        self.teacher_encoder.update(self.encoder, momentum)
        self.teacher_projector.update(self.projector, momentum)
        self.teacher_prototypes.update(self.prototypes, momentum)

    def frozen(self, pass_: int) -> tuple[nn.Module, ...]:
        """Return the last layer for the first passes: a moving one can flatten all categories at once."""
        return (self.prototypes,) if pass_ < self.frozen_passes else ()
