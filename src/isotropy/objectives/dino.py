"""DINO: predict the categories of an EMA teacher, whose outputs are centred and sharpened."""

from collections.abc import Sequence

import torch
from torch import Tensor

from isotropy.objectives.codes import predicted_codes
from isotropy.objectives.rows import check_temperature, upcast

__all__ = ["dino"]


def dino(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    *,
    centre: Tensor,
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
) -> Tensor:
    """Return DINO's loss: the mean over pairs v != u of the cross entropy of student view v and teacher view u,

        -sum_k P_u,k log softmax(l_v / t_s)_k   with   P_u = softmax((l'_u - c) / t_t).

    Args:
        student: V views, each (N, K): logits.
        teacher: logits of the first U <= V of these views, each (N, K). No gradient reaches them.
        centre: c, (K,) or (1, K): a mean of teacher logits.
        student_temperature: t_s > 0.
        teacher_temperature: t_t > 0, below t_s: it sharpens.

    Returns: a scalar in nats, float32 at least: at least the mean entropy of the P_u, met where the student's
        probabilities are the teacher's; log K where the student's are uniform.
    Raises: ValueError for numbers of views or shapes that do not fit, or a temperature that is not positive.
    Source: Caron et al. 2021 (arXiv 2104.14294), equations 1 to 3 and algorithm 1.

    Example:
        >>> flat = torch.zeros(2, 8)
        >>> torch.allclose(dino([flat, flat], [flat, flat], centre=torch.zeros(8)), torch.tensor(8.0).log())
        True
    """
    check_temperature(student_temperature, teacher_temperature)
    with torch.no_grad():
        targets = [(upcast(view) - upcast(centre)).div_(teacher_temperature).softmax(1) for view in teacher]
    return predicted_codes(student, targets, temperature=student_temperature)
